"""What the sensors do, told as it happens: runs as they start and end, decisions as they are made."""

from collections.abc import Sequence
from typing import NamedTuple

import dagster as dg
from rich.console import Console
from rich.markup import escape

from swap_assets.cli.tables import print_decision
from swap_assets.defs.progress import read_progress
from swap_assets.defs.resources import Lab
from swap_assets.defs.sensors import run_of
from swap_assets.domain.automation import gates
from swap_assets.domain.automation.progress import Progress

_ALL_GATES: Sequence[gates.Gate] = (
    gates.scale_up_gate, gates.model_baseline_gate, gates.fine_tune_gate, gates.report_ready, gates.release_gate,
)  # fmt: skip


class Chapter(NamedTuple):
    """How far the story is: whether nothing is under way or due any more, and what the gates wait for."""

    over: bool
    waits: tuple[str, ...]


class Story:
    """Follows one experiment on its instance."""

    def __init__(self, instance: dg.DagsterInstance, lab: Lab, console: Console) -> None:
        self.instance, self.lab, self.console = instance, lab, console
        self._told: dict[str, dg.DagsterRunStatus] = {}
        self._decided: set[str] = set()

    def go_on(self) -> Chapter:
        """Tell what is new since the last call."""
        for run in sorted(self.instance.get_run_records(limit=200), key=lambda record: record.create_timestamp):
            self._tell_run(run)
        progress = read_progress(self.instance, self.lab)
        for name, decision in progress.decisions.items():
            if (key := f"{name} {decision.content()}") not in self._decided:
                self._decided.add(key)
                print_decision(decision, self.console)
        return self._chapter(progress)

    def _chapter(self, progress: Progress) -> Chapter:
        outcomes = [gate(progress) for gate in _ALL_GATES]
        due = any(not run_of(self.instance, step) for outcome in outcomes for step in outcome.steps)
        waits = tuple(wait for outcome in outcomes for wait in outcome.waits)
        return Chapter(over=bool(progress.root) and not due and not progress.active, waits=waits)

    def _tell_run(self, record: dg.RunRecord) -> None:
        run = record.dagster_run
        if run.job_name.startswith("__") or self._told.get(run.run_id) is run.status:
            return
        first = run.run_id not in self._told
        self._told[run.run_id] = run.status
        what = f"{run.job_name} {run.tags.get('dagster/partition', '')}"
        if first:
            why = run.tags.get("swap/because", "")
            self.console.print(f"[bold]▶ {escape(what)}[/] [dim]{escape(why)}[/]", highlight=False)
        if run.is_finished:
            seconds = (record.end_time or 0) - (record.start_time or record.end_time or 0)
            sign = "[green]✓[/]" if run.is_success else "[red]✗[/]"
            self.console.print(f"{sign} {escape(what)} [dim]{seconds:.0f} s[/]", highlight=False)
