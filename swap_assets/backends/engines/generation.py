"""What every engine is, and its one job: each case answered once, recorded as answers come, resumed on demand.

An engine is one file of this folder: cases go in, answers come out as they end. One that answers for a small model is a
`local.LocalEngine`. Where records lie, lives in `records`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from swap_assets.backends.engines.records import RecordFile
from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.predictions import FinishReason, PredictionRecord, Usage
from swap_assets.domain.scoring.row_scoring import function_asked_for


class Answer(NamedTuple):
    """What was said to one case, and what only the engine knows of it; the fields are those of a `PredictionRecord`."""

    case_id: str
    text: str = ""
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    latency_s: float = 0.0
    first_token_s: float | None = None
    cost: float | None = None
    error: str = ""
    served_model: str = ""
    fingerprint: str = ""
    seed: int | None = None
    retries: int = 0


class Engine(ABC):
    """Answers cases.

    `prompt_hash` names the renderer of its prompts, `constants` are fields that all its records share, `began` is when
    the first question went out (monotonic, seconds): loading is no answering. `calls` are the requests to a service
    that is asked over a network, `retries` those of them that were made again, by reason.
    """

    name: ClassVar[str]
    prompt_hash: str = ""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.constants: dict[str, Any] = {}
        self.retries: Mapping[str, int] = {}
        self.calls = 0

    @abstractmethod
    def request_hashes(self, cases: Sequence[EvalCase]) -> dict[str, str]:
        """Name each case's request: equal hashes are answered alike. Called once, with all cases, before the rest."""

    @abstractmethod
    def answers(self, cases: Sequence[EvalCase]) -> Iterator[list[Answer]]:
        """Answer cases, some of those that `request_hashes` was given, and yield answers as they come, in any order."""

    def remembered(self, cases: Sequence[EvalCase]) -> list[Answer] | None:
        """Return the answers that the engine keeps itself; None where the file of records is all there is."""
        return None

    @abstractmethod
    def plan(self, missing: Sequence[EvalCase]) -> str:
        """Say in a line what asking the missing cases comes to."""

    def summary(self) -> list[str]:
        """Say afterwards how it went."""
        return []


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
            parsed=None if answer.error else job.answer_format.read(answer.text, function=function_asked_for(case)),
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


def _progress(done: int, wanted: int, seconds: float) -> str:
    speed = done / seconds if seconds else 0.0
    left = f", {duration((wanted - done) / speed)} left" if speed else ""
    return f"{done}/{wanted} answers, {speed:.1f} a second{left}"
