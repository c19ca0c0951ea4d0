"""Answers of a local model to every case of a spec: written row by row as they end, resumed where they stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from swap_assets.backends.engines.constrained import Grammars
from swap_assets.backends.engines.limits import check_limit
from swap_assets.backends.engines.local_answers import Answer, LocalModel, render_prompt, stop_tokens
from swap_assets.backends.engines.records import RecordFile, parsed, read_cases
from swap_assets.backends.engines.rows import Constraint
from swap_assets.backends.engines.vllm_model import VllmModel
from swap_assets.backends.models import provenance
from swap_assets.backends.models.local_model import device_name, load_adapted, load_tokenizer
from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.backends.processes.specs import GenerateResult, GenerateSpec
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.prompts import prompt_hash, render_messages
from swap_assets.domain.model import content_hash
from swap_assets.domain.predictions import PredictionRecord, Usage


def generate(spec: GenerateSpec, *, reporter: Reporter) -> GenerateResult:
    """Answer every case of a spec into `spec.output` and return the totals.

    Raises:
        ModelUnavailableError: the model or adapter is not there. RecordsError: the cases file cannot be used.
        AnswerLimitError: `max_new_tokens` would cut an expected answer. OutOfRoomError: no row fits into memory.
        ConstraintError: answers are to be constrained and cannot be. ServingError: the vLLM server cannot be had.
    """
    began = time.monotonic()
    job = _Job(spec)
    reporter.line(f"{len(job.cases)} cases, {len(job.records.kept)} answered already")
    reporter.line(f"the longest expected answer has {job.longest_gold} tokens; the limit is {spec.max_new_tokens}")
    asked = job.answer_missing(reporter) if job.missing else 0
    seconds = job.seconds
    records = job.records.finish()
    cut = sum(record.finish_reason == "length" for record in records)
    reporter.line(f"{asked} answers in {duration(seconds)}; {cut} of {len(records)} hit the token limit")
    return GenerateResult(
        output=spec.output,
        artefact_hash=job.artefact,
        prompt_hash=job.prompt_hash,
        cases=len(job.cases),
        asked=asked,
        reused=len(job.records.kept),
        cut_answers=cut,
        longest_gold=job.longest_gold,
        method=job.method,
        token_budget=job.token_budget,
        loose_tools=job.grammars.loose_tools if job.grammars else 0,
        given_up=job.grammars.given_up if job.grammars else 0,
        prompt_tokens=sum(record.usage.prompt_tokens for record in records),
        completion_tokens=sum(record.usage.completion_tokens for record in records),
        rows_per_second=round(asked / seconds / job.cards, 2) if asked else 0.0,
        seconds=round(seconds, 3),
        total_seconds=round(time.monotonic() - began, 3),
        device="vllm" if job.served else device_name(),
    )


class _Job:
    """The cases of a spec with their prompts and request hashes, and the records that are there already.

    `method` and `token_budget` say how the missing cases were computed, and with how much of the budget left; `seconds`
    are those of answering, from when the model was ready, and `cards` how many answered.
    """

    def __init__(self, spec: GenerateSpec) -> None:
        self._spec = spec
        self.served = spec.engine.kind == "vllm"
        self._tokenizer = load_tokenizer(spec.weights)
        self.cases = read_cases(spec.cases_files)
        self.longest_gold = check_limit(self._tokenizer, self.cases, spec.answer_format, spec.max_new_tokens)
        self.artefact = spec.artefact_hash or artefact_hash(spec)
        template = str(self._tokenizer.chat_template)
        self.prompt_hash = prompt_hash(spec.answer_format, spec.prompt_style, chat_template=template)
        self.grammars = Grammars(self._tokenizer, spec.answer_format) if spec.constrained else None
        self._grammar_of = {case.id: self.grammars.of(case) for case in self.cases} if self.grammars else {}
        self._prompts = {case.id: self._prompt(case) for case in self.cases}
        self._hashes = {case_id: self._request_hash(case_id, prompt) for case_id, prompt in self._prompts.items()}
        self.records = RecordFile(spec.output, self._hashes, candidate_id=spec.candidate_id, others=spec.reuse)
        self.missing = [case for case in self.cases if case.id not in self.records.kept]
        self.method, self.token_budget, self.seconds = "", spec.token_budget, 0.0
        self.cards = spec.engine.paid_cards
        self._ready = time.monotonic()

    def answer_missing(self, reporter: Reporter) -> int:
        """Ask the model for every case without a record and return how many there were."""
        spec, todo, done = self._spec, self.missing, 0
        for answers in self._answers([self._prompts[case.id] for case in todo], reporter):
            self.records.append([self._record(todo[answer.place], answer) for answer in answers])
            done += len(answers)
            self.seconds = time.monotonic() - self._ready
            speed = done / self.seconds
            text = f"{done}/{len(todo)} answers, {speed:.1f} a second, {duration((len(todo) - done) / speed)} left"
            reporter.progress(text, last=done == len(todo))
        reporter.line(self.method)
        if self.grammars:
            reporter.line(
                f"constrained; the arguments of {self.grammars.loose_tools} offered tools may be any JSON object, as "
                f"their schemas cannot be compiled; {self.grammars.given_up} rows outgrew the grammar's limits"
            )
        if self.token_budget < spec.token_budget:
            reporter.line(
                f"memory held {self.token_budget} tokens at once, not {spec.token_budget}: set generation_tokens to "
                "that and no time goes into trying"
            )
        return len(todo)

    def _answers(self, prompts: list[str], reporter: Reporter) -> Iterator[list[Answer]]:
        spec = self._spec
        if self.served:
            served = VllmModel(spec, self._tokenizer, artefact=self.artefact, say=reporter.line)
            for answers in served.stream(prompts):
                self._ready = served.began
                yield answers
            self.method = served.method
            return
        loaded = load_adapted(spec.weights, spec.adapter)
        model = LocalModel(loaded, self._tokenizer, max_new_tokens=spec.max_new_tokens, token_budget=spec.token_budget)
        self._ready = time.monotonic()
        yield from model.stream(prompts, self._constraints(loaded))
        self.method, self.token_budget = model.method, model.budget.tokens

    def _constraints(self, model: Any) -> list[Callable[[], Constraint]]:
        """Return what begins the constraint of each missing case's answer; [] where answers are free."""
        if not self.grammars:
            return []
        stops = stop_tokens(model, self._tokenizer)
        return [self.grammars.start(self._grammar_of[case.id], stops) for case in self.missing]

    def _record(self, case: EvalCase, answer: Answer) -> PredictionRecord:
        return PredictionRecord(
            case_id=case.id,
            conversation_id=case.conversation_id,
            candidate_id=self._spec.candidate_id,
            answer_format=self._spec.answer_format,
            request_hash=self._hashes[case.id],
            prompt_hash=self.prompt_hash,
            text=answer.text,
            parsed=parsed(case, self._spec.answer_format, answer.text),
            finish_reason="stop" if answer.stopped else "length",
            usage=Usage(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens),
            latency_s=round(answer.seconds, 6),
            first_token_s=None if answer.first_s is None else round(answer.first_s, 6),
            cost=self._cost(answer.card_s),
            latency_kind="request" if self.served else "batch_share",
            epoch=self._spec.epoch,
            served_model=self._spec.weights.source,
        )

    def _cost(self, card_s: float) -> float | None:
        """Return what so many seconds of the cards cost, None without a card or its price."""
        price, on_cards = self._spec.gpu_hour, self.served or device_name() == "cuda"
        return card_s / 3600 * price * self.cards if on_cards and price is not None else None

    def _prompt(self, case: EvalCase) -> str:
        style = self._spec.prompt_style
        return render_prompt(
            self._tokenizer,
            render_messages(case.tools, case.history, answer_format=self._spec.answer_format, style=style),
        )

    def _request_hash(self, case_id: str, prompt: str) -> str:
        # Two engines may round otherwise, so what one has said is no answer of the other.
        spec, engine = self._spec, ["vllm"] if self.served else []
        grammar = [self._grammar_of[case_id]] if self.grammars else []
        return content_hash(
            prompt, self.artefact, spec.answer_format, spec.max_new_tokens, spec.epoch, *grammar, *engine
        )


def artefact_hash(spec: GenerateSpec) -> str:
    """Name the exact weights that answer: the base's hash, and the adapter's where there is one."""
    base = provenance.weights_hash(spec.weights.source, spec.weights.revision)
    return content_hash(base, spec.weights.dtype, provenance.adapter_hash(spec.adapter) if spec.adapter else "")
