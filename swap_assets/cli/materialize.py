"""`swap-assets materialize`, and how the demo runs assets too: by Dagster's own command, each step told as it goes."""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import psutil
import typer
from rich.console import Console
from rich.markup import escape

from swap_assets.backends.store.experiment_file import CONFIG_VARIABLE, pasteable, storage_root
from swap_assets.backends.store.whole import full_disk, private_folder
from swap_assets.cli import environment
from swap_assets.cli.environment import MODULE, Config, beside_env_file, experiment_or_exit, fail
from swap_assets.domain.keys import file_name
from swap_assets.domain.selection import selection_problem

# `... - RUN_ID - 1234 - STEP - STEP_START - Started execution of step "paper_adapter".`
_EVENT = re.compile(r" - (\S+) - (STEP_START|STEP_SUCCESS|STEP_FAILURE) - ")

# `swap_assets.backends.store.artefacts.ArtefactMissingError: ` in front of a sentence
_ERROR = re.compile(r"^((\w+\.)+(\w*Error|Failure)|\w+Error): ")

# What Dagster says where a step's process ended without an exception; it keeps the exit code to itself.
_CRASH = "ChildProcessCrashException"
# What our executor says of runs that are in the way (`defs.lost_runs`), and a step of a failure that may pass.
_PROCESS = re.compile(r"\(process (\d+);")
_TOLD = re.compile(r" - (\S+ waits: .*|\S+ tries again in \d+ s: .*|run \w{8} of .* was lost: .*)$")


class Segment(NamedTuple):
    """Assets to materialise together at a `partition`, with Dagster's run `config`; `label` leads its lines."""

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
    private_folder(root / "logs")
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
        why = f"its process was killed by signal {-failed}." if failed < 0 else _why(log)
        told = why if "make room" in why else full_disk(RuntimeError(why), log.parent) or why
        raise SegmentError(f"{segment.title} failed; {told} (whole log: {log})")
    steps.say(f"[dim]{time.monotonic() - began:.0f} s[/]")


def _materialize(segment: Segment, settings: Mapping[str, str], log: Path, steps: "_Steps") -> int:
    """Run Dagster's command for a segment, keep what it prints in `log`, and return its exit code."""
    command = [environment.DAGSTER, "asset", "materialize", "-m", MODULE, "--select", ",".join(segment.assets)]
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            [*command, *options_of(segment)], **beside_env_file(settings), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
            preexec_fn=environment.obey_signals,
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
        """Show a line of Dagster's log if it says that a step starts, ends or waits for somebody else's."""
        if (told := _TOLD.search(line)) and not _only_ours(told[1]):
            self.say(f"[yellow]{escape(told[1])}[/]")
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


def _only_ours(told: str) -> bool:
    """Whether a step waits for steps of this very command alone, which takes turns by itself."""
    ours = {str(child.pid) for child in psutil.Process().children(recursive=True)}
    return " waits: " in told and {*_PROCESS.findall(told)} <= ours


def _why(log: Path) -> str:
    """Return the sentence of the error that stands at the root: Dagster wraps it in its own."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    if any(_CRASH in line for line in lines):
        return "the process of a step was killed or crashed, as when memory runs out."
    causes = [lines[at + 1] for at, line in enumerate(lines[:-1]) if line.endswith("by the following exception:")]
    errors = [line for line in lines if _ERROR.match(line)]
    found = (causes or errors or lines[-1:] or ["no output"])[-1]
    return _ERROR.sub("", found)


def materialize(
    assets: Annotated[str, typer.Argument(help="ASSET or ASSET,ASSET, all of one kind of partition")],
    partition: Annotated[str, typer.Option(help="SCALE, or 'MODEL|SCALE' in quotes")] = "",
    config_json: Annotated[str, typer.Option(help="run config, as Dagster takes it")] = "",
    config: Config = None,
) -> None:
    """Materialise assets with Dagster, recorded where `ui` and the sensors see it."""
    experiment = experiment_or_exit(config)
    if not (names := [name.strip() for name in assets.split(",") if name.strip()]):
        raise fail("no asset is named; name one, such as hermes_conversations")
    if problem := selection_problem(experiment, names, partition):
        raise fail(problem)
    try:
        run_config = json.loads(config_json or "null")
    except ValueError as error:
        raise fail(f"--config-json is not JSON ({error})") from None
    segment = Segment(assets[:60], tuple(names), partition, run_config)
    settings, log = environment.dagster_environment(config), log_of(storage_root(experiment), segment)
    run_segment(segment, environment=settings, log=log, console=Console())
