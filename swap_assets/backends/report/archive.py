"""The report's files in the experiment's folder, and the earlier reports that are kept beside them.

reports/SCALE/report.html, report.json, report.md, csv/*.csv, model_cards/CANDIDATE/MODEL_CARD.md
reports/SCALE/previous/TIME-EVIDENCE.json     earlier reports that rest on other evidence

The page loads nothing, runs nothing, and shows what others wrote as text: Jinja escapes every value, and the content
security policy allows the file's own style sheet, by its hash, and images that are in the file. It has no script and no
inline style, so the policy needs no exception.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swap_assets.backends.hub.cards import model_card
from swap_assets.backends.report.plots import Plot, draw_plots
from swap_assets.backends.store.whole import UnreadableError, read_json, write_json, write_text
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.layout import Document, lay_out, spreadsheets, to_markdown
from swap_assets.domain.report.tables import cell_class, csv
from swap_assets.domain.report.wording import visible

HTML_FILE, JSON_FILE, MARKDOWN_FILE = "report.html", "report.json", "report.md"
_PREVIOUS = "previous"
KEPT = 20
_TEMPLATES = Path(__file__).parent / "templates"


def write_report(report: Report, folder: Path) -> Path:
    """Write every form of a report, keeping the one that it replaces where that rests on other evidence."""
    _keep_replaced(report, folder)
    document = lay_out(report)
    write_text(folder / MARKDOWN_FILE, to_markdown(document))
    for name, found in spreadsheets(report).items():
        write_text(folder / "csv" / f"{name}.csv", csv(found))
    for note in report.candidates:
        if note.status == "evaluated" and note.candidate_id != report.llm_id:
            write_text(
                folder / "model_cards" / note.candidate_id / "MODEL_CARD.md", model_card(report, note.candidate_id)
            )
    write_text(folder / HTML_FILE, to_html(document, draw_plots(report)))
    write_json(folder / JSON_FILE, report)  # last: whoever reads it back finds the others whole
    return folder


def read_report(folder: Path, name: str = JSON_FILE) -> Report | None:
    """Return the report that lies in a folder; None where there is none, it is damaged, or of another version."""
    try:
        return read_json(folder / name, Report.model_validate_json, again="")
    except (OSError, UnreadableError):
        return None


def previous_report(folder: Path, evidence: str) -> Report | None:
    """Return the newest kept report that rests on other evidence than this; None where there is none to be read."""
    kept = sorted((folder / _PREVIOUS).glob("*.json"), reverse=True)
    found = (report for path in (folder / JSON_FILE, *kept) if (report := read_report(path.parent, path.name)))
    return next((report for report in found if report.evidence() != evidence), None)


def _keep_replaced(report: Report, folder: Path) -> None:
    replaced = read_report(folder)
    if replaced is None or replaced.evidence() == report.evidence():
        return
    kept = folder / _PREVIOUS
    time = re.sub(r"[^0-9T]", "", replaced.generated_at.split("+")[0]) or "unknown"
    write_json(kept / f"{time}-{replaced.evidence()}.json", replaced)
    for old in sorted(kept.glob("*.json"), reverse=True)[KEPT:]:
        old.unlink()


def to_html(document: Document, plots: Mapping[str, Plot]) -> str:
    """Return the whole page; a plot that was not drawn is left out."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    own = Markup(style)  # the package's own file; a style element's text is not escaped
    return environment.get_template("report.html.jinja").render(
        document=document, report=document.report, plots=plots, policy=content_security_policy(style), style=own,
        data_url=data_url, cell_class=cell_class,
    )  # fmt: skip


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
