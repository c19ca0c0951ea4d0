"""Rows of xLAM-60k: one request, and the calls that answer it.

    {"query": "...", "tools": "[{\\"name\\": \\"f\\", \\"parameters\\": {\\"a\\": {\\"type\\": \\"str, optional\\"}}}]",
     "answers": "[{\\"name\\": \\"f\\", \\"arguments\\": {\\"a\\": \\"x\\"}}]"}

The parameters are a table of Python's type names, not JSON Schema, and are mapped.
"""

from collections.abc import Mapping
from typing import Any

from swap_assets.domain.model import Turn
from swap_assets.domain.reading.row_reading import (
    QuarantineReason,
    Reading,
    RowError,
    read_call,
    read_tools,
    read_value,
    unreadable_as,
)

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object",
          "tuple": "array", "set": "array"}  # fmt: skip


def read(row: Mapping[str, Any]) -> Reading | None:
    """Read an xLAM row, None for other shapes; a RowError has the reason why it can't be read."""
    if not {"query", "tools", "answers"} <= row.keys():
        return None
    with unreadable_as(QuarantineReason.TOOLS_UNREADABLE):
        written = read_value(row["tools"], [])
        tools = read_tools([_tool(each) for each in written] if isinstance(written, list) else written)
    with unreadable_as(QuarantineReason.CALL_UNREADABLE):
        answers = read_value(row["answers"], [])
        calls = tuple(read_call(each, tools, []) for each in answers or ())
    if not isinstance(row["query"], str):
        raise RowError(QuarantineReason.TURN_UNREADABLE, "query is not a text")
    return Reading("", tools, (Turn(role="user", text=row["query"]), Turn(role="assistant", calls=calls)))


def _tool(tool: Any) -> Any:
    table = tool.get("parameters") if isinstance(tool, dict) else None
    if (
        not isinstance(table, dict)
        or not all(isinstance(each, dict) for each in table.values())
        or "properties" in table
    ):
        return tool
    needed = [name for name, each in table.items() if "optional" not in str(each.get("type")) and "default" not in each]
    properties = {name: _property(each) for name, each in table.items()}
    return tool | {"parameters": {"type": "object", "properties": properties, "required": needed}}


def _property(declared: dict[str, Any]) -> dict[str, Any]:
    name = str(declared.get("type", "")).split(",")[0].split("[")[0].strip().lower()
    kind = _TYPES.get(name, name if name in _TYPES.values() else "")
    rest = {key: value for key, value in declared.items() if key != "type"}
    return {"type": kind, **rest} if kind else rest
