"""`swap-assets demo`: the whole graph of the demo experiment, on one laptop, by its decisions or by its sensors.

By its decisions: each scale as far as they say, then the release. How its sensors go lies in `story`.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markup import escape

from swap_assets.backends.models.preflight import require_hosted, require_model
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.backends.store.whole import private_folder
from swap_assets.cli.environment import PID_FILE, TEMPLATES, dagster_environment, experiment_or_exit, fail
from swap_assets.cli.materialize import Segment, log_of, run_segment, run_together
from swap_assets.cli.report import print_decisions, print_report
from swap_assets.domain import keys
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.report.comparison import Report

_AUTO = "two scales by sensors: only the conversations are materialised by hand"
_OVERRIDE = {"override_reason": "the demo shows how a merge is made", "override_by": "swap-assets demo"}
_KEEP = "with --auto: leave the web server and daemon running"


def demo(
    config: Annotated[Path | None, typer.Option("--config", help="the experiment file; else the demo's own")] = None,
    auto: Annotated[bool, typer.Option("--auto", help=_AUTO)] = False,
    limit_s: Annotated[int, typer.Option(help="with --auto: seconds after which it stops, wherever it is")] = 1200,
    keep: Annotated[bool, typer.Option("--keep", envvar="KEEP", help=_KEEP)] = False,
) -> None:
    """Carry an experiment through the whole graph; print its tables, its decisions and where the report lies."""
    path = (config or TEMPLATES / ("demo-auto" if auto else "demo") / "swap.yaml").resolve()
    experiment = experiment_or_exit(path)
    require_hosted(experiment.hosted_model)
    for key in experiment.models:
        require_model(key, experiment)
    root, console, began = storage_root(experiment), Console(), time.monotonic()
    if auto:
        if experiment.automation.sensors != "running":
            raise fail(f"{path} keeps its sensors stopped; set automation: {{sensors: running}}")
        refuse_beside_another(root)
        if config is None:  # sensors act once on the same evidence, so the demo starts from nothing
            shutil.rmtree(root, ignore_errors=True)
    environment = dagster_environment(path)
    os.environ.update(environment)  # what is imported of `defs` from here on reads the experiment that it names
    private_folder(root / "logs")
    fault = ""
    if auto:
        from swap_assets.cli.story import by_sensors

        fault = by_sensors(root, environment, console, limit_s=limit_s, keep=keep)
    else:
        by_decisions(experiment, environment, console)
    print_results(ArtefactStore(root), experiment, console)
    took = f"after {time.monotonic() - began:.0f} s"
    console.print(f"\n{fault or 'Done'} {took}.", highlight=False, soft_wrap=True)
    where = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    if not keep:
        console.print(f"Look around: swap-assets ui --config {where}", highlight=False, soft_wrap=True)
    if fault:
        raise typer.Exit(1)


def refuse_beside_another(root: Path) -> None:
    """End the command where web server and daemon of an earlier demo still work in the same folder."""
    with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
        pid = int((root / PID_FILE).read_text(encoding="utf-8"))
        if "dagster" in " ".join(psutil.Process(pid).cmdline()):
            raise fail(f"Dagster still runs for {root} from an earlier demo; stop it first: kill -INT {pid}")


def print_results(store: ArtefactStore, experiment: Experiment, console: Console) -> None:
    """Print the tables and decisions of every scale that has a report, and where the last report lies."""
    reached = [scale for scale in experiment.scales if store.path(keys.COMPARISON_REPORT, scale, Report).exists()]
    for scale in reached:
        report = store.read(keys.COMPARISON_REPORT, scale, Report)
        print_report(report, console)
        print_decisions(report.decisions, console)
    if reached:
        page = store.work("reports", reached[-1]) / "report.html"
        console.print(f"\nReport: {page}", highlight=False, soft_wrap=True)


def by_decisions(experiment: Experiment, environment: dict[str, str], console: Console) -> None:
    """Go from scale to scale while scale_up_decision says so, then release and merge; SegmentError: one failed."""
    store = ArtefactStore(storage_root(experiment))

    def run(*together: Segment) -> None:
        def one(segment: Segment) -> None:
            run_segment(segment, environment=environment, log=log_of(store.root, segment), console=console)

        run_together(together, one)

    run(Segment("Conversations", keys.ROOT_ASSETS))
    scale, following, action = "", None, ""
    for scale in experiment.scales:
        for together in segments(experiment, scale):
            run(*together)
        action = store.read(keys.SCALE_UP_DECISION, scale, Decision).action
        following = experiment.next_scale(scale)
        if not following or action != "scale_up":
            break
    if following:
        _say(f"Scale {following} is not started: {keys.SCALE_UP_DECISION} says {action.replace('_', ' ')}.", console)
    at = {model: keys.partition_key(model, scale) for model in experiment.models}
    run(*(Segment(f"Release of {model}?", keys.SEALED_ASSETS, key, label=model) for model, key in at.items()))
    if merges := _merges(
        {model: store.read(keys.RELEASE_DECISION, key, Decision) for model, key in at.items()}, console
    ):
        run(*merges)
    run(Segment("The report again, with every decision", (keys.COMPARISON_REPORT,), scale))


def _merges(decisions: dict[str, Decision], console: Console) -> list[Segment]:
    """Return each model's merge; against the decision once, under an override, which is recorded."""
    merges, overridden = list[Segment](), False
    for model, decision in decisions.items():
        released = decision.action == "release"
        if not decision.candidates or (overridden and not released):
            continue
        config = None if released else {"ops": {keys.MERGED_MODEL: {"config": _OVERRIDE}}}
        if not released:
            told = f"{model}: {decision.verdict}, so wait; merged under an override all the same, to show one."
            _say(told, console)
            overridden = True
        merges.append(Segment(f"Merge {model}", (keys.MERGED_MODEL,), decision.partition, config, label=model))
    return merges


def _say(text: str, console: Console) -> None:
    console.print(f"  [yellow]{escape(text)}[/]", highlight=False)


def segments(experiment: Experiment, scale: str) -> list[list[Segment]]:
    """Return the segments of one scale before the release, one list after the other, those of a list side by side."""
    several = len(experiment.models) > 1
    of_models = {
        model: (keys.SLM_BASELINE, keys.FINE_TUNE_DECISION, *experiment.adapter_assets(),
                *experiment.evaluation_assets(*entry.decoding))
        for model, entry in experiment.models.items()
    }  # fmt: skip
    return [
        [Segment(f"Scale {scale}: splits and the LLM", keys.BASELINE_ASSETS, scale)],
        [
            Segment(f"{model} at {scale}", assets, keys.partition_key(model, scale), label=model * several)
            for model, assets in of_models.items()
        ],
        [Segment(f"Report and decision of scale {scale}", (keys.COMPARISON_REPORT, keys.SCALE_UP_DECISION), scale)],
    ]
