"""Files of cases, examples and prediction records: JSONL, appended to as answers arrive, resumed after a crash.

While a run is under way records lie in the order in which they arrived; at the end the file is written once more in
the order of the cases, so that the same answers give the same file.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from swap_assets.backends.store.row_files import StoreError
from swap_assets.backends.store.row_files import read_rows as read_split
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.model import Frozen
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.scoring.evaluation import union_of_cases

Row = TypeVar("Row", bound=Frozen)


class RecordsError(ValueError):
    """A file of rows cannot be used; the message is one sentence that names the file and the line."""


def write_rows(path: Path, rows: Iterable[Frozen]) -> Path:
    """Write one value a line, whole or not at all, making the folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as stream:
        stream.writelines(row.model_dump_json() + "\n" for row in rows)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(path)
    return path


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read one value a line.

    Raises:
        RecordsError: the file is missing, empty, or a line is not a `kind`.
    """
    try:
        # Not splitlines(): it also breaks at U+2028, which JSON strings may hold.
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise RecordsError(f"{path} cannot be read ({error.strerror}); materialise what writes it first") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise RecordsError(f"{path}, line {number} is no {kind.__name__}: {why}") from None
    if not rows:
        raise RecordsError(f"{path} is empty: at least one {kind.__name__} is needed")
    return rows


def read_cases(paths: Sequence[Path]) -> list[EvalCase]:
    """Read cases from stored test splits (Parquet), or from JSONL that a person wrote; each case once, with all labels.

    Raises:
        RecordsError: a file is missing or holds something else, or there is no case in any of them.
    """
    try:
        splits = [
            read_rows(path, EvalCase) if path.suffix == ".jsonl" else read_split(path, EvalCase) for path in paths
        ]
    except StoreError as error:
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
        self.path = path
        self._order = list(wanted)
        self._written = {
            record.case_id: record.model_copy(update={"candidate_id": candidate_id})
            for source in (() if anew else (*others, path))
            for record in _readable(source)
            if record.obtained and wanted.get(record.case_id) == record.request_hash
        }
        # What is half written or out of date goes now, so that new lines never continue a torn one.
        write_rows(path, self._written.values())

    def __contains__(self, case_id: str) -> bool:
        return case_id in self._written

    def append(self, records: Sequence[PredictionRecord]) -> None:
        """Add records durably: what was returned from here survives a crash."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.writelines(record.model_dump_json() + "\n" for record in records)
            stream.flush()
            os.fsync(stream.fileno())
        self._written |= {record.case_id: record for record in records}

    def finish(self) -> list[PredictionRecord]:
        """Write the file in the order of the cases and return its records."""
        records = [self._written[case_id] for case_id in self._order if case_id in self._written]
        write_rows(self.path, records)
        return records


def _readable(path: Path) -> Iterable[PredictionRecord]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            yield PredictionRecord.model_validate_json(line)
        except ValidationError:
            continue  # a crash tore the line off, or an older version wrote it: it is asked for again
