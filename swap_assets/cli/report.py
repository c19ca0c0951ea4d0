"""What came out: `swap-assets report` shows a scale's report, `explain` says why a decision fell so.

`approve` and `reject` are a person's verdict on a release, recorded with the evidence that it was given on. What others
wrote can neither colour the terminal nor move its cursor.
"""

import dataclasses
import os
import webbrowser
from collections.abc import Sequence
from typing import Annotated, Literal

import typer
from rich.console import Console

from swap_assets.backends.report.archive import HTML_FILE, read_report
from swap_assets.backends.report.build import report_folder
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.evidence import read_state
from swap_assets.backends.store.experiment_file import pasteable, storage_root
from swap_assets.cli.environment import Config, dagster_environment, experiment_or_exit, fail
from swap_assets.domain.gates import registry
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.gates.registry import decisions
from swap_assets.domain.judging.decisions import Approval, Decision
from swap_assets.domain.keys import COMPARISON_REPORT
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.layout import lay_out
from swap_assets.domain.report.tables import terminal, terminal_text
from swap_assets.domain.report.wording import display_name
from swap_assets.domain.state import State

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
# What of the main table stands on a terminal, with shorter titles.
_SHOWN = {"candidate": "candidate", "rows": "rows", "field F1": "field F1", "whole answer exact": "exact",
          "name match": "name", "valid JSON": "JSON", "LLM − SLM, points": "LLM − SLM"}  # fmt: skip
_OF = {"scale": "SCALE", "model": "MODEL|SCALE"}
Subject = Annotated[
    str, typer.Argument(help=", ".join(f"{name}:{_OF[decision.per]}" for name, decision in decisions().items()))
]
Name = Annotated[str, typer.Option("--by", help="who says so; nothing checks it")]
Reason = Annotated[str, typer.Option("--reason", help="why, for whoever asks in a year")]


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
    experiment.scale(name)  # ends the command where there is none
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
            console.print(terminal(dataclasses.replace(table, frame=shown)))
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


def explain(decision: Subject, config: Config = None) -> None:
    """Print a decision's rule, evidence, verdict, the rows it still needs, and the next command."""
    found, state = decision_named(decision, config)
    if found.action == "release":  # what was said in the UI counts, too
        os.environ.update(dagster_environment(config))
        import dagster as dg  # takes a second, and reads the experiment that the environment names

        from swap_assets.defs.gates import reported

        with dg.DagsterInstance.get() as instance:
            state = dataclasses.replace(state, approvals={**state.approvals, **reported(instance, state)})
    typer.echo(pasteable(registry.explain(found, state), config))


def decision_named(subject: str, config: Config) -> tuple[Decision, State]:
    """Return a recorded decision and the experiment's state; what can't be found ends the command in a sentence."""
    experiment = experiment_or_exit(config)
    state = read_state(experiment, ArtefactStore(storage_root(experiment)))
    known = [f"{name}:{key}" for name, entry in registry.decisions().items() for scale in experiment.scales
             for key in (state.partitions(scale) if entry.per == "model" else [scale])]  # fmt: skip
    if subject not in known:
        raise fail(f"there is no decision '{subject}'; there may be: {', '.join(known)}")
    name, _, partition = subject.partition(":")
    found = state.decision(name, partition)
    if found is None:
        command = pasteable(materialize(name, partition), config)
        raise fail(f"{name} for {partition} has not been made yet; make it: {command}")
    return found, state


def approve(decision: Subject, by: Name, reason: Reason, config: Config = None) -> None:
    """Approve a release that passed its gate: it holds for this very evidence and is void when that changes."""
    _record(decision, "approved", by, reason, config)


def reject(decision: Subject, by: Name, reason: Reason, config: Config = None) -> None:
    """Reject a release that passed its gate; nothing is merged until the evidence changes or somebody approves."""
    _record(decision, "rejected", by, reason, config)


def _record(name: str, verdict: Literal["approved", "rejected"], by: str, reason: str, config: Config) -> None:
    found, _ = decision_named(name, config)
    if found.name != "release_decision":
        raise fail(f"{found.name} acts by itself; only a release_decision is approved or rejected")
    if found.action != "release":
        raise fail(f"{found.name} for {found.partition} says {found.action}: there is nothing to approve")
    if not by.strip() or len(reason.strip()) < 3:
        raise fail("give a name (--by) and a reason of at least three letters (--reason)")
    os.environ.update(dagster_environment(config))
    import dagster as dg

    from swap_assets.defs.gates import give_approval
    from swap_assets.defs.resources.store import ExperimentStore

    store = ExperimentStore()
    approval = Approval(
        model=found.model, scale=found.scale, verdict=verdict, by=by.strip(), reason=reason.strip(),
        evidence_hash=found.content(), at=store.now(),
    )  # fmt: skip
    with dg.DagsterInstance.get() as instance:
        give_approval(instance, store, approval)
    typer.echo(f"{found.name} for {found.partition}: {approval.sentence()}")
    typer.echo(f"It holds for this evidence ({approval.evidence_hash}) and is void when that changes.")
