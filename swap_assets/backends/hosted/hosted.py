"""Answers of a hosted LLM: Azure OpenAI, OpenAI, or any server that speaks their language.

Runs in the calling process: it waits for the network and loads no model. What was answered is in the cache and is never
asked twice in a measurement epoch; the file of records is made from it anew, with today's parser and prices.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from swap_assets.backends.engines.records import RecordFile, parsed
from swap_assets.backends.hosted.asking import Asking, Unanswered
from swap_assets.backends.hosted.cache import AnswerCache, CacheError
from swap_assets.backends.hosted.clients import open_client
from swap_assets.backends.hosted.errors import HostedError
from swap_assets.backends.hosted.replies import Reply
from swap_assets.backends.hosted.requests import Requests
from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.experiment.costs import estimate_answers
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.formats.base import AnswerFormat, Interface
from swap_assets.domain.model import Frozen, canonical_json
from swap_assets.domain.predictions import PredictionRecord

# Characters of a median answer of Hermes' call rows, where nothing was answered yet to take the mean of.
_ANSWER_CHARACTERS = 200.0
_CHARACTERS_PER_TOKEN = 4.0


class HostedAnswers(Frozen):
    """What asking a hosted model gave; `records` are in the order of the cases.

    `asked` cases had no answer in the cache; `calls` are the requests that went out, `retries` those of them that were
    made again, by reason.
    """

    records: tuple[PredictionRecord, ...]
    prompt_hash: str
    asked: int
    reused: int
    errors: int
    calls: int
    retries: dict[str, int]
    seconds: float


def ask_hosted(
    model: HostedModel,
    cases: Sequence[EvalCase],
    *,
    answer_format: AnswerFormat,
    candidate_id: str,
    output: Path,
    cache: Path,
    epoch: str = "first",
    interface: Interface = Interface.TEXT,
    base_url: str = "",
    served_name: str = "",
    artefact_hash: str = "",
    say: Callable[[str], None] = print,
) -> HostedAnswers:
    """Ask a hosted model every case that has no answer in the cache yet.

    Args:
        model: The experiment's entry: provider, deployment, limits, price, names of the environment variables.
        cases: The questions.
        answer format: How the answer is to be written.
        candidate_id: Whose records they are.
        output: The JSONL file of records, appended to while answers arrive.
        cache: The SQLite file of answers; shared by all scales, tracks and processes of an experiment.
        epoch: The measurement; another one asks everything again.
        interface: Text, or native; what is native goes with the answer formats of `domain.interfaces.native`.
        base_url: Where the server listens, in place of the entry's (a stand-in's port is known only when it runs).
        served_name: The model's name at that server, in place of the entry's.
        artefact_hash: Names the weights where they are known, so that other weights are asked again.
        say: Takes progress lines.

    Raises:
        HostedError: a key is missing or refused, the deployment does not exist, the server cannot be reached, or the
            budget is reached.
    """
    if not cases:
        raise HostedError("there are no cases to ask the hosted model; materialise the test splits first")
    client = open_client(model, base_url=base_url)
    requests = Requests(
        model,
        answer_format=answer_format,
        epoch=epoch,
        interface=interface,
        served_name=served_name,
        artefact_hash=artefact_hash,
    )
    try:
        with AnswerCache(cache) as answers:
            asking = Asking(model, client, answers, epoch=epoch, say=say)
            round_ = _Round(asking, requests, cases, candidate_id=candidate_id, output=output, say=say)
            return asyncio.run(round_.run(answers))
    except CacheError as error:
        raise HostedError(str(error)) from None


class _Round:
    """One list of cases put to one model: what was answered already, the rest asked, records written as they come."""

    def __init__(
        self,
        asking: Asking,
        requests: Requests,
        cases: Sequence[EvalCase],
        *,
        candidate_id: str,
        output: Path,
        say: Callable[[str], None],
    ) -> None:
        self._asking, self._requests, self._cases = asking, requests, cases
        self._candidate_id = candidate_id
        self._reporter = Reporter(write=say)
        self._bodies = {case.id: requests.body(case) for case in cases}
        self._keys = {name: requests.key(body) for name, body in self._bodies.items()}
        output.unlink(missing_ok=True)
        self._file = RecordFile(output, self._keys, candidate_id=candidate_id)

    async def run(self, cache: AnswerCache) -> HostedAnswers:
        began = time.monotonic()
        known = cache.find(self._keys.values())
        self._file.append(
            [self._record(case, known[key]) for case in self._cases if (key := self._keys[case.id]) in known]
        )
        missing = [case for case in self._cases if self._keys[case.id] not in known]
        self._announce(missing, list(known.values()))
        try:
            await self._ask_all(missing)
        finally:
            await self._asking.close()
        if self._asking.stopped:
            raise self._asking.stopped
        records = self._file.finish()
        errors = sum(not record.obtained for record in records)
        seconds, retries = time.monotonic() - began, dict(self._asking.retries)
        self._reporter.line(
            f"{len(missing)} answers from {self._asking.model.key} in {duration(seconds)}, {errors} without success"
            + (f"; asked again after {_tally(retries)}" if retries else "")
        )
        return HostedAnswers(
            records=tuple(records),
            prompt_hash=self._requests.prompt_hash,
            asked=len(missing),
            reused=len(self._cases) - len(missing),
            errors=errors,
            calls=self._asking.calls,
            retries=retries,
            seconds=round(seconds, 3),
        )

    def _announce(self, missing: Sequence[EvalCase], known: Sequence[Reply]) -> None:
        """Say what is about to be asked and what it is expected to take, before the first call."""
        model, count = self._asking.model, len(self._cases)
        self._reporter.line(f"{count} cases for {model.key}, {count - len(missing)} answered already")
        if not missing:
            return
        prompt = sum(len(canonical_json(self._bodies[case.id])) for case in missing) / len(missing)
        measured = [reply.usage.completion_tokens for reply in known if reply.usage.completion_tokens]
        answer = _CHARACTERS_PER_TOKEN * sum(measured) / len(measured) if measured else _ANSWER_CHARACTERS
        estimate = estimate_answers(
            calls=len(missing), prompt_characters=prompt, answer_characters=answer, price=model.price
        )
        cost = "no price" if estimate.cost is None else f"{estimate.cost:.4f} in money"
        self._reporter.line(
            f"estimate for {estimate.calls} calls: {estimate.prompt_tokens:,} tokens in, "
            f"{estimate.completion_tokens:,} out, {cost}{self._asking.budget_left()}"
        )

    async def _ask_all(self, missing: Sequence[EvalCase]) -> None:
        if not missing:
            return
        # The first goes alone: a bad key, a wrong deployment or an unknown parameter costs one call, not many.
        done, began = 0, time.monotonic()

        async def one(case: EvalCase, *, first: bool = False) -> None:
            nonlocal done
            try:
                record = self._record(case, await self._reply(case, first=first))
            except Unanswered as error:
                record = self._record(case, Reply(finish_reason="error"), error=str(error))
            except HostedError:
                return
            self._file.append([record])
            done += 1
            left = (time.monotonic() - began) / done * (len(missing) - done)
            self._reporter.progress(f"{done}/{len(missing)} answers, {duration(left)} left", last=done == len(missing))

        await one(missing[0], first=True)
        # What stops one lets those under way finish, for they are paid: nobody is cancelled.
        await asyncio.gather(*(one(case) for case in missing[1:]))

    async def _reply(self, case: EvalCase, *, first: bool) -> Reply:
        return await self._asking.ask(self._keys[case.id], self._bodies[case.id], first=first)

    def _record(self, case: EvalCase, reply: Reply, *, error: str = "") -> PredictionRecord:
        model, usage = self._asking.model, reply.usage
        text = self._requests.text_of(case, reply)
        answer_format = self._requests.answer_format
        return PredictionRecord(
            case_id=case.id,
            conversation_id=case.conversation_id,
            candidate_id=self._candidate_id,
            answer_format=answer_format,
            request_hash=self._keys[case.id],
            prompt_hash=self._requests.prompt_hash,
            text=text,
            parsed=None if error else parsed(case, answer_format, text),
            finish_reason=reply.finish_reason,
            usage=usage,
            latency_s=reply.latency_s,
            first_token_s=reply.first_token_s,
            cost=model.price.of(usage.prompt_tokens, usage.completion_tokens) if model.price else None,
            error=error,
            epoch=self._requests.epoch,
            interface=self._requests.interface,
            served_model=reply.served_model,
            fingerprint=reply.fingerprint,
            deployment=self._requests.deployment,
            api_version=self._requests.api_version,
            seed=None if "seed" in reply.left_out else model.seed,
            retries=reply.retries,
        )


def _tally(retries: dict[str, int]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(retries.items()))
