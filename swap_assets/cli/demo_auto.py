"""`swap-assets demo-auto`: only the root is materialised; the sensors carry the experiment to its last decision."""

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.dagster_service import ServiceError, dagster_service
from swap_assets.cli.demo import preflight, set_slots
from swap_assets.cli.environment import dagster_environment, experiment_or_exit, fail
from swap_assets.cli.segments import Segment, SegmentError, run_segment
from swap_assets.cli.tables import print_decisions, print_report
from swap_assets.domain.report.report import Report

DEMO_AUTO = Path("examples/demo-auto/swap.yaml")
_RUNNING = "logs/dagster.pid"
ROOT = ("hermes_conversations", "quarantined_conversations")


def demo_auto(
    config: Annotated[Path, typer.Option("--config", help="the experiment file")] = DEMO_AUTO,
    limit_s: Annotated[int, typer.Option(help="seconds after which it stops, wherever it is")] = 1200,
    keep: Annotated[
        bool, typer.Option("--keep", envvar="KEEP", help="leave the web server and daemon running")
    ] = False,
) -> None:
    """Start web server and daemon on loopback, materialise only the conversations, and watch the sensors work."""
    experiment = experiment_or_exit(config)
    if experiment.automation.sensors != "running":
        raise fail(f"{config} keeps its sensors stopped; set automation: {{sensors: running}}")
    preflight(experiment)
    root = storage_root(experiment)
    _refuse_beside_another(root)
    if config == DEMO_AUTO:
        shutil.rmtree(
            root, ignore_errors=True
        )  # sensors act once on the same evidence, so the demo starts from nothing
    environment = dagster_environment(config)
    (root / "logs").mkdir(parents=True, exist_ok=True)
    set_slots(experiment, environment)
    os.environ.update(environment)
    console, began = Console(), time.monotonic()
    try:
        with dagster_service(environment, log=root / "logs" / "dagster-dev.log", keep=keep) as service:
            (root / _RUNNING).write_text(str(service.pid), encoding="utf-8")
            console.print(f"Dagster: {service.address}  (sensors look every few seconds)", highlight=False)
            segment = Segment("The root, by hand: conversations", ROOT)
            run_segment(segment, environment=environment, log=root / "logs" / "root.log", console=console)
            over, failed = _watch(console, deadline=began + limit_s)
    except (ServiceError, SegmentError) as error:
        raise fail(str(error)) from None
    _results(ArtefactStore(root), list(experiment.scales), console)
    told = "Done" if over else f"Stopped at the time limit of {limit_s} s"
    if failed:
        told += f", with {failed} failed run{'s' * (failed > 1)} (Dagster's log: {root / 'logs' / 'dagster-dev.log'}),"
    around = "" if keep else f"  Look around: make ui SWAP_CONFIG={config}"
    console.print(f"\n{told} after {time.monotonic() - began:.0f} s.{around}", highlight=False, soft_wrap=True)
    if keep:
        console.print(f"Still running: {service.address}  Stop it with: kill -INT {service.pid}", highlight=False)
    if failed or not over:
        raise typer.Exit(1)


def _refuse_beside_another(root: Path) -> None:
    """End the command where web server and daemon of an earlier demo still work in the same folder."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((root / _RUNNING).read_text(encoding="utf-8"))
        if b"dagster" in Path(f"/proc/{pid}/cmdline").read_bytes():
            raise fail(f"Dagster still runs for {root} from an earlier demo; stop it first: kill -INT {pid}")


def _watch(console: Console, *, deadline: float) -> tuple[bool, int]:
    """Tell the story until nothing is due or under way; return whether it ended in time, and how many runs failed."""
    import dagster as dg  # takes a second, and reads the experiment that the environment names

    from swap_assets.cli.story import Story
    from swap_assets.defs.resources import Lab

    with dg.DagsterInstance.get() as instance:
        story, quiet = Story(instance, Lab(), console), 0
        while time.monotonic() < deadline:
            chapter = story.go_on()
            quiet = quiet + 1 if chapter.over else 0
            if quiet == 2:  # looked at twice, since a run may have ended between two of its own lines
                for wait in dict.fromkeys(chapter.waits):
                    console.print(f"  [dim]{escape(wait)}[/]", highlight=False)
                return True, story.failed
            time.sleep(1.0)
    return False, story.failed


def _results(store: ArtefactStore, scales: list[str], console: Console) -> None:
    reached = [scale for scale in scales if store.exists("comparison_report", scale, Report)]
    for scale in reached:
        report = store.read("comparison_report", scale, Report)
        print_report(report, console)
        print_decisions(report.decisions, console)
    if reached:
        path = store.work("reports", reached[-1]) / "report.html"
        console.print(f"\nReport: {path}", highlight=False, soft_wrap=True)
