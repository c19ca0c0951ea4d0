"""Answers of a local model: greedy, in batches sorted by length, written as they arrive, resumed where they stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.backends import provenance
from swap_assets.backends.generation.decoding import decode
from swap_assets.backends.generation.records import RecordFile, parsed, read_rows
from swap_assets.backends.local_model import device_name, load_adapted, load_tokenizer
from swap_assets.backends.reporting import Reporter, duration
from swap_assets.backends.specs import GenerateResult, GenerateSpec
from swap_assets.backends.training.masking import end_of_turn
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.model import content_hash
from swap_assets.domain.predictions import PredictionRecord, Usage
from swap_assets.domain.prompts import Message, prompt_hash, render_messages

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Answer(NamedTuple):
    """What a model said: the text without stop tokens, tokens on both sides, and whether it stopped by itself."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    stopped: bool


class LocalModel:
    """A loaded model that answers prompts greedily."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_new_tokens: int) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._max_new_tokens = max_new_tokens
        self._stops = stop_tokens(model, tokenizer)

    def answer(self, prompts: list[str]) -> list[Answer]:
        """Answer a batch of rendered prompts; each row's text is the one that it would get alone."""
        batch: Any = self._tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        batch = batch.to(self._model.device)
        answers = decode(
            self._model,
            batch["input_ids"],
            batch["attention_mask"],
            stops=self._stops,
            max_new_tokens=self._max_new_tokens,
        )
        lengths = batch["attention_mask"].sum(dim=1).tolist()
        return [self._read(answer, length) for answer, length in zip(answers, lengths, strict=True)]

    def _read(self, tokens: list[int], prompt_tokens: int) -> Answer:
        stopped = tokens[-1] in self._stops
        text = self._tokenizer.decode(tokens[:-1] if stopped else tokens, skip_special_tokens=True)
        return Answer(str(text), prompt_tokens, len(tokens), stopped)


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end an answer: the model's own, the tokenizer's, and the template's end of a turn."""
    own = model.generation_config.eos_token_id if model.generation_config else None
    listed = own if isinstance(own, list) else [own]
    found = [*listed, tokenizer.eos_token_id, end_of_turn(tokenizer)]
    return sorted({token for token in found if isinstance(token, int)})


def render_prompt(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> str:
    """Return the text that the model reads: the chat template up to where the assistant speaks."""
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))  # type: ignore[arg-type]


def generate(spec: GenerateSpec, *, reporter: Reporter) -> GenerateResult:
    """Answer every case of a spec into `spec.output` and return the totals.

    Raises:
        ModelUnavailableError: the model or adapter is not there. RecordsError: the cases file cannot be used.
    """
    began = time.monotonic()
    job = _Job(spec)
    reporter.line(f"{len(job.cases)} cases, {len(job.records.kept)} answered already")
    started = time.monotonic()
    asked = job.answer_missing(reporter) if job.missing else 0
    seconds = time.monotonic() - started
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
        prompt_tokens=sum(record.usage.prompt_tokens for record in records),
        completion_tokens=sum(record.usage.completion_tokens for record in records),
        rows_per_second=round(asked / seconds, 2) if asked else 0.0,
        seconds=round(seconds, 3),
        total_seconds=round(time.monotonic() - began, 3),
        device=device_name(),
    )


class _Job:
    """The cases of a spec with their prompts and request hashes, and the records that are there already."""

    def __init__(self, spec: GenerateSpec) -> None:
        self._spec = spec
        self._tokenizer = load_tokenizer(spec.weights, padding_side="left")
        self.cases = read_rows(spec.cases_file, EvalCase)
        self.artefact = spec.artefact_hash or artefact_hash(spec)
        template = str(self._tokenizer.chat_template)
        self.prompt_hash = prompt_hash(spec.contract, spec.prompt_style, chat_template=template)
        self._prompts = {case.id: self._prompt(case) for case in self.cases}
        self._hashes = {case_id: self._request_hash(prompt) for case_id, prompt in self._prompts.items()}
        self.records = RecordFile(spec.output, self._hashes, candidate_id=spec.candidate_id, others=spec.reuse)
        self.missing = [case for case in self.cases if case.id not in self.records.kept]

    def answer_missing(self, reporter: Reporter) -> int:
        """Ask the model for every case without a record, longest prompts first, and return how many there were."""
        spec = self._spec
        loaded = load_adapted(spec.weights, spec.adapter)
        model = LocalModel(loaded, self._tokenizer, max_new_tokens=spec.max_new_tokens)
        # Longest first: memory runs out at the start or not at all, and the time left is never underestimated.
        todo = sorted(self.missing, key=lambda case: (-len(self._prompts[case.id]), case.id))
        began = time.monotonic()
        for start in range(0, len(todo), spec.batch_size):
            batch = todo[start : start + spec.batch_size]
            self._answer_batch(model, batch)
            done = start + len(batch)
            speed = done / (time.monotonic() - began)
            text = f"{done}/{len(todo)} answers, {speed:.1f} a second, {duration((len(todo) - done) / speed)} left"
            reporter.progress(text, last=done == len(todo))
        return len(todo)

    def _answer_batch(self, model: LocalModel, batch: list[EvalCase]) -> None:
        began = time.monotonic()
        answers = model.answer([self._prompts[case.id] for case in batch])
        share = (time.monotonic() - began) / len(batch)
        self.records.append([self._record(case, answer, share) for case, answer in zip(batch, answers, strict=True)])

    def _record(self, case: EvalCase, answer: Answer, latency_s: float) -> PredictionRecord:
        return PredictionRecord(
            case_id=case.id,
            conversation_id=case.conversation_id,
            candidate_id=self._spec.candidate_id,
            contract=self._spec.contract,
            request_hash=self._hashes[case.id],
            prompt_hash=self.prompt_hash,
            text=answer.text,
            parsed=parsed(case, self._spec.contract, answer.text),
            finish_reason="stop" if answer.stopped else "length",
            usage=Usage(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens),
            latency_s=round(latency_s, 6),
            latency_kind="batch_share",
            epoch=self._spec.epoch,
            served_model=self._spec.weights.source,
        )

    def _prompt(self, case: EvalCase) -> str:
        style = self._spec.prompt_style
        return render_prompt(
            self._tokenizer, render_messages(case.tools, case.history, contract=self._spec.contract, style=style)
        )

    def _request_hash(self, prompt: str) -> str:
        spec = self._spec
        return content_hash(prompt, self.artefact, spec.contract, spec.max_new_tokens, spec.epoch)


def artefact_hash(spec: GenerateSpec) -> str:
    """Name the exact weights that answer: the base's hash, and the adapter's where there is one."""
    base = provenance.weights_hash(spec.weights.source, spec.weights.revision)
    return content_hash(base, spec.weights.dtype, provenance.adapter_hash(spec.adapter) if spec.adapter else "")
