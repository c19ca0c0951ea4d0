"""The report's files in the experiment's folder, and the earlier reports that are kept beside them.

reports/SCALE/report.html, report.json, report.md, csv/*.csv, model_cards/CANDIDATE/MODEL_CARD.md
reports/SCALE/previous/TIME-EVIDENCE.json     earlier reports that rest on other evidence
"""

import re
from pathlib import Path

from pydantic import ValidationError

from swap_assets.backends.report.html import to_html
from swap_assets.backends.report.model_card import model_card
from swap_assets.backends.report.plots import draw_plots
from swap_assets.backends.store.artefacts import write_text
from swap_assets.domain.report.layout import lay_out, to_markdown
from swap_assets.domain.report.report import Report
from swap_assets.domain.report.spreadsheets import spreadsheets
from swap_assets.domain.report.tables import csv

HTML_FILE, JSON_FILE, MARKDOWN_FILE = "report.html", "report.json", "report.md"
_PREVIOUS = "previous"
KEPT = 20


def write_report(report: Report, folder: Path) -> Path:
    """Write every form of a report, keeping the one that it replaces where that rests on other evidence."""
    _keep_replaced(report, folder)
    document = lay_out(report)
    write_text(folder / JSON_FILE, report.model_dump_json(indent=1) + "\n")
    write_text(folder / MARKDOWN_FILE, to_markdown(document))
    (folder / "csv").mkdir(parents=True, exist_ok=True)
    for name, found in spreadsheets(report).items():
        write_text(folder / "csv" / f"{name}.csv", csv(found))
    for note in report.candidates:
        if note.status == "evaluated" and note.candidate_id != report.llm_id:
            own = folder / "model_cards" / note.candidate_id
            own.mkdir(parents=True, exist_ok=True)
            write_text(own / "MODEL_CARD.md", model_card(report, note.candidate_id))
    write_text(folder / HTML_FILE, to_html(document, draw_plots(report)))
    return folder


def read_report(folder: Path) -> Report | None:
    """Return the report that lies in a folder; None where there is none, or one of another schema version."""
    return _read(folder / JSON_FILE)


def previous_report(folder: Path, evidence: str) -> Report | None:
    """Return the newest kept report that rests on other evidence than this; None where there is none to be read."""
    kept = sorted((folder / _PREVIOUS).glob("*.json"), reverse=True)
    found = (report for path in (folder / JSON_FILE, *kept) if (report := _read(path)))
    return next((report for report in found if report.evidence() != evidence), None)


def _keep_replaced(report: Report, folder: Path) -> None:
    replaced = read_report(folder)
    if replaced is None or replaced.evidence() == report.evidence():
        return
    kept = folder / _PREVIOUS
    kept.mkdir(parents=True, exist_ok=True)
    time = re.sub(r"[^0-9T]", "", replaced.generated_at.split("+")[0]) or "unknown"
    (folder / JSON_FILE).replace(kept / f"{time}-{replaced.evidence()}.json")
    for old in sorted(kept.glob("*.json"), reverse=True)[KEPT:]:
        old.unlink()


def _read(path: Path) -> Report | None:
    try:
        return Report.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
