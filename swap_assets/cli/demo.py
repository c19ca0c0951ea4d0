"""`swap-assets demo`: the whole graph of the demo experiment, on one laptop, by its decisions or by its sensors.

Here: the command, what it looks at before it starts and what it prints at the end. The two ways to go lie in
`segments` and `story`.
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

from swap_assets.backends.models.preflight import PreflightError, require_hosted, require_model
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.dagster_service import PID_FILE, ServiceError
from swap_assets.cli.environment import TEMPLATES, dagster_environment, experiment_or_exit, fail
from swap_assets.cli.report import print_decisions, print_report
from swap_assets.cli.segments import SegmentError, by_decisions
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.keys import COMPARISON_REPORT
from swap_assets.domain.report.report import Report

_AUTO = "two scales by sensors: only the conversations are materialised by hand"
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
    preflight(experiment)
    root, console, began = storage_root(experiment), Console(), time.monotonic()
    if auto:
        if experiment.automation.sensors != "running":
            raise fail(f"{path} keeps its sensors stopped; set automation: {{sensors: running}}")
        refuse_beside_another(root)
        if config is None:  # sensors act once on the same evidence, so the demo starts from nothing
            shutil.rmtree(root, ignore_errors=True)
    environment = dagster_environment(path)
    os.environ.update(environment)  # what is imported of `defs` from here on reads the experiment that it names
    (root / "logs").mkdir(parents=True, exist_ok=True)
    fault = ""
    try:
        if auto:
            from swap_assets.cli.story import by_sensors

            fault = by_sensors(root, environment, console, limit_s=limit_s, keep=keep)
        else:
            by_decisions(experiment, environment, console)
    except (ServiceError, SegmentError) as error:
        raise fail(str(error)) from None
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


def preflight(experiment: Experiment) -> None:
    """End the command with one sentence where the experiment's models can't be had."""
    try:
        require_hosted(experiment.hosted_model)
        for key in experiment.models:
            require_model(key, experiment)
    except PreflightError as error:
        raise fail(str(error)) from None


def print_results(store: ArtefactStore, experiment: Experiment, console: Console) -> None:
    """Print the tables and decisions of every scale that has a report, and where the last report lies."""
    reached = [scale for scale in experiment.scales if store.exists(COMPARISON_REPORT, scale, Report)]
    for scale in reached:
        report = store.read(COMPARISON_REPORT, scale, Report)
        print_report(report, console)
        print_decisions(report.decisions, console)
    if reached:
        page = store.work("reports", reached[-1]) / "report.html"
        console.print(f"\nReport: {page}", highlight=False, soft_wrap=True)
