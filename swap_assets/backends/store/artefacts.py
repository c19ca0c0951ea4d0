"""The experiment's folder on disk: what each asset produced, where models and reports lie.

    STORAGE/assets/ASSET/PARTITION.json (or .parquet)    one value for each asset and partition
    STORAGE/assets/ASSET/PARTITION.record.json           its data version, its file's SHA-256, what an evaluation says
    STORAGE/failures/ASSET/PARTITION.json                why the last attempt failed, removed when one succeeds
    STORAGE/work/...                                     specs, predictions, adapters, merged models, reports

Everything is written to a temporary name and renamed, so that a reader never sees half a file. A record speaks for the
very file that it names: where there is none (in folders of older versions), or another, the value itself is read.

Rows lie in Parquet, equal ones in byte-identical files. Tools, turns, arguments and labels are JSON text in their
columns: Arrow fills the missing keys of ragged objects with None and guesses types ("02139" would become a number).
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from swap_assets.backends.store.experiment_file import command_for
from swap_assets.backends.store.whole import (
    BLANK_SEAL,
    DamagedError,
    UnreadableError,
    parquet_is_whole,
    parse_json,
    private_folder,
    read_json,
    seal_parquet,
    sha256,
    write_bytes,
    write_json,
)
from swap_assets.domain.keys import file_name
from swap_assets.domain.model import Conversation, EvalCase, Frozen, Origin, Quarantined
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.state import EvaluationRecord

Value = TypeVar("Value")
Known = TypeVar("Known", bound=Frozen)
_Version = tuple[int, int, int]
_ROW_TYPES = (Conversation, EvalCase, Quarantined)
Row = TypeVar("Row", bound=BaseModel)
_JSON = "json"


class ArtefactMissingError(FileNotFoundError):
    """An asset's value is not there yet; the message says what to materialise."""


class ValueRecord(Frozen):
    """What is kept beside a value: its data version (as Dagster has it where content makes one), its file's SHA-256."""

    version: str
    sha256: str
    evaluation: EvaluationRecord | None = None

    @classmethod
    def of(cls, value: Any, sha256: str) -> "ValueRecord":
        """Describe a value that was written."""
        if isinstance(value, Evaluation):
            known = EvaluationRecord.of(value)
            return cls(version=known.evidence_hash, sha256=sha256, evaluation=known)
        content = getattr(value, "content", None)
        return cls(version=str(content()) if callable(content) else sha256, sha256=sha256)


class _Failure(Frozen):
    message: str


class ArtefactStore:
    """Reads and writes the values of assets by name and partition key (None: unpartitioned)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, asset: str, partition: str | None, kind: Any) -> Path:
        """Return where a value lies; `kind` is its Python type."""
        suffix = ".parquet" if _row_type(kind) else ".json"
        return self.root / "assets" / asset / f"{file_name(partition)}{suffix}"

    def write(self, asset: str, partition: str | None, value: Any, *, kind: Any) -> Path:
        """Write a value of type `kind` (a pydantic model, or a list of rows) and return its path."""
        path = self.path(asset, partition, kind)
        if row_type := _row_type(kind):
            write_rows(path, value, row_type)
        else:
            write_json(path, value)
        write_json(record_path(path), ValueRecord.of(value, sha256(path)))
        self._failure_path(asset, partition).unlink(missing_ok=True)
        return path

    def stored(self, asset: str, partition: str | None, kind: Any) -> Path:
        """Return where a value lies that has been written; ArtefactMissingError where it has not."""
        path = self.path(asset, partition, kind)
        if not path.exists():
            raise ArtefactMissingError(f"{asset} has no value yet; materialise it first: {command_for(path)}")
        return path

    def read(self, asset: str, partition: str | None, kind: type[Value]) -> Value:
        """Read a value back as `kind`.

        ArtefactMissingError where it has not been materialised; DamagedError where the file does not hold what was
        written, UnreadableError where another version wrote it.
        """
        path = self.stored(asset, partition, kind)
        if row_type := _row_type(kind):
            return cast(Value, read_rows(path, row_type))
        assert issubclass(kind, BaseModel)
        return read_json(path, kind.model_validate_json, again=_again(path))

    def find(self, asset: str, partition: str | None, kind: type[Value]) -> Value | None:
        """Read a value back, None where it has not been materialised."""
        return self.read(asset, partition, kind) if self.path(asset, partition, kind).exists() else None

    def known(self, asset: str, kind: type[Known], partitions: Iterable[str]) -> dict[str, Known]:
        """Return the small values of an asset that are there; the same file is parsed once in a process."""
        return {key: parsed(path, version, kind) for key, path, version in self._there("assets", asset, partitions)}

    def evaluation_records(self, asset: str, partitions: Iterable[str]) -> dict[str, EvaluationRecord]:
        """Return the records of the evaluations that are there; where none speaks for a file, that is parsed once."""
        return {key: evaluation_record_of(path, of) for key, path, of in self._there("assets", asset, partitions)}

    def failures(self, asset: str, partitions: Iterable[str]) -> dict[str, str]:
        """Return why the last attempts failed, where they did."""
        return {key: self.failure(asset, key) for key, _, _ in self._there("failures", asset, partitions)}

    def _there(self, kind: str, asset: str, partitions: Iterable[str]) -> Iterator[tuple[str, str, _Version]]:
        """Yield partition, path and version of each JSON file that an asset has: each write makes a file of its own."""
        try:
            with os.scandir(self.root / kind / asset) as entries:
                files = {entry.name: entry for entry in entries}
        except FileNotFoundError:
            return
        for partition in partitions:
            if entry := files.get(f"{file_name(partition)}.json"):
                status = entry.stat()
                yield partition, entry.path, (status.st_ino, status.st_mtime_ns, status.st_size)

    def record_failure(self, asset: str, partition: str | None, message: str) -> None:
        """Keep why an attempt failed, for the report; a later success removes it."""
        write_json(self._failure_path(asset, partition), _Failure(message=message))

    def failure(self, asset: str, partition: str | None) -> str:
        """Return why the last attempt failed, an empty text where none did."""
        path = self._failure_path(asset, partition)
        if not path.exists():
            return ""
        try:
            return read_json(path, _Failure.model_validate_json, again=_again(path)).message
        except UnreadableError as error:
            return str(error)

    def work(self, *parts: str) -> Path:
        """Return (and make) a working folder, for example `work("adapters", candidate_id)`."""
        return private_folder(self.root.joinpath("work", *map(file_name, parts)))

    def _failure_path(self, asset: str, partition: str | None) -> Path:
        return self.root / "failures" / asset / f"{file_name(partition)}.json"


def record_path(path: Path) -> Path:
    """Return where the record of a value's file lies."""
    return path.with_name(f"{path.stem}.record.json")


