"""Locks that say who works, on a run and in a folder: the system frees those of a killed process at once.

So no process id, clock or name of a machine is trusted, as in `gpu_leases`.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from swap_assets.backends.store.whole import private_folder

_RUNS = "running"  # a file for each run under way, in the folder of Dagster's records


@contextlib.contextmanager
def working_on(home: Path, run_id: str) -> Iterator[None]:
    """Hold the lock of a run that this process executes; its file is there for just as long."""
    folder = private_folder(home / _RUNS)
    with FileLock(folder / f".{run_id}", thread_local=False):
        # Under the name that others look at only once it is held, so that nobody ever finds it free in between.
        final = (folder / f".{run_id}").rename(folder / run_id)
        try:
            yield
        finally:
            final.unlink(missing_ok=True)


@contextlib.contextmanager
def unless_held(home: Path, run_id: str) -> Iterator[bool | None]:
    """Say whether the process that executed a run is gone (None: it never held the run's lock), and tidy up if so."""
    if not (path := home / _RUNS / run_id).exists():
        yield None
        return
    try:
        with FileLock(path, blocking=False, thread_local=False):
            yield True
            path.unlink(missing_ok=True)
    except Timeout:
        yield False


def any_left(home: Path) -> bool:
    """Whether a run's process has gone without taking its lock's file with it; asks nobody but the file system."""
    for path in (home / _RUNS).glob("[!.]*"):
        with contextlib.suppress(Timeout), FileLock(path, blocking=False):
            return True
    return False


@contextlib.contextmanager
def alone_in(folders: Sequence[Path], say: Callable[[str], None]) -> Iterator[None]:
    """Work in folders that no other process works in meanwhile; where one does, say so and wait for its end."""
    with contextlib.ExitStack() as stack:
        for folder in sorted(folders):  # in one order, so that two never wait for each other
            private_folder(folder)
            lock = FileLock(folder / ".lock", thread_local=False)
            try:
                stack.enter_context(lock.acquire(blocking=False))
            except Timeout:
                say(f"another process works in {folder}: waits for its end, and takes up what it leaves")
                stack.enter_context(lock)
        yield
