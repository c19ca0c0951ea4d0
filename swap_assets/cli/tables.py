"""Printing a report and decisions on the terminal; what others wrote can neither colour it nor move its cursor."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.report.comparison import CandidateRow
from swap_assets.domain.report.document import Section, TableView
from swap_assets.domain.report.figures import percent
from swap_assets.domain.report.foreign import visible
from swap_assets.domain.report.names import TRACK_TITLES
from swap_assets.domain.report.report import Report

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def print_report(report: Report, console: Console) -> None:
    """Print the verdict and the main table of each track."""
    for notice in report.notices:
        console.print(f"[yellow]{_text(notice)}[/]")
    console.print(f"\n[bold]Scale {_text(report.scale)}[/]")
    console.print(f"[bold]{_text(report.verdict.sentence)}[/]")
    if report.verdict.how_sure:
        console.print(_text(report.verdict.how_sure))
    for track in Track:
        rows = [row for row in report.rows if row.track is track]
        if rows:
            console.print(_main_table(f"{TRACK_TITLES[track]}: % with 95 % interval", rows))
    for note in report.candidates:
        if note.status != "evaluated":
            console.print(f"[dim]{_text(note.name)}: {note.status}: {_text(note.reason)}[/]", highlight=False)


def print_table(view: TableView, console: Console) -> None:
    """Print one of the report's tables."""
    table = Table(title=_text(view.caption), title_justify="left")
    for place, name in enumerate(view.header):
        table.add_column(_text(name), justify="left" if place == 0 else "right")
    for row in view.rows:
        table.add_row(*map(_text, row))
    console.print(table)


def print_sentences(section: Section, console: Console) -> None:
    """Print what a section says in words."""
    for sentence in section.lead:
        console.print(_text(sentence), highlight=False)


def print_decisions(decisions: Sequence[Decision], console: Console) -> None:
    """Print each decision with its verdict, action and reason."""
    console.print("\n[bold]Decisions[/]")
    for item in decisions:
        print_decision(item, console)


def print_decision(item: Decision, console: Console) -> None:
    """Print a decision with its verdict, action and reason."""
    subject = f"{item.model} at {item.scale}" if item.model else item.scale
    colour = _COLOURS[item.verdict]
    action = item.action.replace("_", " ")
    console.print(
        f"[bold]{item.name}[/] ({subject}): [{colour}]{item.verdict}[/] → [bold]{action}[/]. {_text(item.reason)}",
        highlight=False,
    )


def _main_table(title: str, rows: Sequence[CandidateRow]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("candidate", no_wrap=True)
    for name in ("rows", "field F1", "exact", "name", "JSON", "LLM − SLM"):
        table.add_column(name, justify="right")
    for row in rows:
        versus = row.versus_llm
        delta = f"{versus.delta_points:+.1f} [{versus.low_points:+.0f}, {versus.high_points:+.0f}]" if versus else "–"
        metrics = [percent(row.metrics.get(key)) for key in ("field_f1", "exact_match", "name_match", "valid_json")]
        table.add_row(_text(row.name), str(row.cases - row.unscored), *metrics, _text(delta))
    return table


def _text(value: str) -> str:
    """Return text that the terminal shows as it stands."""
    return escape(visible(value, keep_lines=False))
