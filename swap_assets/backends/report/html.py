"""The report as one HTML file that loads nothing, runs nothing, and shows what others wrote as text.

Jinja escapes every value; the content security policy allows only this file's own style sheet, by its hash, and images
that are in the file. There is no script and no inline style, so the policy needs no exception.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swap_assets.backends.report.drawing import Plot
from swap_assets.domain.report.document import Document
from swap_assets.domain.report.figures import ABSENT
from swap_assets.domain.report.foreign import visible

_TEMPLATES = Path(__file__).parent / "templates"
HEAT_STEPS = 5  # classes heat-0 to heat-5 of the style sheet


def to_html(document: Document, plots: Mapping[str, Plot]) -> str:
    """Return the whole page; a plot that was not drawn is left out."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html.jinja").render(
        document=document,
        plots=plots,
        policy=content_security_policy(style),
        style=Markup(style),  # the package's own file; a style element's text is not escaped
        data_url=data_url,
        cell_class=cell_class,
    )


def content_security_policy(style: str) -> str:
    """Return the policy that allows this style sheet and images in the file, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def data_url(svg: str) -> str:
    """Return an SVG image as an address that needs no network; as an image it runs no script."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def cell_class(text: str, *, heat: bool) -> str:
    """Return the classes of a table cell: figures right-aligned, verdicts marked, shades in a heat map."""
    if text == ABSENT or text.startswith(f"{ABSENT}:"):
        return "absent"
    if heat and text.isdigit():
        return f"figure heat-{min(HEAT_STEPS, int(text) * HEAT_STEPS // 100)}"
    if text[:2] in _MARKS:
        return _MARKS[text[:2]]
    return "figure" if text[:1].isdigit() or text[:2] in _SIGNED else "words" if len(text) > 40 else ""


_MARKS = {"✓ ": "mark good", "✗ ": "mark bad", "? ": "mark open"}
_SIGNED = {f"{sign}{digit}" for sign in "+-−" for digit in range(10)}


def _shown(value: Any) -> Any:
    # Exactly str: the package's own markup is a subclass.
    return visible(value) if type(value) is str else value
