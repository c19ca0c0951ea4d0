"""The demo by its sensors: only the root is materialised by hand; what they do from there on is told as it happens.

Importing this module reads the experiment that the environment names, and takes Dagster's second.
"""

import time
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.markup import escape

from swap_assets.cli.environment import PID_FILE, dagster_service
from swap_assets.cli.materialize import Segment, run_segment
from swap_assets.cli.report import print_decision
from swap_assets.defs.gates import BECAUSE, runs_of, state_of
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.gates.registry import GATES, tries
from swap_assets.domain.keys import ROOT_ASSETS


def by_sensors(root: Path, environment: dict[str, str], console: Console, *, limit_s: int, keep: bool) -> str:
    """Start Dagster, materialise the root, watch, return what went wrong; a ServiceError or SegmentError: no start."""
    log, deadline = root / "logs" / "dagster-dev.log", time.monotonic() + limit_s
    with dagster_service(environment, log=log, keep=keep) as service:
        (root / PID_FILE).write_text(str(service.pid), encoding="utf-8")
        console.print(f"Dagster: {service.address}  (sensors look every few seconds)", highlight=False)
        segment = Segment("The root, by hand: conversations", ROOT_ASSETS[:2])
        run_segment(segment, environment=environment, log=root / "logs" / "root.log", console=console)
        over, failed = _watch(console, deadline=deadline)
    if keep:
        console.print(f"Still running: {service.address}  Stop it with: kill -INT {service.pid}", highlight=False)
    faults = [] if over else [f"Stopped at the time limit of {limit_s} s"]
    if failed:
        faults.append(f"{'Done ' * over}with {failed} failed run{'s' * (failed > 1)} (Dagster's log: {log})")
    return ", ".join(faults)


def _watch(console: Console, *, deadline: float) -> tuple[bool, int]:
    """Tell the story until nothing is due or under way; return whether it ended in time, and how many runs failed."""
    with dg.DagsterInstance.get() as instance:
        story, quiet = Story(instance, ExperimentStore(), console), 0
        while time.monotonic() < deadline:
            quiet = quiet + 1 if story.go_on() else 0
            if quiet == 2:  # looked at twice, since a run may have ended between two of its own lines
                story.tell_waits()
                return True, story.failed
            time.sleep(1.0)
    return False, story.failed


class Story:
    """Follows one experiment on its instance; `waits` is what the gates wait for, `failed` counts runs."""

    def __init__(self, instance: dg.DagsterInstance, store: ExperimentStore, console: Console) -> None:
        self.instance, self.store, self.console = instance, store, console
        self.failed, self.waits = 0, list[str]()
        self._told: dict[str, dg.DagsterRunStatus] = {}
        self._decided: dict[str, str] = {}

    def go_on(self) -> bool:
        """Tell what is new, decisions first, for they are why runs start; return whether nothing is due or running."""
        state = state_of(self.instance, self.store)
        for name, decision in state.decisions.items():
            if (key := f"{name} {decision.content()}") not in self._decided:
                self._decided[key] = decision.reason
                print_decision(decision, self.console)
                for tried in tries(decision):
                    self.console.print(f"[dim]{escape(tried)}[/]", highlight=False, soft_wrap=True)
        for run in sorted(self.instance.get_run_records(limit=200), key=lambda record: record.create_timestamp):
            self._tell_run(run)
        outcomes = [gate.outcome(state) for gate in GATES]
        keys = {step.run_key for outcome in outcomes for step in outcome.steps}
        self.failed, self.waits = len(state.broken), [wait for outcome in outcomes for wait in outcome.waits]
        due = keys - set(runs_of(self.instance, keys))
        return bool(state.root) and not due and not state.active

    def tell_waits(self) -> None:
        """Tell once what each gate waits for."""
        for wait in dict.fromkeys(self.waits):
            self.console.print(f"  [dim]{escape(wait)}[/]", highlight=False)

    def _tell_run(self, record: dg.RunRecord) -> None:
        run = record.dagster_run
        if run.job_name.startswith("__") or self._told.get(run.run_id) is run.status:
            return
        first = run.run_id not in self._told
        self._told[run.run_id] = run.status
        what = f"{run.job_name} {run.tags.get('dagster/partition', '')}"
        if first:
            why = run.tags.get(BECAUSE, "")
            if any(reason.startswith(why) for reason in self._decided.values()):
                why = "as decided"
            self.console.print(f"[bold]▶ {escape(what)}[/] [dim]{escape(why)}[/]", highlight=False)
        if run.is_finished:
            seconds = (record.end_time or 0) - (record.start_time or record.end_time or 0)
            sign = "[green]✓[/]" if run.is_success else "[red]✗[/]"
            self.console.print(f"{sign} {escape(what)} [dim]{seconds:.0f} s[/]", highlight=False)
            for reason in () if run.is_success else _why_it_failed(self.instance, run):
                self.console.print(f"  [red]{escape(reason)}[/]", highlight=False)


def _why_it_failed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Return for each step of a run that failed the sentence at the root of its error."""
    found = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    events = [entry.dagster_event for entry in found if entry.dagster_event]
    return [f"{event.step_key}: {_root_of(event)}" for event in events] or [
        "no step said why: the run was stopped, or its process was lost"
    ]


def _root_of(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error and error.cause:
        error = error.cause
    return error.message.strip().splitlines()[0] if error and error.message.strip() else "no reason was given"
