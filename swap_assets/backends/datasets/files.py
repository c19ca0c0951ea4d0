"""Rows out of local files: JSON, JSON Lines and Parquet, gzipped or not, in UTF-8 or UTF-16, told by their content.

JSON is read here and not by `datasets`, which re-parses strings inside mixed columns ("02139" becomes 2139).
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_LISTS = ("data", "rows", "train", "conversations")  # keys under which a JSON file may hold its list of rows
_BATCH = 1000  # Parquet rows in memory at a time


class SourceError(RuntimeError):
    """A source that can't be used; the message is one sentence that says what to do."""


class BadLine(NamedTuple):
    """A line that is no JSON: what the reader said, and the beginning of the line."""

    problem: str
    text: str


def read_file(path: Path) -> Iterator[Any]:
    """Yield a file's rows in order, a `BadLine` where a line is no JSON; SourceError where it can't be used."""
    try:
        with path.open("rb") as plain:
            head = plain.read(4)
    except FileNotFoundError:
        raise SourceError(f"there is no file {path}; correct its path or put the file there") from None
    except IsADirectoryError:
        raise SourceError(f"{path} is a folder; name its files, for example {path}/*.jsonl") from None
    except OSError as error:
        raise SourceError(f"{path} can't be opened ({error.strerror}); check its permissions") from None
    if not head:
        raise SourceError(f"{path} is empty; give a file with at least one row")
    if head == _PARQUET:
        yield from _read_parquet(path)
        return
    try:
        with gzip.open(path) if head.startswith(_GZIP) else path.open("rb") as stream:
            yield from _read_json(stream, path)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{path} is a damaged gzip file ({error}); fetch it again") from None


def _read_parquet(path: Path) -> Iterator[Any]:
    """Read Parquet rows; where objects are nested columns, the None that Arrow filled in for missing keys is left out.

    An explicit None in such a column can't be told from a filled one; who needs it keeps the column as JSON text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH):
            yield from (_without_none(row) for row in batch.to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is a damaged Parquet file ({error}); fetch it again") from None


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


def _read_json(stream: BinaryIO | gzip.GzipFile | io.BytesIO, path: Path) -> Iterator[Any]:
    """Read JSON Lines line by line; anything that begins otherwise as one JSON value."""
    first = stream.readline().removeprefix(b"\xef\xbb\xbf")
    if first.startswith(_UTF_16):
        try:
            stream = io.BytesIO((first + stream.read()).decode("utf-16").encode())
        except UnicodeError as error:
            raise SourceError(f"{path} is damaged UTF-16 ({error}); save it as UTF-8") from None
        first = stream.readline()
    if _is_whole_row(first):
        yield json.loads(first)
        yield from _read_lines(stream)
        return
    text = first + stream.read()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = text.split(b"\n")
        if not any(_is_whole_row(line) for line in lines):
            raise SourceError(
                f"{path} is neither JSON, JSON Lines nor Parquet ({error}); convert it to one of them"
            ) from None
        yield from (_read_line(line) for line in lines if line.strip())
        return
    yield from _rows_of(value)


def _is_whole_row(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _read_lines(stream: BinaryIO | gzip.GzipFile | io.BytesIO) -> Iterator[Any]:
    for line in stream:
        if line.strip():
            yield _read_line(line)


def _read_line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadLine(str(error), line[:500].decode("utf-8", "replace"))


def _rows_of(value: Any) -> list[Any]:
    """Return the rows of a JSON file: a list, a list under a usual key, or the one row itself."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        for key in _LISTS:
            inner = value.get(key)
            if isinstance(inner, list) and inner and isinstance(inner[0], dict) and "from" not in inner[0]:
                return inner
    return [value]
