"""What every engine is, and its one job: each case answered once, recorded as answers come, resumed on demand.

An engine is one file of this folder: cases go in, answers come out as they end. One that answers for a small model is a
`local.LocalEngine`. Cases and records lie as JSONL: while a run is under way in the order in which answers arrived; at
the end the file is written once more in the order of the cases, so that the same answers give the same file.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from pydantic import ValidationError

from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.backends.store.artefacts import ArtefactMissingError
from swap_assets.backends.store.artefacts import read_rows as read_split
from swap_assets.backends.store.whole import UnreadableError, seal, unsealed, write_bytes
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.model import EvalCase, Frozen
from swap_assets.domain.predictions import Answer, PredictionRecord
from swap_assets.domain.scoring.evaluation import union_of_cases
from swap_assets.domain.scoring.row_scoring import function_asked_for

Row = TypeVar("Row", bound=Frozen)


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
    hashes, by_id = engine.request_hashes(cases), {case.id: case for case in cases}
    remembered = engine.remembered(cases)
    file = RecordFile(job.output, hashes, candidate_id=job.candidate_id, others=job.reuse, anew=remembered is not None)

    def keep(answers: Sequence[Answer]) -> None:
        file.append([_record(answer, by_id[answer.case_id], engine, job, hashes[answer.case_id]) for answer in answers])

    keep(remembered or ())
    missing = [case for case in cases if case.id not in file]
    if file.unread:
        reporter.line(f"{file.unread} records are damaged or of another version, in {job.output}: they are made again")
    reporter.line(f"{len(cases)} cases, {len(cases) - len(missing)} answered already")
    reporter.line(engine.plan(missing))
    done, seconds = 0, 0.0
    for answers in engine.answers(missing) if missing else ():
        keep(answers)
        done, seconds = done + len(answers), time.monotonic() - engine.began
        speed = done / seconds if seconds else 0.0
        left = f", {duration((len(missing) - done) / speed)} left" if speed else ""
        told = f"{done}/{len(missing)} answers, {speed:.1f} a second{left}"
        reporter.progress(told, last=done == len(missing))
    records = tuple(file.finish())
    ended = Counter(one.finish_reason for one in records)
    reporter.line(
        f"{done} answers in {duration(seconds)}; of {len(records)} {ended['length']} hit the token limit, "
        f"{ended['repetition']} repeated themselves, {ended['second_turn']} began another turn, {ended['error']} could "
        "not be had"
    )
    for line in engine.summary() if missing else ():
        reporter.line(line)
    return Answered(
        records=records, prompt_hash=engine.prompt_hash, asked=len(missing), reused=len(cases) - len(missing),
        calls=engine.calls, retries=dict(engine.retries), seconds=round(seconds, 3),
    )  # fmt: skip


def _record(answer: Answer, case: EvalCase, engine: Engine, job: Job, request_hash: str) -> PredictionRecord:
    return PredictionRecord(
        **dict(answer), **engine.constants, engine=engine.name, conversation_id=case.conversation_id,
        candidate_id=job.candidate_id, answer_format=job.answer_format, request_hash=request_hash,
        prompt_hash=engine.prompt_hash,
        parsed=None if answer.error else job.answer_format.read(answer.text, function=function_asked_for(case)),
        epoch=job.epoch,
    )  # fmt: skip


class RecordsError(ValueError):
    """A file of rows cannot be used; the message is one sentence that names the file and the line."""


def write_rows(path: Path, rows: Iterable[Frozen]) -> Path:
    """Write one value a line, whole or not at all, making the folder where it is missing."""
    return write_bytes(path, b"".join(map(_line, rows)))


def _line(row: Frozen) -> bytes:
    return seal(row.model_dump_json()).encode() + b"\n"


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read one value a line; RecordsError where the file is missing, empty, or a line is not a `kind`."""
    try:
        # Not splitlines(): it also breaks at U+2028, which JSON strings may hold.
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RecordsError(f"{path} cannot be read ({error.strerror}); materialise what writes it first") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if (whole := unsealed(line)) is None:
            told = "is damaged: it does not hold what was written there"
            raise RecordsError(f"{path}, line {number} {told}; take the line out and materialise what wrote it again")
        try:
            rows.append(kind.model_validate_json(whole))
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise RecordsError(f"{path}, line {number} is no {kind.__name__}: {why}") from None
    if not rows:
        raise RecordsError(f"{path} is empty: at least one {kind.__name__} is needed")
    return rows


def read_cases(paths: Sequence[Path]) -> list[EvalCase]:
    """Read cases from stored splits (Parquet) or JSONL, once, with all labels; RecordsError where there is none."""
    try:
        splits = [(read_rows if path.suffix == ".jsonl" else read_split)(path, EvalCase) for path in paths]
    except (UnreadableError, ArtefactMissingError) as error:
        raise RecordsError(str(error)) from None
    if not any(splits):
        raise RecordsError(f"{', '.join(map(str, paths))} hold no case: at least one is needed")
    return union_of_cases(*splits)


class RecordFile:
    """The prediction records of one candidate in one file.

    `wanted` maps each case's id to the hash of the request that is about to be made. It holds the answers that are
    there already for exactly these requests, in this file or in `others`: the untouched base says the same at every
    scale. A record without an answer (`error`) is asked for again; with `anew` all are.
    """

    def __init__(
        self, path: Path, wanted: dict[str, str], *, candidate_id: str, others: Sequence[Path] = (), anew: bool = False
    ) -> None:
        self.path, self.unread = path, 0
        self._order = list(wanted)
        self._written = {
            record.case_id: record.model_copy(update={"candidate_id": candidate_id})
            for source in (() if anew else (*others, path))
            for record in self._readable(source)
            if record.obtained and wanted.get(record.case_id) == record.request_hash
        }
        # What is half written or out of date goes now, so that new lines never continue a torn one.
        write_rows(path, self._written.values())

    def __contains__(self, case_id: str) -> bool:
        return case_id in self._written

    def append(self, records: Sequence[PredictionRecord]) -> None:
        """Add records durably: what was returned from here survives a crash."""
        with self.path.open("ab") as stream:
            stream.writelines(map(_line, records))
            stream.flush()
            os.fsync(stream.fileno())
        self._written |= {record.case_id: record for record in records}

    def finish(self) -> list[PredictionRecord]:
        """Write the file in the order of the cases and return its records."""
        records = [self._written[case_id] for case_id in self._order if case_id in self._written]
        write_rows(self.path, records)
        return records

    def _readable(self, path: Path) -> Iterable[PredictionRecord]:
        for line in path.read_bytes().split(b"\n") if path.is_file() else ():
            try:
                yield PredictionRecord.model_validate_json(unsealed(line) or b"")
            except ValidationError:
                self.unread += bool(line)  # damaged, torn off by a crash, or of an older version