@lru_cache(maxsize=4096)
def parsed(path: str, _version: _Version, kind: type[Known]) -> Known:
    """Return a file's value; `_version` tells files of one path apart."""
    return read_json(Path(path), kind.model_validate_json, again=_again(Path(path)))


@lru_cache(maxsize=4096)
def evaluation_record_of(path: str, _version: _Version) -> EvaluationRecord:
    """Return the record beside an evaluation's file, or that of the evaluation where none speaks for this very file."""
    where = Path(path)
    raw, beside = where.read_bytes(), record_path(where)
    with contextlib.suppress(UnreadableError, FileNotFoundError):
        record = read_json(beside, ValueRecord.model_validate_json, again=_again(where))
        if record.evaluation and record.sha256 == hashlib.sha256(raw).hexdigest():
            return record.evaluation
    return EvaluationRecord.of(parse_json(raw, where, Evaluation.model_validate_json, again=_again(where)))


def _again(path: Path) -> str:
    return f"make it again: {command_for(path)}"


def _row_type(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is list and get_args(kind)[0] in _ROW_TYPES else None


def write_rows(path: Path, rows: Iterable[BaseModel], kind: type[BaseModel]) -> Path:
    """Write rows, all of one kind, and return the path; an existing file is replaced in one step.

    The kind is `Conversation`, `EvalCase` or `Quarantined`; it is named so that no rows make a readable file too.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _columns(kind)
    dumped = [row.model_dump(mode="json") for row in rows]  # without what is left out where it is empty
    values = {name: [_encode(row.get(name, ""), how) for row in dumped] for name, how in columns.items()}
    fields = [(name, pa.int64() if how == "int64" else pa.string()) for name, how in columns.items()]
    buffer, table = pa.BufferOutputStream(), pa.table(values, schema=pa.schema(fields))
    with pq.ParquetWriter(buffer, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(BLANK_SEAL)
    return write_bytes(path, seal_parquet(buffer.getvalue().to_pybytes()))


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read what `write_rows` wrote, with exact types.

    ArtefactMissingError where the file is missing, DamagedError where it does not hold what was written, and
    UnreadableError where it holds other things.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        raw = path.read_bytes()
        # Before there were seals, files had no metadata at all.
        whole = parquet_is_whole(raw)
        if whole is False or (whole is None and pq.read_metadata(pa.BufferReader(raw)).metadata):
            raise DamagedError(f"{path} is damaged: it does not hold the rows that were written there; {_again(path)}")
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        table = pq.read_table(pa.BufferReader(raw))  # a field that came later has its default
        table.select(needed)
        columns = {name: how for name, how in _columns(kind).items() if name in table.column_names}
        return [
            kind.model_validate({name: _decode(row[name], how) for name, how in columns.items()})
            for row in table.to_pylist()
        ]
    except FileNotFoundError:
        raise ArtefactMissingError(f"{path} is not there; make it first: {command_for(path)}") from None
    except (pa.ArrowException, OSError, KeyError, TypeError, ValidationError, json.JSONDecodeError) as error:
        why = str(error).strip().splitlines()[0]
        told = f"{path} can't be read as stored {kind.__name__} rows ({why}); {_again(path)}"
        raise UnreadableError(told) from None


def _columns(kind: type[BaseModel]) -> dict[str, str]:
    """Return how each field is written: texts and whole numbers as they are, everything else as JSON text."""
    plain = {str: "string", Origin: "string", int: "int64"}
    return {name: plain.get(field.annotation, _JSON) for name, field in kind.model_fields.items()}


def _encode(value: Any, how: str) -> Any:
    # ASCII JSON, because a lone surrogate (half an emoji in a broken log) has no UTF-8 form.
    return json.dumps(value, separators=(",", ":")) if how == _JSON else value


def _decode(value: Any, how: str) -> Any:
    return json.loads(value) if how == _JSON else value
