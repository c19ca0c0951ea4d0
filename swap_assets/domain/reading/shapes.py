"""The readers of rows, and one law over all: a key that can hold what was said or offered is read, or named.

A reader says which top-level keys it understands; what these keys hold is the readers' own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from swap_assets.domain.reading import bfcl_rows, hermes_rows, services, xlam_rows
from swap_assets.domain.reading.row_reading import QuarantineReason, Reading, RowError

_Read = Callable[[Mapping[str, Any]], Reading | None]
_ROWS: tuple[tuple[_Read, frozenset[str]], ...] = (
    (hermes_rows.read, frozenset({"conversations", "tools", "system", "schema"})),
    (xlam_rows.read, frozenset({"query", "tools", "answers"})),
    (bfcl_rows.read, frozenset({"question", "function", "ground_truth"})),
)
_TEXTS = frozenset({
    "system", "system_prompt", "system_message", "instructions", "developer", "prompt", "answer", "answers", "response",
    "completion", "output", "outputs", "reply", "messages", "conversations", "history", "tools", "functions",
    "tool_calls", "function_call", "choices", "tools_json", "functions_json", "input", "inputs",
})  # fmt: skip
_INSIDE = frozenset({
    "messages", "tools", "functions", "tool_calls", "function_call", "input_schema", "choices", "conversations",
})  # fmt: skip
_DEEPEST = 4  # levels of a value that are looked through


def read_row(row: Mapping[str, Any]) -> Reading:
    """Read a row by the reader that knows its shape; a RowError where none does, or a key is left unread."""
    for read, keys in _ROWS:
        if reading := read(row):
            return _whole(row, reading, keys)
    if found := services.read(row):
        return _whole(row, *found)
    raise RowError(QuarantineReason.UNKNOWN_SHAPE, f"columns: {', '.join(sorted(map(str, row))) or 'none'}")


def _whole(row: Mapping[str, Any], reading: Reading, keys: frozenset[str]) -> Reading:
    for key, value in row.items():
        if key not in keys and value and (what := _what_lies(str(key), value)):
            raise RowError(QuarantineReason.UNREAD_KEY, f"{what} in `{key}`, which no reader takes")
    return reading


def _what_lies(key: str, value: Any) -> str:
    if key in _TEXTS and isinstance(value, str | list | Mapping):
        return f"{key} may lie"
    name = _held(value, _DEEPEST)
    return f"{name} lie" if name else ""


def _held(value: Any, levels: int) -> str:
    """Return what a value holds of messages, tools or calls, "" for nothing; nulls and empty values hold nothing."""
    if isinstance(value, str):
        return next((name for name in _INSIDE if f'"{name}":' in value), "") if value[:1] in ("{", "[") else ""
    if levels == 0:
        return ""
    if isinstance(value, list):
        if value and isinstance(value[0], Mapping) and value[0].keys() >= {"role", "content"}:
            return "messages"
        return next(filter(None, (_held(each, levels - 1) for each in value[:3])), "")
    if isinstance(value, Mapping):
        if name := next((key for key, inner in value.items() if key in _INSIDE and inner), ""):
            return name
        return next(filter(None, (_held(inner, levels - 1) for inner in value.values())), "")
    return ""
