"""One hosted model being asked: politely, within its budget, each request once. Who asks lives in `engines.hosted`.

The openai client's own retries stay off: they take no notice of a `Retry-After` beyond two minutes, of a 200 that is no
completion or of a stream that breaks off, and tell nobody, so that others would run into the same refusal.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from swap_assets.backends.hosted import clients
from swap_assets.backends.hosted.cache import AnswerCache, CacheError, Claim, Spend
from swap_assets.backends.hosted.clients import HostedError, UnreadableReplyError
from swap_assets.backends.hosted.messages import Reply, gather, read_reply, without_strict
from swap_assets.backends.hosted.pace import Pace
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.model import canonical_json
from swap_assets.domain.predictions import Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI


# JSON and identifiers make shorter tokens than prose (four characters): a reservation has to be on the safe side.
_CHARACTERS_PER_TOKEN = 2.5
_BETWEEN_LOOKS_S = 0.1
_LONGEST_BACKOFF_S = 30.0
_OTHER_LIMIT = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}


class Unanswered(Exception):  # noqa: N818 - an outcome of one request, caught where its record is written
    """No answer could be obtained to one request; the message says why."""


class Asking:
    """Asks one model in one epoch, through one cache.

    `retries` counts by kind (`429`, `timeout`, ...) the attempts that failed and were made again. An answer whose usage
    cannot be read is charged its estimate, and so is what a server charges for an answer that is none.
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
                try:
                    claimed = self._claim(key, body)
                except CacheError as error:
                    raise self._stop(str(error)) from None
                if claimed is Claim.OURS:
                    return await self._answer(key, body, began=began, first=first)
            if isinstance(claimed, Reply):
                return claimed
            await asyncio.sleep(_BETWEEN_LOOKS_S)
        raise Unanswered("another process has been asking this for too long")

    def at_most(self, body: dict[str, Any]) -> Spend:
        """Return what a request is expected to take at the most: its prompt, and the longest answer that is allowed."""
        return self.price_of(_tokens(canonical_json(body)), self.model.max_answer_tokens)

    def estimate(self, body: dict[str, Any], reply: Reply) -> Usage:
        """Return the tokens of a request and its answer by their characters, on the safe side."""
        said = _tokens(reply.text + "".join(call.name + call.arguments for call in reply.calls))
        return Usage(prompt_tokens=_tokens(canonical_json(body)), completion_tokens=said)

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
            self._keep(key, reply, reply.usage)
            return reply
        except Exception as error:
            # Without their cause: what the service itself says may quote the key, and tracebacks are kept.
            if clients.stops_everything(error, first=first):
                raise self._stop(clients.explain(error, self.model)) from None
            raise Unanswered(clients.explain(error, self.model)) from None
        finally:
            self._cache.release(key)

    def _keep(self, key: str, reply: Reply | None, usage: Usage) -> None:
        took = self.price_of(usage.prompt_tokens, usage.completion_tokens)
        self._cache.keep(key, reply, took, model=self.model.key, epoch=self._epoch)

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
                if isinstance(error, UnreadableReplyError) and error.charged != Usage():
                    self._keep(f"charged {uuid.uuid4().hex}", None, error.charged)
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
            if reply.estimated:
                reply = reply.model_copy(update={"usage": self.estimate(fields, reply)})
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


def _tokens(text: str) -> int:
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


def _amount(money: float | None, tokens: int | None) -> str:
    parts = [] if money is None else [f"{money:.4f} in money"]
    return " and ".join(parts if tokens is None else [*parts, f"{tokens:,} tokens"])
