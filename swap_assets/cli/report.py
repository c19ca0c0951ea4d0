"""`swap-assets report`: the main tables of a scale's report on the terminal, and its page in the browser.

What others wrote can neither colour the terminal nor move its cursor.
"""

import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from swap_assets.backends.report.build import report_folder
from swap_assets.backends.report.files import HTML_FILE, read_report
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.experiment_file import pasteable, storage_root
from swap_assets.cli.environment import Config, experiment_or_exit, fail
from swap_assets.domain.experiment.experiment import ExperimentError
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import COMPARISON_REPORT
from swap_assets.domain.report.layout import lay_out
from swap_assets.domain.report.report import Report
from swap_assets.domain.report.tables import terminal, terminal_text
from swap_assets.domain.report.wording import display_name

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
# What of the main table stands on a terminal, with shorter titles.
_SHOWN = {"candidate": "candidate", "rows": "rows", "field F1": "field F1", "whole answer exact": "exact",
          "name match": "name", "valid JSON": "JSON", "LLM − SLM, points": "LLM − SLM"}  # fmt: skip


def report(
    scale: Annotated[str, typer.Option(help="the scale; else the last one that has a report")] = "",
    config: Config = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="open report.html in the browser")] = True,
) -> None:
    """Print the main tables of a scale's report and open its page."""
    experiment = experiment_or_exit(config)
    store = ArtefactStore(storage_root(experiment))
    reported = (one for one in reversed(experiment.scales) if read_report(report_folder(store, one)))
    name = scale or next(reported, next(iter(experiment.scales)))
    try:
        experiment.scale(name)
    except ExperimentError as error:
        raise fail(str(error)) from None
    folder = report_folder(store, name)
    found = read_report(folder)
    if found is None:
        command = pasteable(materialize(COMPARISON_REPORT, name), config)
        raise fail(f"there is no report of scale '{name}' in this version's form; make it: {command}")
    console = Console()
    print_report(found, console)
    sections = {section.id: section for section in lay_out(found).sections}
    for name in ("criteria", "llm", "latency", "cost"):
        for table in sections[name].tables[:1]:
            console.print(terminal(table))
    for sentence in sections["cost"].lead:
        console.print(terminal_text(sentence), highlight=False)
    print_decisions(found.decisions, console)
    page = folder / HTML_FILE
    console.print(f"\nReport: {page}", highlight=False, soft_wrap=True)
    if open_page and not webbrowser.open(page.as_uri()):
        console.print("No browser was found on this machine; open the file by hand.", highlight=False)


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
            told = f"{display_name(note.candidate_id)}: {note.status}: {note.reason}"
            console.print(f"[dim]{terminal_text(told)}[/]", highlight=False)


def print_decisions(decisions: Sequence[Decision], console: Console) -> None:
    """Print each decision with its verdict, action and reason."""
    console.print("\n[bold]Decisions[/]")
    for item in decisions:
        print_decision(item, console)


def print_decision(item: Decision, console: Console) -> None:
    """Print a decision with its verdict, action and reason."""
    subject = f"{item.model} at {item.scale}" if item.model else item.scale
    told = (f"[bold]{item.name}[/] ({subject}): [{_COLOURS[item.verdict]}]{item.verdict}[/] → "
            f"[bold]{item.action.replace('_', ' ')}[/]. {terminal_text(item.reason)}")  # fmt: skip
    console.print(told, highlight=False)
