"""Printing a report and decisions on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swap_assets.domain.candidates import Candidate
from swap_assets.domain.contracts import Track
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.report.markdown import percent
from swap_assets.domain.report.report import CandidateRow, Report

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def print_report(report: Report, console: Console) -> None:
    """Print the verdict and the main table of each track."""
    console.print(f"\n[bold]Scale {report.scale}[/]")
    for notice in report.notices:
        console.print(f"[yellow]{escape(notice)}[/]")
    console.print(escape(report.verdict))
    for track in Track:
        rows = [row for row in report.rows if row.track is track]
        if rows:
            console.print(_table(f"{track.value} track: % with 95 % interval", rows))
    for note in report.candidates:
        if note.status != "evaluated":
            console.print(f"[dim]{note.candidate_id}: {note.status}: {escape(note.reason)}[/]", highlight=False)


def print_decisions(decisions: Sequence[Decision], console: Console) -> None:
    """Print each decision with its verdict, action and reason."""
    console.print("\n[bold]Decisions[/]")
    for item in decisions:
        subject = f"{item.model} at {item.scale}" if item.model else item.scale
        colour = _COLOURS[item.verdict]
        action = item.action.replace("_", " ")
        console.print(
            f"[bold]{item.name}[/] ({subject}): [{colour}]{item.verdict}[/] → [bold]{action}[/]. {escape(item.reason)}",
            highlight=False,
        )


def short_name(candidate_id: str) -> str:
    """Return a candidate as it is told apart within one scale: `teacher (hosted)`, `student (paper)`."""
    candidate = Candidate.from_id(candidate_id)
    return f"{candidate.model} ({candidate.form.value if candidate.approach == 'none' else candidate.approach})"


def _table(title: str, rows: Sequence[CandidateRow]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("candidate", no_wrap=True)
    for name in ("rows", "field F1", "exact", "name", "JSON", "LLM − SLM"):
        table.add_column(name, justify="right")
    for row in rows:
        versus = row.versus_llm
        delta = f"{versus.delta_points:+.1f} [{versus.low_points:+.0f}, {versus.high_points:+.0f}]" if versus else "–"
        metrics = [percent(row.metrics.get(key)) for key in ("field_f1", "exact_match", "name_match", "valid_json")]
        table.add_row(short_name(row.candidate_id), str(row.cases - row.unscored), *metrics, delta)
    return table
