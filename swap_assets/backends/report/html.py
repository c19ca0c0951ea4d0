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
from swap_assets.domain.report.layout import Document
from swap_assets.domain.report.tables import html
from swap_assets.domain.report.wording import visible

_TEMPLATES = Path(__file__).parent / "templates"


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
        report=document.report,
        plots=plots,
        policy=content_security_policy(style),
        style=Markup(style),  # the package's own file; a style element's text is not escaped
        data_url=data_url,
        table_html=html,
    )


def content_security_policy(style: str) -> str:
    """Return the policy that allows this style sheet and images in the file, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def data_url(svg: str) -> str:
    """Return an SVG image as an address that needs no network; as an image it runs no script."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _shown(value: Any) -> Any:
    # Exactly str: the package's own markup is a subclass.
    return visible(value) if type(value) is str else value
