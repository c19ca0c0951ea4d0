"""`swap-assets demo`: the whole graph of the demo experiment, segment by segment, on one laptop."""

import subprocess
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from swap_assets.backends.models.preflight import PreflightError, require_hosted, require_model
from swap_assets.backends.processes.hardware import cpu_count
from swap_assets.backends.store.artefacts import ArtefactStore, file_name
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.environment import dagster_environment, experiment_or_exit, fail
from swap_assets.cli.segments import Segment, SegmentError, run_segment, run_together
from swap_assets.cli.tables import print_decisions, print_report
from swap_assets.cli.ui import dagster_command
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import BASELINE_ASSETS, FINE_TUNE_DECISION, SLM_BASELINE, partition_key
from swap_assets.domain.report.report import Report

DEMO = Path("examples/demo/swap.yaml")
ROOT = ("hermes_conversations", "quarantined_conversations", "dataset_profile")
_OVERRIDE = {"override_reason": "the demo shows how a merge is made", "override_by": "swap-assets demo"}


def demo(
    config: Annotated[Path, typer.Option("--config", help="the experiment file")] = DEMO,
) -> None:
    """Carry an experiment through the whole graph, following its decisions; print table, decisions, report's path."""
    experiment = experiment_or_exit(config)
    environment = dagster_environment(config)
    preflight(experiment)
    began = time.monotonic()
    set_slots(experiment, environment)
    tour = _Tour(experiment, environment)
    try:
        reached = tour.scales()
        tour.release(reached[-1])
    except SegmentError as error:
        raise fail(str(error)) from None
    tour.results(reached)
    tour.console.print(f"\nDone in {time.monotonic() - began:.0f} s.  Look around: make ui SWAP_CONFIG={config}")


def segments(experiment: Experiment, scale: str) -> list[list[Segment]]:
    """Return the segments of one scale before the release, one list after the other, those of a list side by side."""
    return [
        [Segment(f"Scale {scale}: splits and the LLM", BASELINE_ASSETS, scale)],
        [
            Segment(
                f"{model} at {scale}",
                _of_model(experiment, model),
                partition_key(model, scale),
                label=model if len(experiment.models) > 1 else "",
            )
            for model in experiment.models
        ],
        [Segment(f"Report and decision of scale {scale}", ("comparison_report", "scale_up_decision"), scale)],
    ]


def _of_model(experiment: Experiment, model: str) -> tuple[str, ...]:
    evaluations = experiment.evaluation_assets(*experiment.small_model(model).decoding)
    return (SLM_BASELINE, FINE_TUNE_DECISION, *experiment.adapter_assets(), *evaluations)


class _Tour:
    """One way through the graph: each scale as far as the decisions say, then the release."""

    def __init__(self, experiment: Experiment, environment: dict[str, str]) -> None:
        self.experiment, self.environment = experiment, environment
        self.store = ArtefactStore(storage_root(experiment))
        self.logs = self.store.root / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.console = Console()

    def scales(self) -> list[str]:
        """Go from scale to scale while the decision says so, and return the scales that were reached."""
        self._run(Segment("Conversations", ROOT))
        reached: list[str] = []
        for scale in self.experiment.scales:
            for together in segments(self.experiment, scale):
                run_together(together, self._run)
            reached.append(scale)
            decision = self.store.read("scale_up_decision", scale, Decision)
            following = self.experiment.next_scale(scale)
            if following and decision.action != "scale_up":
                action = decision.action.replace("_", " ")
                self._say(f"Scale {following} is not started: scale_up_decision says {action}.")
                break
        return reached

    def release(self, scale: str) -> None:
        """Decide on each model's release and merge; against the decision once, under an override, which is recorded."""
        models = list(self.experiment.models)
        partitions = {model: partition_key(model, scale) for model in models}
        run_together(
            [
                Segment(f"Release of {model}?", ("release_decision",), partitions[model], label=model)
                for model in models
            ],
            self._run,
        )
        merges: list[Segment] = []
        overridden = False
        for model in models:
            decision = self.store.read("release_decision", partitions[model], Decision)
            released = decision.action == "release"
            if not decision.candidates or (overridden and not released):
                continue
            config = None if released else {"ops": {"merged_model": {"config": _OVERRIDE}}}
            if not released:
                self._say(f"{model}: {decision.verdict}, so wait; merged under an override all the same, to show one.")
                overridden = True
            merges.append(Segment(f"Merge {model}", ("merged_model",), partitions[model], config, label=model))
        if merges:
            run_together(merges, self._run)
        self._run(Segment("The report again, with every decision", ("comparison_report",), scale))

    def results(self, reached: list[str]) -> None:
        """Print the tables of every scale, all decisions and where the report lies."""
        for scale in reached:
            report = self.store.read("comparison_report", scale, Report)
            print_report(report, self.console)
            print_decisions(report.decisions, self.console)
        folder = self.store.work("reports", reached[-1])
        self.console.print(f"\nReport: {folder / 'report.html'}", highlight=False, soft_wrap=True)

    def _run(self, segment: Segment) -> None:
        name = file_name(f"{'-'.join(segment.assets[:2])}-{segment.partition}")
        run_segment(segment, environment=self.environment, log=self.logs / f"{name}.log", console=self.console)

    def _say(self, text: str) -> None:
        self.console.print(f"  [yellow]{escape(text)}[/]", highlight=False)


def set_slots(experiment: Experiment, environment: dict[str, str]) -> None:
    """Let as many model processes run at once as there are processors for them, where no model needs a GPU."""
    if any(not model.miniature for model in experiment.models.values()):
        return
    from swap_assets.defs.pipes import MODEL_PROCESS_POOL  # Dagster takes a second to import

    slots = max(1, cpu_count() // max(1, experiment.threads))
    command = [dagster_command(), "instance", "concurrency", "set", MODEL_PROCESS_POOL, str(slots)]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def preflight(experiment: Experiment) -> None:
    """End the command with one sentence where the experiment's models can't be had."""
    try:
        require_hosted(experiment.hosted_model)
        for key in experiment.models:
            require_model(key, experiment)
    except PreflightError as error:
        raise fail(str(error)) from None
