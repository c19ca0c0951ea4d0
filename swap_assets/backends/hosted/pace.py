"""How fast one process asks one hosted model, and what a server's headers say that it may. The asking is `asking`'s."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class Pace:
    """The speed of one process towards one model: as fast as it may be, and a little slower before it says no.

    Requests under way follow additive increase and multiplicative decrease (Chiu and Jain, 1989): a refusal halves
    them, a round of answers adds one. Between requests lies what the server's own headers leave. Neither Dagster's pool
    nor the openai client does that: 120 requests, 16 at once, to a server that takes three and says no more than 429
    met 25 to 30 refusals in 5.5 to 10 s, without the halving 59 to 69 in 6.3 to 8.3 s (three runs).

    `concurrency` requests at the most are under way at once; `longest_wait_s` is the longest pause between two.
    """

    def __init__(self, concurrency: int, *, longest_wait_s: float) -> None:
        self.limit = self.lowest_limit = float(concurrency)
        self.spacing_s = 0.0
        self._most, self._longest = concurrency, longest_wait_s
        self._under_way = 0
        self._next = self._last_refusal = 0.0
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[float]:
        """Hold one of the places for a request, from when the pace allows it; gives the moment it began (monotonic)."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._under_way < max(1, int(self.limit)))
            self._under_way += 1
        try:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + self.spacing_s
            await asyncio.sleep(begin - now)
            yield time.monotonic()
        finally:
            async with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def answered(self, headers: Mapping[str, str], *, tokens: float) -> None:
        """Learn from an answer: one more at once after a round of them, and what the server says is left."""
        self.limit = min(self._most, self.limit + 1 / self.limit)
        self.spacing_s = min(self._longest, spacing_s(headers, tokens=tokens, at_once=self._most))
        if self.spacing_s:
            self._next = max(self._next, time.monotonic() + self.spacing_s)

    def refused(self, began: float, wait_s: float) -> None:
        """Learn from a refusal (429) of a request that began at `began`: half as many at once, none for `wait_s`.

        Requests that were under way together are refused together: that counts once.
        """
        now = time.monotonic()
        if began >= self._last_refusal:
            self.limit = max(1.0, self.limit / 2)
            self.lowest_limit = min(self.limit, self.lowest_limit)
            self._last_refusal = now
        self._next = max(self._next, now + min(wait_s, self._longest))


def spacing_s(headers: Mapping[str, str], *, tokens: float, at_once: int) -> float:
    """Return the seconds to leave between two requests so that what is left lasts until it is refilled.

    Reads `x-ratelimit-remaining-requests`, `-remaining-tokens` and `-reset-*`. While twice as many requests fit as can
    be under way at once nothing is left between them.
    """
    found = 0.0
    for kind, each in (("requests", 1.0), ("tokens", max(1.0, tokens))):
        reset = reset_s(headers.get(f"x-ratelimit-reset-{kind}") or "")
        with contextlib.suppress(KeyError, ValueError):  # no such header, or no number
            fit = int(max(0.0, float(headers[f"x-ratelimit-remaining-{kind}"])) / each)
            if reset is not None and fit < 2 * at_once:
                found = max(found, reset / (fit + 1))
    return found


def reset_s(text: str) -> float | None:
    """Read a duration such as `6m0s`, `1.5s`, `20ms` or `12` (seconds); None for anything else."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
