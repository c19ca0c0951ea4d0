"""Starting model processes and staying in charge of them, and which failures pass by themselves.

The child runs in a process group of its own. It is stopped when the parent is interrupted, and stops itself when the
parent dies. Its stderr is passed on line by line and its end is kept for the error message. psutil waits for the
parent; it knows no groups, in which the children of a child that was killed stay, and keeps no end of a stream.

One training in several processes is `accelerate launch` with the worker's own entry point, a process for each card. The
launching process holds the cards' leases and starts nothing else; its processes find their part in RANK and WORLD_SIZE.
The first of them alone writes files and reports. Without cards they run on the processor, over gloo.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from swap_assets.backends.hub.access import HubUnreachableError
from swap_assets.backends.processes.locks import alone_in
from swap_assets.backends.processes.specs import RESULT, RESULT_FILE, Spec, TrainSpec, WorkerResult, write_spec
from swap_assets.backends.store.whole import read_json

PARENT_VARIABLE = "SWAP_PARENT_PID"
Stream = Literal["stdout", "stderr"]
_TAIL_LINES = 20
_GRACE_S = 10.0
_LOOK_S = 0.5  # between looks at whether another process is there
# What a card or its driver says when it is gone; out of memory is not among them, since it comes again.
_LOST_CARD = ("device-side assert", "Xid", "GPU is lost", "unspecified launch failure", "ECC error", "NCCL")


class LaunchError(RuntimeError):
    """One of several processes failed; the message is one sentence, the process's own stands above it in stderr."""


def is_launched() -> bool:
    """Whether this is one of several processes that `launch` started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def is_first_process() -> bool:
    """Whether this is the one of several processes, or the only one, that reports and writes."""
    return os.environ.get("RANK", "0") == "0"


def launch(spec_file: Path, *, processes: int) -> None:
    """Run a spec in several processes (at least 2) on this machine and wait for their end.

    Each reads the spec for itself and takes its own of the cards in CUDA_VISIBLE_DEVICES. LaunchError where one failed;
    the others have been stopped.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # Its report of a failed process would bury what that process itself has said.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    # Every setting is given: what is left out would come from the user's own accelerate configuration. Port 0 is a free
    # one. `--multi_gpu` starts processes on the processor too, which accelerate's `--cpu` leaves to MPI.
    settings = {
        "num_processes": processes, "num_machines": 1, "machine_rank": 0, "main_process_port": 0, "gpu_ids": "all",
        "mixed_precision": "no", "dynamo_backend": "no",
    }  # fmt: skip
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = ["--multi_gpu", *options, "--module", "swap_assets.backends.processes.worker", str(spec_file)]
    arguments = launch_command_parser().parse_args(command)
    # Processes that each took every core would wait for each other; a spec's `threads` says more where it is set.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        launch_command(arguments)
    except ChildFailedError as error:
        number, failure = next(iter(error.failures.items()))
        raise LaunchError(
            f"process {number} of {processes} ended with code {failure.exitcode}; its own error stands above"
        ) from None


class WorkerError(RuntimeError):
    """A model process failed; the message ends with the last lines of its stderr.

    `lost` says that it was killed or its card went away, so that another attempt may do better.
    """

    def __init__(self, message: str, *, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost


def _print_line(stream: Stream, line: str) -> None:
    print(line, file=sys.stdout if stream == "stdout" else sys.stderr, flush=True)


def run_workers(
    work: Sequence[tuple[Spec, Path]],
    *,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[Stream, str], None] = _print_line,
) -> list[WorkerResult]:
    """Write each spec into its folder, run them one after the other in one process, and return their results.

    A folder takes `spec.json` and `result.json`, and is made where it is missing. `env` are variables for the child
    beside this process's own. `on_line` gets each line that it writes, from another thread. Where another process works
    in a folder its end is awaited. WorkerError where the child failed or left no result; an MLflow run that it had
    begun is marked FAILED.
    """
    with alone_in([folder for _, folder in work], lambda told: on_line("stdout", told)):
        return _run_alone(work, env, on_line)


def _run_alone(
    work: Sequence[tuple[Spec, Path]], env: Mapping[str, str] | None, on_line: Callable[[Stream, str], None]
) -> list[WorkerResult]:
    paths = [write_spec(spec, folder) for spec, folder in work]
    for _, folder in work:
        (folder / RESULT_FILE).unlink(missing_ok=True)
    try:
        code, tail = _run_to_the_end(paths, env, on_line)
    except BaseException:
        _close_tracked_runs(work)
        raise
    unfinished = next((at for at, (_, folder) in enumerate(work) if not (folder / RESULT_FILE).is_file()), None)
    if code or unfinished is not None:
        _close_tracked_runs(work)
        at = unfinished or 0
        lost = code < 0 or any(sign in line for sign in _LOST_CARD for line in tail)
        raise WorkerError(_failure(work[at][0], code, tail, paths[at]), lost=lost)
    return [read_json(folder / RESULT_FILE, RESULT.validate_json, again="start it again") for _, folder in work]


