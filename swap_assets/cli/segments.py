"""The demo by its decisions: each scale as far as they say, then the release; each segment is a command of Dagster.

A segment is a selection of assets at one partition, run with progress on the screen; one run takes assets of one
partitions definition.
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

from swap_assets.backends.store.artefacts import ArtefactStore, file_name
from swap_assets.backends.store.experiment_file import CONFIG_VARIABLE, pasteable, storage_root
from swap_assets.cli.environment import MODULE, beside_env_file, dagster_command
from swap_assets.domain import keys
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.decisions import Decision

_OVERRIDE = {"override_reason": "the demo shows how a merge is made", "override_by": "swap-assets demo"}

# `... - RUN_ID - 1234 - STEP - STEP_START - Started execution of step "paper_adapter".`
_EVENT = re.compile(r" - (\S+) - (STEP_START|STEP_SUCCESS|STEP_FAILURE) - ")

# `swap_assets.backends.store.artefacts.ArtefactMissingError: ` in front of a sentence
_ERROR = re.compile(r"^(\w+\.)+(\w*Error|Failure): ")

# What Dagster says where a step's process ended without an exception; it keeps the exit code to itself.
_CRASH = "ChildProcessCrashException"


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


def options_of(segment: Segment) -> list[str]:
    """Return what stands behind the assets, in Dagster's command as in ours."""
    partition = ["--partition", segment.partition] if segment.partition else []
    return partition + (["--config-json", json.dumps(segment.config)] if segment.config else [])


def log_of(root: Path, segment: Segment) -> Path:
    """Return where a segment's log lies in an experiment's folder, which is made."""
    (root / "logs").mkdir(parents=True, exist_ok=True)
    name = file_name(f"{'-'.join(segment.assets[:2])}-{segment.partition}")
    return root / "logs" / f"{name}.log"


def run_segment(segment: Segment, *, environment: Mapping[str, str], log: Path, console: Console) -> None:
    """Materialise a segment and show its steps, twice where a process was killed; a SegmentError says why it failed."""
    typed = shlex.join(["swap-assets", "materialize", ",".join(segment.assets), *options_of(segment)])
    typed = pasteable(typed, Path(environment[CONFIG_VARIABLE]))
    console.print(f"[bold]{segment.title}[/] [dim]$ {escape(typed)}[/]", highlight=False, soft_wrap=True)
    began, steps = time.monotonic(), _Steps(console, segment.label)
    failed = _materialize(segment, environment, log, steps)
    if failed and _CRASH in log.read_text(encoding="utf-8", errors="replace"):
        log.rename(kept := log.with_suffix(".crashed.log"))
        steps.say(f"[yellow]a step's process was killed or crashed ({escape(str(kept))}); once more[/]")
        failed = _materialize(segment, environment, log, steps)
    if failed:
        raise SegmentError(f"{segment.title} failed; {_why(log)} (whole log: {log})")
    steps.say(f"[dim]{time.monotonic() - began:.0f} s[/]")


def _materialize(segment: Segment, environment: Mapping[str, str], log: Path, steps: "_Steps") -> int:
    """Run Dagster's command for a segment, keep what it prints in `log`, and return its exit code."""
    command = [dagster_command(), "asset", "materialize", "-m", MODULE, "--select", ",".join(segment.assets)]
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            [*command, *options_of(segment)], **beside_env_file(environment), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as process,
    ):  # fmt: skip
        for line in process.stdout or ():
            file.write(line)
            steps.show(line)
    return process.returncode


def run_together(segments: Sequence[Segment], run: Callable[[Segment], None]) -> None:
    """Run segments that need nothing of each other at once; the first that failed raises once the others are done."""
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
    if any(_CRASH in line for line in lines):
        return "the process of a step was killed or crashed, as when memory runs out."
    causes = [lines[at + 1] for at, line in enumerate(lines[:-1]) if line.endswith("by the following exception:")]
    errors = [line for line in lines if _ERROR.match(line)]
    found = (causes or errors or lines[-1:] or ["no output"])[-1]
    return _ERROR.sub("", found)


def by_decisions(experiment: Experiment, environment: dict[str, str], console: Console) -> None:
    """Go from scale to scale while scale_up_decision says so, then release and merge; SegmentError: one failed."""
    tour = _Tour(experiment, environment, console)
    tour.run(Segment("Conversations", keys.ROOT_ASSETS))
    scale, following, action = "", None, ""
    for scale in experiment.scales:
        for together in segments(experiment, scale):
            run_together(together, tour.run)
        action = tour.store.read(keys.SCALE_UP_DECISION, scale, Decision).action
        following = experiment.next_scale(scale)
        if not following or action != "scale_up":
            break
    if following:
        tour.say(f"Scale {following} is not started: {keys.SCALE_UP_DECISION} says {action.replace('_', ' ')}.")
    tour.release(scale)


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


class _Tour:
    """Runs segments, each with a log of its own."""

    def __init__(self, experiment: Experiment, environment: dict[str, str], console: Console) -> None:
        self.experiment, self.environment, self.console = experiment, environment, console
        self.store = ArtefactStore(storage_root(experiment))

    def release(self, scale: str) -> None:
        """Decide on each model's release and merge; against the decision once, under an override, which is recorded."""
        at = {model: keys.partition_key(model, scale) for model in self.experiment.models}
        asked = [Segment(f"Release of {model}?", keys.SEALED_ASSETS, key, label=model) for model, key in at.items()]
        run_together(asked, self.run)
        merges, overridden = list[Segment](), False
        for model, key in at.items():
            decision = self.store.read(keys.RELEASE_DECISION, key, Decision)
            released = decision.action == "release"
            if not decision.candidates or (overridden and not released):
                continue
            config = None if released else {"ops": {keys.MERGED_MODEL: {"config": _OVERRIDE}}}
            if not released:
                self.say(f"{model}: {decision.verdict}, so wait; merged under an override all the same, to show one.")
                overridden = True
            merges.append(Segment(f"Merge {model}", (keys.MERGED_MODEL,), key, config, label=model))
        if merges:
            run_together(merges, self.run)
        self.run(Segment("The report again, with every decision", (keys.COMPARISON_REPORT,), scale))

    def run(self, segment: Segment) -> None:
        """Materialise a segment; what Dagster says goes to the experiment's logs."""
        log = log_of(self.store.root, segment)
        run_segment(segment, environment=self.environment, log=log, console=self.console)

    def say(self, text: str) -> None:
        """Print what the demo itself decided."""
        self.console.print(f"  [yellow]{escape(text)}[/]", highlight=False)
