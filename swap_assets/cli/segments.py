"""Running one segment of the graph through Dagster's own command line, with progress on the screen.

A segment is a selection of assets at one partition; one run takes assets of one partitions definition.
"""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape

from swap_assets.cli.environment import MODULE, dagster_command

# `... - RUN_ID - 1234 - STEP - STEP_START - Started execution of step "paper_adapter".`
_EVENT = re.compile(r" - (\S+) - (STEP_START|STEP_SUCCESS|STEP_FAILURE) - ")

# `swap_assets.backends.store.artefacts.ArtefactMissingError: ` in front of a sentence
_ERROR = re.compile(r"^(\w+\.)+(\w*Error|Failure): ")


class Segment(NamedTuple):
    """Assets to materialise together; `partition` is empty for unpartitioned ones, `config` is Dagster's run config.

    `label` stands before the lines of a segment that runs beside others.
    """

    title: str
    assets: tuple[str, ...]
    partition: str = ""
    config: Mapping[str, Any] | None = None
    label: str = ""


class SegmentError(RuntimeError):
    """A segment ended with an error; the message says which step, why, and where the whole log lies."""


def command_of(segment: Segment) -> list[str]:
    """Return the command that a person would type for a segment."""
    command = ["dagster", "asset", "materialize", "-m", MODULE, "--select", ",".join(segment.assets)]
    if segment.partition:
        command += ["--partition", segment.partition]
    if segment.config:
        command += ["--config-json", json.dumps(segment.config)]
    return command


def run_segment(segment: Segment, *, environment: Mapping[str, str], log: Path, console: Console) -> None:
    """Materialise a segment and show each step as it starts and ends.

    Raises:
        SegmentError: Dagster's command did not succeed.
    """
    command = [dagster_command(), *command_of(segment)[1:]]
    typed = shlex.join(command_of(segment))
    console.print(f"[bold]{segment.title}[/] [dim]$ {escape(typed)}[/]", highlight=False, soft_wrap=True)
    began, steps = time.monotonic(), _Steps(console, segment.label)
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            file.write(line)
            steps.show(line)
    if process.returncode:
        raise SegmentError(f"{segment.title} failed; {_why(log)} (whole log: {log})")
    steps.say(f"[dim]{time.monotonic() - began:.0f} s[/]")


def run_together(segments: Sequence[Segment], run: Callable[[Segment], None]) -> None:
    """Run segments that need nothing of each other at the same time; the pool says how many models are at work at once.

    Raises:
        SegmentError: one of them failed, the first in their order; the others were let finish.
    """
    with ThreadPoolExecutor(max_workers=len(segments)) as threads:
        for done in [threads.submit(run, segment) for segment in segments]:
            done.result()


class _Steps:
    """Shows a segment's steps as they start and end."""

    def __init__(self, console: Console, label: str) -> None:
        self._console, self._label, self._started = console, f"{label}: " if label else "", dict[str, float]()

    def show(self, line: str) -> None:
        """Show a line of Dagster's log if it says that a step starts or ends."""
        if not (event := _EVENT.search(line)):
            return
        step, kind = event.groups()
        if kind == "STEP_START":
            self._started[step] = time.monotonic()
            self.say(f"[dim]… {step}[/]")
            return
        seconds = time.monotonic() - self._started.get(step, time.monotonic())
        sign = "[green]✓[/]" if kind == "STEP_SUCCESS" else "[red]✗[/]"
        self.say(f"{sign} {step} [dim]{seconds:.0f} s[/]")

    def say(self, text: str) -> None:
        """Print a line of this segment."""
        self._console.print(f"  [dim]{self._label}[/]{text}", highlight=False)


def _why(log: Path) -> str:
    """Return the sentence of the error that stands at the root: Dagster wraps it in its own."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    causes = [lines[at + 1] for at, line in enumerate(lines[:-1]) if line.endswith("by the following exception:")]
    errors = [line for line in lines if _ERROR.match(line)]
    found = (causes or errors or lines[-1:] or ["no output"])[-1]
    return _ERROR.sub("", found)
