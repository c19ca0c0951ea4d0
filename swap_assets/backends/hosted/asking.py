"""One hosted model being asked: politely, within its budget, each request once. Who asks lives in `engines.hosted`.

The openai client's own retries stay off: they take no notice of a `Retry-After` beyond two minutes, of a 200 that is no
completion or of a stream that breaks off, and tell nobody, so that others would run into the same refusal.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from swap_assets.backends.hosted import clients
from swap_assets.backends.hosted.cache import AnswerCache, Claim, Spend
from swap_assets.backends.hosted.clients import HostedError, UnreadableReplyError
from swap_assets.backends.hosted.messages import Reply, gather, read_reply, without_strict
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.model import canonical_json

if TYPE_CHECKING:
    from openai import AsyncOpenAI


# JSON and identifiers make shorter tokens than prose (four characters): a reservation has to be on the safe side.
_CHARACTERS_PER_TOKEN = 2.5
_BETWEEN_LOOKS_S = 0.1
_LONGEST_BACKOFF_S = 30.0
_OTHER_LIMIT = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class Unanswered(Exception):  # noqa: N818 - an outcome of one request, caught where its record is written
    """No answer could be obtained to one request; the message says why."""


class Asking:
    """Asks one model in one epoch, through one cache.

    `retries` counts by kind (`429`, `timeout`, ...) the attempts that failed and were made again.
    """

    def __init__(
        self, model: HostedModel, client: AsyncOpenAI, cache: AnswerCache, *, epoch: str, say: Callable[[str], None]
    ) -> None:
        self.model, self.client, self.calls = model, client, 0
        self.retries: Counter[str] = Counter()
        self.stopped: HostedError | None = None
        self.pace = Pace(model.concurrency, longest_wait_s=model.longest_wait_s)
        self._cache, self._epoch, self._say = cache, epoch, say
        self._left_out: set[str] = set()
        self._renamed: dict[str, str] = {}
        self._told_to_wait = 0.0

    async def ask(self, key: str, body: dict[str, Any], *, first: bool = False) -> Reply:
        """Return the answer to a request: from the cache, from another process that is asking, or from the server.

        Raises:
            HostedError: asking on is pointless, or the budget is reached; `stopped` says the same to all others.
            Unanswered: this one request got no answer.
        """
        # Whoever holds the claim answers, gives up or dies within this time.
        each_s = self.model.timeout_s + max(self.model.longest_wait_s, _LONGEST_BACKOFF_S)
        until = time.monotonic() + (self.model.max_retries + 1) * each_s
        while time.monotonic() < until:
            async with self.pace.place() as began:
                if self.stopped:
                    raise self.stopped
                claimed = self._claim(key, body)
                if claimed is Claim.OURS:
                    return await self._answer(key, body, began=began, first=first)
            if isinstance(claimed, Reply):
                return claimed
            await asyncio.sleep(_BETWEEN_LOOKS_S)
        raise Unanswered("another process has been asking this for too long")

    def at_most(self, body: dict[str, Any]) -> Spend:
        """Return what a request is expected to take at the most: its prompt, and the longest answer that is allowed."""
        prompt = int(len(canonical_json(body)) / _CHARACTERS_PER_TOKEN)
        return self.price_of(prompt, self.model.max_answer_tokens)

    def price_of(self, prompt: int, completion: int) -> Spend:
        """Return what so many tokens are in money and tokens; no price is no money."""
        price = self.model.price
        return Spend(money=price.of(prompt, completion) if price else 0.0, tokens=prompt + completion)

    def budget_left(self) -> str:
        """Say what the budget leaves, an empty text where there is none."""
        budget, spent = self.model.budget, self._cache.spent(self.model.key, self._epoch)
        money = None if budget.money is None else budget.money - spent.money
        left = _amount(money, None if budget.tokens is None else budget.tokens - spent.tokens)
        return f"; the budget leaves {left}" if left else ""

    def _claim(self, key: str, body: dict[str, Any]) -> Claim | Reply:
        model, budget = self.model, self.model.budget
        at_most = self.at_most(body)
        claimed = self._cache.claim(key, model=model.key, epoch=self._epoch, at_most=at_most, budget=budget)
        if claimed is Claim.SPENT:
            spent = self._cache.spent(model.key, self._epoch)
            raise self._stop(
                f"the budget of {model.key} for epoch '{self._epoch}' ({_amount(budget.money, budget.tokens)}) has no "
                f"room for another call: {_amount(spent.money if model.price else None, spent.tokens)} are spent; "
                "raise hosted_model.budget and start again, what was answered is kept"
            )
        return claimed

    async def _answer(self, key: str, body: dict[str, Any], *, began: float, first: bool) -> Reply:
        try:
            reply = await self._obtain(body, began=began)
            usage = reply.usage
            self._cache.keep(key, reply, self.price_of(usage.prompt_tokens, usage.completion_tokens))
            return reply
        except Exception as error:
            # Without their cause: what the service itself says may quote the key, and tracebacks are kept.
            if clients.stops_everything(error, first=first):
                raise self._stop(clients.explain(error, self.model)) from None
            raise Unanswered(clients.explain(error, self.model)) from None
        finally:
            self._cache.release(key)

    def _stop(self, why: str) -> HostedError:
        error = HostedError(why)
        self.stopped = self.stopped or error
        return error

    async def _obtain(self, body: dict[str, Any], *, began: float) -> Reply:
        """Ask until there is an answer, at most `max_retries` times more; refusals of the content filter are one."""
        retries, loosened = 0, ()
        while True:
            started = time.monotonic()
            fields = {self._renamed.get(key, key): value for key, value in body.items() if key not in self._left_out}
            try:
                reply = await self._send(fields)
            except Exception as error:
                if self._adapted_to(error, sent=fields):
                    continue
                if clients.refuses_schema(error) and (looser := without_strict(body)):
                    body, loosened = looser, ("strict",)
                    continue
                if clients.as_refusal(error):
                    reply = Reply(finish_reason="content_filter")
                elif not clients.passes(error) or retries >= self.model.max_retries or self.stopped:
                    raise
                else:
                    retries += 1
                    await self._wait_after(error, retries, began=began)
                    began = time.monotonic()
                    continue
            left_out = (*sorted(self._left_out), *loosened)
            taken = {"latency_s": round(time.monotonic() - started, 6), "retries": retries, "left_out": left_out}
            return reply.model_copy(update={**taken, "asked_at": datetime.now(UTC).isoformat(timespec="seconds")})

    async def _send(self, fields: dict[str, Any]) -> Reply:
        started = time.monotonic()
        self.calls += 1
        streamed = bool(fields.get("stream"))
        # The client's time-out is for each read; an answer that drips byte by byte would never meet it.
        async with asyncio.timeout(self.model.timeout_s):
            # As extra_body, so that no field is changed or checked on the way.
            answer = await self.client.chat.completions.with_raw_response.create(
                model=fields["model"], messages=fields["messages"], stream=streamed, extra_body=fields
            )
            try:
                pieces: Any = answer.parse() if streamed else None
                reply = await gather(pieces, began=started) if streamed else read_reply(answer.content)
            except (AttributeError, TypeError, LookupError, ValueError):
                raise UnreadableReplyError("a piece of the answer is no chat completion") from None
        self.pace.answered(answer.headers, tokens=self.at_most(fields).tokens)
        return reply

    async def _wait_after(self, error: Exception, retry: int, *, began: float) -> None:
        """Wait before a retry, twice as long each time with jitter; HostedError where the server asks for too long."""
        self.retries[clients.kind_of(error)] += 1
        headers = getattr(getattr(error, "response", None), "headers", {})
        asked = clients.read_retry_after(headers, now=time.time())
        if asked is not None and asked > self.model.longest_wait_s:
            raise HostedError(
                f"{self.model.key} asks to wait {asked:.0f} s, longer than longest_wait_s "
                f"({self.model.longest_wait_s:g} s): start again later, what was answered is kept"
            )
        backoff = min(_LONGEST_BACKOFF_S, self.model.backoff_s * 2 ** (retry - 1))
        # Full jitter below, never less than the server asked for: those who were refused together come back apart.
        wait_s = (asked or 0.0) + random.uniform(0, backoff)
        if clients.kind_of(error) == "429":
            self.pace.refused(began, asked or 0.0)
        if wait_s >= 1 and time.monotonic() > self._told_to_wait:
            self._told_to_wait = time.monotonic() + wait_s
            self._say(f"{self.model.key} is asked again in {wait_s:.1f} s ({clients.kind_of(error)})")
        await asyncio.sleep(wait_s)

    def _adapted_to(self, error: Exception, *, sent: dict[str, Any]) -> bool:
        """Change a setting that the server does not know and say whether asking again makes sense."""
        parameter = clients.rejected_parameter(error)
        if parameter not in sent or parameter in self._renamed.values():
            return False
        if other := _OTHER_LIMIT.get(parameter):
            self._renamed[parameter] = other
        else:
            self._left_out.add(parameter)
        return True


def _amount(money: float | None, tokens: int | None) -> str:
    parts = [] if money is None else [f"{money:.4f} in money"]
    return " and ".join(parts if tokens is None else [*parts, f"{tokens:,} tokens"])


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
