"""The one job of every engine: each case of a list answered once, records written as answers come, resumed on demand.

Who answers lives in an engine's own file; where records lie, in `records`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from swap_assets.backends.engines import ENGINES
from swap_assets.backends.engines.base import Answer, Engine
from swap_assets.backends.engines.records import RecordFile, parsed, read_cases
from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.backends.processes.specs import GenerateResult, GenerateSpec
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.predictions import PredictionRecord


class Answered(NamedTuple):
    """What came of a job; `records` are in the order of the cases. `asked` cases had no answer before.

    `calls` are the requests that went out to a service, `retries` those of them that were made again, by reason.
    `seconds` are those of answering, from when the engine was ready.
    """

    records: tuple[PredictionRecord, ...]
    prompt_hash: str
    asked: int
    reused: int
    calls: int
    retries: dict[str, int]
    seconds: float

    @property
    def errors(self) -> int:
        """How many cases have no answer."""
        return sum(not record.obtained for record in self.records)


class Job(NamedTuple):
    """Whose answers are wanted, how they are written, and where their records go; `reuse` may hold some already."""

    candidate_id: str
    answer_format: AnswerFormat
    output: Path
    reuse: tuple[Path, ...] = ()
    epoch: str = "first"


def answer_cases(engine: Engine, cases: Sequence[EvalCase], job: Job, *, reporter: Reporter) -> Answered:
    """Have an engine answer every case that has no answer to exactly this request yet.

    Raises:
        Exception: what the engine raises; the records so far are on disk and are not asked for again.
    """
    hashes = engine.request_hashes(cases)
    by_id = {case.id: case for case in cases}

    def record(answer: Answer) -> PredictionRecord:
        case = by_id[answer.case_id]
        return PredictionRecord(
            **answer._asdict(),
            **engine.constants,
            engine=engine.name,
            conversation_id=case.conversation_id,
            candidate_id=job.candidate_id,
            answer_format=job.answer_format,
            request_hash=hashes[case.id],
            prompt_hash=engine.prompt_hash,
            parsed=None if answer.error else parsed(case, job.answer_format, answer.text),
            epoch=job.epoch,
        )

    remembered = engine.remembered(cases)
    file = RecordFile(job.output, hashes, candidate_id=job.candidate_id, others=job.reuse, anew=remembered is not None)
    file.append([record(answer) for answer in remembered or ()])
    missing = [case for case in cases if case.id not in file]
    reporter.line(f"{len(cases)} cases, {len(cases) - len(missing)} answered already")
    reporter.line(engine.plan(missing))
    done, seconds = 0, 0.0
    for answers in engine.answers(missing) if missing else ():
        file.append([record(answer) for answer in answers])
        done, seconds = done + len(answers), time.monotonic() - engine.began
        reporter.progress(_progress(done, len(missing), seconds), last=done == len(missing))
    records = tuple(file.finish())
    cut, lost = (sum(one.finish_reason == why for one in records) for why in ("length", "error"))
    reporter.line(
        f"{done} answers in {duration(seconds)}; of {len(records)} {cut} hit the token limit, {lost} could not be had"
    )
    for line in engine.summary() if missing else ():
        reporter.line(line)
    return Answered(
        records=records,
        prompt_hash=engine.prompt_hash,
        asked=len(missing),
        reused=len(cases) - len(missing),
        calls=engine.calls,
        retries=dict(engine.retries),
        seconds=round(seconds, 3),
    )


def generate(spec: GenerateSpec, *, reporter: Reporter) -> GenerateResult:
    """Answer every case of a spec into `spec.output` and return the totals.

    Raises:
        ModelUnavailableError: the model or adapter is not there. RecordsError: the files of cases cannot be used.
        AnswerLimitError: `max_new_tokens` would cut an expected answer. OutOfRoomError: no row fits into memory.
        ConstraintError: answers are to be constrained and cannot be. ServingError: the vLLM server cannot be had.
    """
    began = time.monotonic()
    engine = ENGINES[spec.engine.kind](spec, reporter.line)
    job = Job(spec.candidate_id, spec.answer_format, spec.output, spec.reuse, spec.epoch)
    done = answer_cases(engine, read_cases(spec.cases_files), job, reporter=reporter)
    speed = done.asked / done.seconds / spec.engine.paid_cards if done.seconds else 0.0
    return GenerateResult(
        **engine.figures(),
        engine=engine.name,
        output=spec.output,
        prompt_hash=done.prompt_hash,
        cases=len(done.records),
        asked=done.asked,
        reused=done.reused,
        cut_answers=sum(record.finish_reason == "length" for record in done.records),
        prompt_tokens=sum(record.usage.prompt_tokens for record in done.records),
        completion_tokens=sum(record.usage.completion_tokens for record in done.records),
        rows_per_second=round(speed, 2),
        seconds=done.seconds,
        total_seconds=round(time.monotonic() - began, 3),
    )


def _progress(done: int, wanted: int, seconds: float) -> str:
    speed = done / seconds if seconds else 0.0
    left = f", {duration((wanted - done) / speed)} left" if speed else ""
    return f"{done}/{wanted} answers, {speed:.1f} a second{left}"
