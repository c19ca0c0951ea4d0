"""`swap-assets demo`: the whole graph of the demo experiment, segment by segment, on one laptop."""

import subprocess
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from swap_assets.backends.artefacts import ArtefactStore
from swap_assets.backends.experiment_file import storage_root
from swap_assets.backends.hardware import cpu_count
from swap_assets.backends.preflight import PreflightError, require_hosted, require_model
from swap_assets.cli.environment import dagster_environment, experiment_or_exit, fail
from swap_assets.cli.segments import Segment, SegmentError, run_segment
from swap_assets.cli.tables import print_decisions, print_report
from swap_assets.cli.ui import dagster_command
from swap_assets.domain.decisions import Decision
from swap_assets.domain.experiment import Experiment
from swap_assets.domain.report import Report

DEMO = Path("examples/demo/swap.yaml")
ROOT = ("hermes_conversations", "quarantined_conversations", "dataset_profile")
SCALE = (
    "dataset_split", "structured_track", "toolcall_track", "single_turn_test", "multi_turn_test",
    "domain_diverse_test", "no_call_test", "parallel_test", "llm_baseline",
)  # fmt: skip
MODEL = (
    "slm_baseline", "fine_tune_decision", "fledgling_structured_adapter", "fledgling_toolcall_adapter",
    "paper_adapter", "fledgling_evaluation", "paper_evaluation",
)  # fmt: skip


def demo(
    config: Annotated[Path, typer.Option("--config", help="the experiment file")] = DEMO,
) -> None:
    """Materialise the whole graph through Dagster's command line and print the table, the decisions, the report."""
    experiment = experiment_or_exit(config)
    environment = dagster_environment(config)
    _preflight(experiment)
    console, began = Console(), time.monotonic()
    logs = storage_root(experiment) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    _set_slots(experiment, environment)
    try:
        for number, segment in enumerate(segments(experiment), start=1):
            log = logs / f"{number:02d}.log"
            run_segment(segment, environment=environment, log=log, console=console)
        _release(experiment, environment, logs, console)
    except SegmentError as error:
        raise fail(str(error)) from None
    _show_results(experiment, console)
    console.print(f"\nDone in {time.monotonic() - began:.0f} s.  Look around: make ui SWAP_CONFIG={config}")


def segments(experiment: Experiment) -> list[Segment]:
    """Return every segment before the release, scale after scale."""
    made = [Segment("Conversations", ROOT)]
    for scale in experiment.scales:
        made.append(Segment(f"Scale {scale}: splits and the LLM", SCALE, scale))
        made += [Segment(f"{model} at {scale}", MODEL, f"{model}|{scale}") for model in experiment.models]
        made += [
            Segment(f"Report of {scale}", ("comparison_report",), scale),
            Segment(f"Decision on {scale}", ("scale_up_decision",), scale),
        ]
    return made


def _set_slots(experiment: Experiment, environment: dict[str, str]) -> None:
    """Let as many model processes run at once as there are processors for them, where no model needs a GPU."""
    if any(not model.miniature for model in experiment.models.values()):
        return
    from swap_assets.defs.pipes import MODEL_PROCESS_POOL  # Dagster takes a second to import

    slots = max(1, cpu_count() // max(1, experiment.threads))
    command = [dagster_command(), "instance", "concurrency", "set", MODEL_PROCESS_POOL, str(slots)]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def _release(experiment: Experiment, environment: dict[str, str], logs: Path, console: Console) -> None:
    """Decide on each model's release at the last scale; merge where the decision admits it, say so where not."""
    store = ArtefactStore(storage_root(experiment))
    scale = list(experiment.scales)[-1]
    for model in experiment.models:
        partition = f"{model}|{scale}"
        segment = Segment(f"Release of {model}?", ("release_decision",), partition)
        run_segment(segment, environment=environment, log=logs / f"release-{model}.log", console=console)
        decision = store.read("release_decision", partition, Decision)
        if decision.action != "release":
            console.print(f"  merged_model is not made: {escape(decision.reason)}", highlight=False)
            continue
        segment = Segment(f"Merge {model}", ("merged_model",), partition)
        run_segment(segment, environment=environment, log=logs / f"merge-{model}.log", console=console)
    segment = Segment("The report again, with every decision", ("comparison_report",), scale)
    run_segment(segment, environment=environment, log=logs / "report.log", console=console)


def _preflight(experiment: Experiment) -> None:
    try:
        require_hosted(experiment.hosted_model)
        for key, model in experiment.models.items():
            require_model(key, model)
    except PreflightError as error:
        raise fail(str(error)) from None


def _show_results(experiment: Experiment, console: Console) -> None:
    store = ArtefactStore(storage_root(experiment))
    for scale in experiment.scales:
        print_report(store.read("comparison_report", scale, Report), console)
    last = list(experiment.scales)[-1]
    scaled = [store.read("scale_up_decision", scale, Decision) for scale in experiment.scales]
    shown = store.read("comparison_report", last, Report).decisions
    print_decisions([*scaled, *[item for item in shown if item.name != "scale_up_decision"]], console)
    console.print(f"\nReport: {store.work('reports', last) / 'report.md'}", highlight=False, soft_wrap=True)
