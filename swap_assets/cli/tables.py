"""Printing a report and decisions on the terminal; what others wrote can neither colour it nor move its cursor."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.report.layout import lay_out
from swap_assets.domain.report.report import Report
from swap_assets.domain.report.tables import terminal, terminal_text

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
# What of the main table stands on a terminal, with shorter titles.
_SHOWN = {"candidate": "candidate", "rows": "rows", "field F1": "field F1", "whole answer exact": "exact",
          "name match": "name", "valid JSON": "JSON", "LLM − SLM, points": "LLM − SLM"}  # fmt: skip


def print_report(report: Report, console: Console) -> None:
    """Print the verdict and the main table of each track."""
    for notice in report.notices:
        console.print(f"[yellow]{terminal_text(notice)}[/]")
    console.print(f"\n[bold]Scale {terminal_text(report.scale)}[/]")
    console.print(f"[bold]{terminal_text(report.verdict.sentence)}[/]")
    if report.verdict.how_sure:
        console.print(terminal_text(report.verdict.how_sure))
    for table in lay_out(report).section("candidates").tables:
        if table.name.startswith("main-"):
            shown = table.frame[[name for name in _SHOWN if name in table.header]].rename(columns=_SHOWN)
            console.print(terminal(replace(table, frame=shown)))
    for note in report.candidates:
        if note.status != "evaluated":
            console.print(f"[dim]{terminal_text(f'{note.name}: {note.status}: {note.reason}')}[/]", highlight=False)


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
        f"[bold]{item.name}[/] ({subject}): [{colour}]{item.verdict}[/] → [bold]{action}[/]. "
        f"{terminal_text(item.reason)}",
        highlight=False,
    )
