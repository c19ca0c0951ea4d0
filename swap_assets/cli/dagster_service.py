"""Dagster's web server and daemon on loopback: started, waited for, and stopped with everything that they started."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from swap_assets.cli.environment import MODULE
from swap_assets.cli.ui import dagster_command

_READY_S, _STOP_S = 90.0, 25.0


class Service(NamedTuple):
    """A running web server and daemon; `pid` leads their session."""

    address: str
    pid: int


class ServiceError(RuntimeError):
    """Dagster did not come up; the message says where its log lies."""


def free_port() -> int:
    """Return a port on loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def dagster_service(
    environment: Mapping[str, str], *, log: Path, keep: bool = False, module: str = MODULE
) -> Iterator[Service]:
    """Run `dagster dev` on loopback, yield where it is, and stop it at the end unless it is to be kept.

    It gets a session of its own: started from a shell in the background it would ignore every signal.

    Raises:
        ServiceError: it did not answer within 90 seconds.
    """
    port = free_port()
    command = [dagster_command(), "dev", "-m", module, "-h", "127.0.0.1", "-p", str(port)]
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    kept = False
    try:
        _wait_until_it_answers(process, port, log)
        yield Service(f"http://127.0.0.1:{port}", process.pid)
        kept = keep
    finally:
        if not kept:
            stop_session(process)


def stop_session(process: subprocess.Popen) -> None:
    """Stop a process that leads a session, and everything in that session: gently first, then for sure."""
    for sign, patience in ((signal.SIGINT, _STOP_S), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        members = session_members(process.pid)
        if not members:
            break
        # Only the leader is asked first: it ends its children in order.
        for pid in [process.pid] if sign == signal.SIGINT else members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        _wait_until_empty(process, patience)
    process.wait(timeout=5)


def session_members(session: int) -> list[int]:
    """Return the processes of a session that are alive, as Linux lists them."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            # `pid (name) state ppid pgrp session ...`; the name may hold anything, so what counts is after its end
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def _wait_until_it_answers(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.3)
    raise ServiceError(f"Dagster's web server did not come up within {_READY_S:.0f} s; its log: {log}")


def _wait_until_empty(process: subprocess.Popen, patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        process.poll()  # takes the leader's exit, so that it is no zombie
        if not session_members(process.pid):
            return
        time.sleep(0.2)
