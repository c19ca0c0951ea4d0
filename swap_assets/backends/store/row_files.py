"""Conversations, cases and quarantined rows as Parquet files.

Tools, turns, arguments and labels are JSON text in their columns: Arrow fills the missing keys of ragged objects with
None and guesses types ("02139" would become a number), JSON text keeps them exactly. Equal rows give byte-identical
files, and a file appears under its name only when it is complete.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from swap_assets.backends.store.experiment_file import command_for
from swap_assets.domain.model import Origin

Row = TypeVar("Row", bound=BaseModel)
_JSON = "json"


class StoreError(RuntimeError):
    """A stored file that can't be read; the message says which and what to do."""


def write_rows(path: Path, rows: Iterable[BaseModel], kind: type[BaseModel]) -> Path:
    """Write rows, all of one kind, and return the path; an existing file is replaced in one step.

    The kind is `Conversation`, `EvalCase` or `Quarantined`; it is named so that no rows make a readable file too.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _columns(kind)
    dumped = [row.model_dump(mode="json") for row in rows]
    values = {name: [_encode(row[name], how) for row in dumped] for name, how in columns.items()}
    schema = pa.schema([(name, pa.int64() if how == "int64" else pa.string()) for name, how in columns.items()])
    table = pa.table(values, schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, unfinished, compression="zstd", store_schema=False)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read what `write_rows` wrote, with exact types; StoreError where the file is missing or holds other things."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _columns(kind)
    try:
        rows = pq.read_table(path, columns=list(columns)).to_pylist()
    except FileNotFoundError:
        raise StoreError(f"{path} is not there; make it first: {command_for(path)}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(
            f"{path} can't be read as stored {kind.__name__} rows ({error}); make it again: {command_for(path)}"
        ) from None
    return [kind.model_validate({name: _decode(row[name], how) for name, how in columns.items()}) for row in rows]


def _columns(kind: type[BaseModel]) -> dict[str, str]:
    """Return how each field is written: texts and whole numbers as they are, everything else as JSON text."""
    plain = {str: "string", Origin: "string", int: "int64"}
    return {name: plain.get(field.annotation, _JSON) for name, field in kind.model_fields.items()}


def _encode(value: Any, how: str) -> Any:
    # ASCII JSON, because a lone surrogate (half an emoji in a broken log) has no UTF-8 form.
    return json.dumps(value, separators=(",", ":")) if how == _JSON else value


def _decode(value: Any, how: str) -> Any:
    return json.loads(value) if how == _JSON else value
