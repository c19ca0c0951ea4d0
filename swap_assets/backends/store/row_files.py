"""Conversations, cases, training examples and quarantined rows as Parquet files.

Tools, turns, arguments and labels are JSON text in their columns: Arrow fills the missing keys of ragged objects with
None and guesses types ("02139" would become a number), JSON text keeps them exactly. Equal rows give byte-identical
files, and a file appears under its name only when it is complete.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from swap_assets.domain.conversations import Conversation, EvalCase, Quarantined
from swap_assets.domain.tracks import TrainingExample

if TYPE_CHECKING:
    import pyarrow

Row = TypeVar("Row", bound=BaseModel)
_TEXT = "text"
_JSON = "json"
_WHOLE = "whole"
# How each column is written, by class.
_COLUMNS: dict[type[BaseModel], dict[str, str]] = {
    Conversation: {
        "id": _TEXT,
        "system": _TEXT,
        "tools": _JSON,
        "turns": _JSON,
        "provenance": _JSON,
        "repairs": _JSON,
        "category": _TEXT,
        "subcategory": _TEXT,
        "task": _TEXT,
    },
    EvalCase: {
        "id": _TEXT,
        "conversation_id": _TEXT,
        "turn": _WHOLE,
        "tools": _JSON,
        "history": _JSON,
        "gold_calls": _JSON,
        "gold_text": _TEXT,
        "ordered": _JSON,
        "labels": _JSON,
        "origin": _TEXT,
    },
    TrainingExample: {"id": _TEXT, "conversation_id": _TEXT, "tools": _JSON, "turns": _JSON, "answer_format": _TEXT},
    Quarantined: {
        "source": _TEXT,
        "config": _TEXT,
        "row": _WHOLE,
        "row_id": _TEXT,
        "reason": _TEXT,
        "detail": _TEXT,
        "raw": _TEXT,
    },
}


class StoreError(RuntimeError):
    """A stored file that can't be read; the message says which and what to do."""


def write_rows(path: Path, rows: Iterable[BaseModel], kind: type[BaseModel]) -> Path:
    """Write rows of one kind; an existing file is replaced in one step.

    Args:
        path: where to write.
        rows: `Conversation`, `EvalCase`, `TrainingExample` or `Quarantined`, all of `kind`.
        kind: which of them, so that no rows at all still make a readable file.

    Returns:
        The path.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _COLUMNS[kind]
    dumped = [row.model_dump(mode="json") for row in rows]
    table = pa.table(
        {name: [_encode(row[name], how) for row in dumped] for name, how in columns.items()}, schema=_schema(columns)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, unfinished, compression="zstd", store_schema=False)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read the rows that `write_rows` wrote, with their exact types.

    Raises:
        StoreError: the file is missing, is no Parquet file, or holds another kind of rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _COLUMNS[kind]
    try:
        rows = pq.read_table(path, columns=list(columns)).to_pylist()
    except FileNotFoundError:
        raise StoreError(f"{path} is not there; materialise the asset that writes it first") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(
            f"{path} can't be read as stored {kind.__name__} rows ({error}); delete it and materialise its asset again"
        ) from None
    return [kind.model_validate({name: _decode(row[name], how) for name, how in columns.items()}) for row in rows]


def write_conversations(path: Path, conversations: Sequence[Conversation]) -> Path:
    """Write conversations; see `write_rows`."""
    return write_rows(path, conversations, Conversation)


def read_conversations(path: Path) -> list[Conversation]:
    """Read conversations; see `read_rows`."""
    return read_rows(path, Conversation)


def _schema(columns: dict[str, str]) -> "pyarrow.Schema":
    import pyarrow as pa

    return pa.schema([(name, pa.int64() if how == _WHOLE else pa.string()) for name, how in columns.items()])


def _encode(value: Any, how: str) -> Any:
    # ASCII JSON, because a lone surrogate (half an emoji in a broken log) has no UTF-8 form.
    return json.dumps(value, separators=(",", ":")) if how == _JSON else value


def _decode(value: Any, how: str) -> Any:
    return json.loads(value) if how == _JSON else value
