"""One hosted model being asked: requests out, records in. Who is asked and what is kept lives in `hosted`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.generation.records import RecordFile, parsed
from swap_assets.backends.hosted.errors import HostedError, as_refusal, explain, rejected_parameter, stops_everything
from swap_assets.backends.reporting import Reporter, duration
from swap_assets.domain.answers.literals import without_lone_surrogates
from swap_assets.domain.contracts import Contract
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.model import content_hash
from swap_assets.domain.predictions import FinishReason, PredictionRecord, Usage
from swap_assets.domain.prompts import Message, prompt_hash, render_messages

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion

_FINISHES: dict[str, FinishReason] = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter",
}  # fmt: skip


class Asking:
    """One model, one contract, one candidate: makes requests and turns what comes back into records."""

    def __init__(
        self,
        model: HostedModel,
        client: AsyncOpenAI,
        *,
        contract: Contract,
        candidate_id: str,
        epoch: str,
        served_name: str,
        artefact_hash: str,
    ) -> None:
        self.model = model
        self._client = client
        self._contract = contract
        self._candidate_id = candidate_id
        self._epoch = epoch
        self._name = served_name or model.model
        self._artefact = artefact_hash
        # Newer OpenAI models refuse `max_tokens`; older compatible servers overlook its successor without a word.
        official = model.provider in ("azure", "openai") and not model.base_url
        self._limit_name = "max_completion_tokens" if official else "max_tokens"
        self._left_out: set[str] = set() if model.accepts_temperature else {"temperature"}
        self.prompt_hash = prompt_hash(contract, model.prompt_style)

    def request_hash(self, case: EvalCase) -> str:
        """Name a request: the messages, who is asked, and every setting that shapes the answer."""
        model = self.model
        settings = [model.accepts_temperature, model.seed, model.max_answer_tokens, model.api_version]
        who = [model.provider, model.model, model.base_url, self._artefact]
        return content_hash(self._messages(case), who, settings, self._contract, self._epoch)

    async def ask_all(self, cases: Sequence[EvalCase], records: RecordFile, reporter: Reporter) -> None:
        """Ask all cases, at most `concurrency` at once, appending each record as it arrives."""
        async with self._client:
            if not cases:
                return
            # The first goes alone: a bad key, a wrong deployment or an unknown parameter costs one call, not many.
            records.append([await self._ask(cases[0], first=True)])
            places = asyncio.Semaphore(self.model.concurrency)
            began, done = time.monotonic(), 1

            async def one(case: EvalCase) -> None:
                nonlocal done
                async with places:
                    record = await self._ask(case)
                records.append([record])
                done += 1
                left = (time.monotonic() - began) / done * (len(cases) - done)
                reporter.progress(f"{done}/{len(cases)} answers, {duration(left)} left", last=done == len(cases))

            try:
                async with asyncio.TaskGroup() as group:
                    for case in cases[1:]:
                        group.create_task(one(case))
            except* HostedError as stopped:
                raise _first(stopped) from None

    async def _ask(self, case: EvalCase, *, first: bool = False) -> PredictionRecord:
        began = time.monotonic()
        try:
            answer = await self._complete(case)
            return self._answered(case, answer, time.monotonic() - began)
        except Exception as error:
            latency_s = time.monotonic() - began
            if stops_everything(error, first=first):
                raise HostedError(explain(error, self.model)) from error
            refused = as_refusal(error)
            return self._record(
                case,
                text="",
                finish_reason="content_filter" if refused else "error",
                error="" if refused else explain(error, self.model),
                latency_s=latency_s,
            )

    async def _complete(self, case: EvalCase) -> ChatCompletion:
        messages: Any = self._messages(case)
        for _ in range(3):
            try:
                return await self._client.chat.completions.create(
                    model=self._name, messages=messages, **self._settings()
                )
            except Exception as error:
                if not self._adapted_to(error):
                    raise
        return await self._client.chat.completions.create(model=self._name, messages=messages, **self._settings())

    def _settings(self) -> dict[str, Any]:
        wanted = {"temperature": 0.0, "seed": self.model.seed, self._limit_name: self.model.max_answer_tokens}
        return {key: value for key, value in wanted.items() if value is not None and key not in self._left_out}

    def _adapted_to(self, error: Exception) -> bool:
        """Change a parameter that the server does not know, once, and say whether asking again makes sense."""
        parameter = rejected_parameter(error) or ""
        others = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}
        if parameter == self._limit_name and "limit" not in self._left_out:
            self._limit_name = others[parameter]
            self._left_out.add("limit")
            return True
        if parameter in ("temperature", "seed") and parameter not in self._left_out:
            self._left_out.add(parameter)
            return True
        return False

    def _answered(self, case: EvalCase, answer: ChatCompletion, latency_s: float) -> PredictionRecord:
        if not answer.choices:
            raise HostedError("the server's answer holds no choice")
        choice = answer.choices[0]
        usage = answer.usage
        tokens = Usage(
            prompt_tokens=usage.prompt_tokens if usage else 0, completion_tokens=usage.completion_tokens if usage else 0
        )
        return self._record(
            case,
            text=without_lone_surrogates(choice.message.content or choice.message.refusal or ""),
            finish_reason=_FINISHES.get(choice.finish_reason, "stop"),
            usage=tokens,
            latency_s=latency_s,
            served_model=answer.model or "",
            fingerprint=answer.system_fingerprint or "",
        )

    def _record(
        self, case: EvalCase, *, text: str, finish_reason: FinishReason, latency_s: float, **fields: Any
    ) -> PredictionRecord:
        price = self.model.price
        usage: Usage = fields.get("usage") or Usage()
        return PredictionRecord(
            case_id=case.id,
            conversation_id=case.conversation_id,
            candidate_id=self._candidate_id,
            contract=self._contract,
            request_hash=self.request_hash(case),
            prompt_hash=self.prompt_hash,
            text=text,
            parsed=None if finish_reason == "error" else parsed(case, self._contract, text),
            finish_reason=finish_reason,
            latency_s=round(latency_s, 6),
            cost=price.of(usage.prompt_tokens, usage.completion_tokens) if price else None,
            epoch=self._epoch,
            **fields,
        )

    def _messages(self, case: EvalCase) -> list[Message]:
        return render_messages(case.tools, case.history, contract=self._contract, style=self.model.prompt_style)


def _first(group: BaseExceptionGroup) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
