"""The demo by its sensors: only the root is materialised by hand; they carry the experiment to its last decision."""

import contextlib
import os
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.markup import escape

from swap_assets.cli.dagster_service import dagster_service
from swap_assets.cli.environment import fail
from swap_assets.cli.segments import Segment, run_segment
from swap_assets.domain.experiment.experiment import Experiment

ROOT = ("hermes_conversations", "quarantined_conversations")
_RUNNING = "logs/dagster.pid"


def by_sensors(root: Path, environment: dict[str, str], console: Console, *, limit_s: int, keep: bool) -> str:
    """Start web server and daemon on loopback, materialise the conversations and watch; return what went wrong, if any.

    Raises:
        ServiceError: Dagster did not come up.
        SegmentError: the conversations could not be materialised.
    """
    os.environ.update(environment)
    log, deadline = root / "logs" / "dagster-dev.log", time.monotonic() + limit_s
    with dagster_service(environment, log=log, keep=keep) as service:
        (root / _RUNNING).write_text(str(service.pid), encoding="utf-8")
        console.print(f"Dagster: {service.address}  (sensors look every few seconds)", highlight=False)
        segment = Segment("The root, by hand: conversations", ROOT)
        run_segment(segment, environment=environment, log=root / "logs" / "root.log", console=console)
        over, failed = _watch(console, deadline=deadline)
    if keep:
        console.print(f"Still running: {service.address}  Stop it with: kill -INT {service.pid}", highlight=False)
    faults = [] if over else [f"Stopped at the time limit of {limit_s} s"]
    if failed:
        faults.append(f"{'Done ' * over}with {failed} failed run{'s' * (failed > 1)} (Dagster's log: {log})")
    return ", ".join(faults)


def refuse_stopped_sensors(experiment: Experiment, path: Path) -> None:
    """End the command where the experiment's sensors would do nothing."""
    if experiment.automation.sensors != "running":
        raise fail(f"{path} keeps its sensors stopped; set automation: {{sensors: running}}")


def refuse_beside_another(root: Path) -> None:
    """End the command where web server and daemon of an earlier demo still work in the same folder."""
    with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
        pid = int((root / _RUNNING).read_text(encoding="utf-8"))
        if "dagster" in " ".join(psutil.Process(pid).cmdline()):
            raise fail(f"Dagster still runs for {root} from an earlier demo; stop it first: kill -INT {pid}")


def _watch(console: Console, *, deadline: float) -> tuple[bool, int]:
    """Tell the story until nothing is due or under way; return whether it ended in time, and how many runs failed."""
    import dagster as dg  # takes a second, and reads the experiment that the environment names

    from swap_assets.cli.story import Story
    from swap_assets.defs.resources.store import ExperimentStore

    with dg.DagsterInstance.get() as instance:
        story, quiet = Story(instance, ExperimentStore(), console), 0
        while time.monotonic() < deadline:
            chapter = story.go_on()
            quiet = quiet + 1 if chapter.over else 0
            if quiet == 2:  # looked at twice, since a run may have ended between two of its own lines
                for wait in dict.fromkeys(chapter.waits):
                    console.print(f"  [dim]{escape(wait)}[/]", highlight=False)
                return True, story.failed
            time.sleep(1.0)
    return False, story.failed
