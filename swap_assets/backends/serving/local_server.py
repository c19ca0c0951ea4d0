"""A model server of this machine from its starter's side: a free port, and waiting until it answers."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

LOOPBACK = "127.0.0.1"
_TAIL_CHARACTERS = 2000


class ServingError(RuntimeError):
    """A server did not come up or cannot be used; where it was started, the message ends with its log's last lines."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def wait_until_ready(child: subprocess.Popen[bytes], port: int, *, log: Path, within_s: float) -> float:
    """Wait until a server answers at `/health` and return the seconds that it took.

    Raises:
        ServingError: it ended, or it was not ready in time.
    """
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if child.poll() is not None:
            raise ServingError(f"the model server ended with code {child.returncode}:\n{_tail(log)}")
        if _healthy(port):
            return round(time.monotonic() - began, 2)
        time.sleep(0.1)
    raise ServingError(f"the model server was not ready within {within_s:.0f} s:\n{_tail(log)}")


def _healthy(port: int) -> bool:
    # No proxy: an environment's HTTP_PROXY must not be asked for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with (
        contextlib.suppress(urllib.error.URLError, OSError),
        opener.open(f"http://{LOOPBACK}:{port}/health", timeout=2) as answer,
    ):
        return answer.status == 200
    return False


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:].strip() or "(its log is empty)"