def _run_to_the_end(
    paths: Sequence[Path], env: Mapping[str, str] | None, on_line: Callable[[Stream, str], None]
) -> tuple[int, list[str]]:
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    child = start(worker_command(*paths), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def read(name: Stream, stream: IO[bytes] | None) -> None:
        for raw in stream or ():
            line = raw.decode("utf-8", "replace").rstrip()
            if line and name == "stderr":
                tail.append(line)
            on_line(name, line)

    streams = (("stdout", child.stdout), ("stderr", child.stderr))
    readers = [threading.Thread(target=read, args=stream, daemon=True) for stream in streams]
    try:
        for reader in readers:
            reader.start()
        code = child.wait()
        for reader in readers:
            reader.join(timeout=_GRACE_S)
    finally:
        stop(child)
    return code, list(tail)


def worker_command(*spec_files: Path) -> list[str]:
    """Return the command that runs spec files, the one a person would type."""
    return [sys.executable, "-m", "swap_assets.backends.processes.worker", *map(str, spec_files)]


def start(command: list[str], *, env: Mapping[str, str] | None = None, **how: Any) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a process group, told who its parent is (see `die_with_parent`)."""
    told = {**os.environ, **(env or {}), PARENT_VARIABLE: str(os.getpid())}
    how |= {"env": told, "stdin": subprocess.DEVNULL, "start_new_session": True}
    return subprocess.Popen(command, **how)  # type: ignore[return-value]


def stop(child: subprocess.Popen[bytes], *, grace_s: float = _GRACE_S) -> None:
    """End a child and its process group, unless it has ended: ask, wait up to `grace_s` seconds, then kill."""
    if child.poll() is not None:
        return
    _signal_group(child, signal.SIGTERM)
    try:
        child.wait(timeout=grace_s)
    except subprocess.TimeoutExpired:
        _signal_group(child, signal.SIGKILL)
        child.wait(timeout=grace_s)


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def ending_signals() -> list[signal.Signals]:
    """Return those that end a command wherever it was started: in a shell's background, too, which ignores SIGINT."""
    hung_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]  # as `nohup` asks for
    return [signal.SIGINT, signal.SIGTERM, *hung_up]


def end_children(*, grace_s: float) -> None:
    """End all that this process has started: ask its children, wait up to `grace_s` seconds, then kill what is left."""
    import psutil

    mine = psutil.Process()
    there, children = mine.children(recursive=True), mine.children()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.send_signal(signal.SIGINT)
    for late in psutil.wait_procs(there, timeout=grace_s)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            late.kill()


def die_with_parent(parent: int, end: Callable[[], object] = lambda: os._exit(1)) -> None:
    """Make this process `end` itself when `parent` is gone: a killed parent cannot stop its children."""
    _when_it_ends(parent, end, still=lambda: os.getppid() == parent)


def die_with(other: int) -> None:
    """Make this process end itself when another one is gone that it works for and that did not start it."""
    _when_it_ends(other, lambda: os._exit(1))


def _when_it_ends(process: int, do: Callable[[], object], *, still: Callable[[], bool] = lambda: True) -> None:
    # Not the kernel's death signal: that is bound to the thread that forked, and there is none outside Linux.
    import psutil

    def watch() -> None:
        # psutil's own wait takes a zombie, whose parent has not looked yet, for a process that works.
        with contextlib.suppress(psutil.NoSuchProcess):
            watched = psutil.Process(process)
            while still() and watched.is_running() and watched.status() != psutil.STATUS_ZOMBIE:
                time.sleep(_LOOK_S)
        do()

    threading.Thread(target=watch, daemon=True, name="die-with-parent").start()


def guarded(command: list[str]) -> list[str]:
    """Return the command that runs somebody else's server so that it ends with whoever started it by `start`.

    A foreign process does not look after itself; one that outlives a killed run would hold the card that the run's
    lease has just given back.
    """
    return [sys.executable, "-m", "swap_assets.backends.processes.supervision", *command]


def guard(command: list[str]) -> int:
    """Run a command until it or the parent ends; return its exit code."""
    die_with_parent(int(os.environ[PARENT_VARIABLE]), lambda: os.killpg(0, signal.SIGKILL))
    # The whole group is asked to end, the command too: this process waits for it to do so.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        code = subprocess.Popen(command).wait()
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return 127
    # What it started may still be there, with the card's memory; this process does not listen to that signal.
    os.killpg(0, signal.SIGTERM)
    return code if code >= 0 else 128 - code


def _failure(spec: Spec, code: int, tail: list[str], path: Path) -> str:
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    if code == -signal.SIGKILL:
        ended += " (often: out of memory)"
    shown = "\n".join(tail) or "(it wrote nothing to stderr)"
    again = " ".join(worker_command(path))
    return f"the {spec.kind} process {ended}. Run it by hand with: {again}\nThe end of its stderr:\n{shown}"


def is_transient(error: BaseException) -> bool:
    """Say whether doing the same again later may help: the network, a busy service, a lost process."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    return any(map(_passes, chain))


def _passes(error: BaseException) -> bool:
    if isinstance(error, WorkerError):
        return error.lost
    if isinstance(error, HubUnreachableError | ConnectionError | TimeoutError):
        return True
    if "openai" not in sys.modules:  # nobody has asked a hosted model, so it is not its error
        return False
    import openai

    from swap_assets.backends.hosted.clients import passes

    return isinstance(error, openai.APIError) and passes(error)


def _close_tracked_runs(work: Sequence[tuple[Spec, Path]]) -> None:
    for spec, folder in work:
        if isinstance(spec, TrainSpec) and spec.tracking:
            from swap_assets.backends.tracking.mlflow_runs import close_left_open

            close_left_open(folder)


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
