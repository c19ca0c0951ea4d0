"""How a model process says where it stands: a line on stdout, or in the run's log where Dagster Pipes is open."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from swap_assets.domain.model import Frozen

if TYPE_CHECKING:
    from dagster_pipes import PipesContext

_SECONDS_BETWEEN_PROGRESS = 2.0
_AT_ONCE = partial(print, flush=True)


class Reporter:
    """Writes progress; `line` always, `progress` at most every two seconds."""

    def __init__(self, pipes: PipesContext | None = None, *, write: Callable[[str], None] = _AT_ONCE) -> None:
        self._pipes, self._write, self._last_progress = pipes, write, float("-inf")

    def line(self, text: str) -> None:
        """Say one thing, once: under Pipes in the run's log, else as a line."""
        (self._pipes.log.info if self._pipes else self._write)(text)

    def progress(self, text: str, *, last: bool = False) -> None:
        """Say how far the work is; calls that come too soon after the one before are dropped, never the `last`."""
        now = time.monotonic()
        if last or now - self._last_progress >= _SECONDS_BETWEEN_PROGRESS:
            self._last_progress = now
            self.line(text)

    def result(self, result: Frozen) -> None:
        """Hand a result to Dagster as a message, so that it need not be read from disk."""
        if self._pipes:
            self._pipes.report_custom_message(result.model_dump(mode="json"))


def duration(seconds: float) -> str:
    """Write a duration for people: `8 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
