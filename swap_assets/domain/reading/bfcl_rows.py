"""Berkeley Function Calling Leaderboard rows, joined with their accepted answers.

    {"id": "simple_python_0", "question": [[{"role": "user", "content": "..."}]],
     "function": [{"name": "f", "parameters": {"type": "dict", ...}}],
     "ground_truth": [{"f": {"base": [10], "unit": ["units", ""]}}]}

The types are not JSON Schema's and are mapped. The gold call takes the first accepted value of each parameter and
leaves out a parameter for which "" (may be left out) comes first; so do the keys of objects, in lists too. No call is
right in the irrelevance category, whose rows have no `ground_truth`; any other row without one has no answer to score
against.
"""

from collections.abc import Mapping
from typing import Any

from swap_assets.domain.model import ToolCall, Turn
from swap_assets.domain.reading.row_reading import QuarantineReason, Reading, RowError, read_tools, unreadable_as

_TYPES = {
    "dict": "object", "HashMap": "object", "float": "number", "double": "number", "long": "integer", "tuple": "array",
    "ArrayList": "array", "Array": "array", "String": "string", "char": "string", "Boolean": "boolean",
}  # fmt: skip
NO_CALL_TEXT = "None of the functions fits this request."
_OMITTED = ""


def read(row: Mapping[str, Any]) -> Reading | None:
    """Read a BFCL row of one question, None for other shapes; a RowError has the reason why it can't be read."""
    if "question" not in row or "function" not in row:
        return None
    with unreadable_as(QuarantineReason.TOOLS_UNREADABLE):
        tools = read_tools(row["function"])
    system, turns = [], []
    for message in _messages(row["question"]):
        if message["role"] == "system":
            system.append(message["content"])
        elif message["role"] == "user":
            turns.append(Turn(role="user", text=message["content"]))
        else:
            raise RowError(QuarantineReason.UNKNOWN_ROLE, f"role {message['role']!r}")
    if "ground_truth" not in row and "irrelevance" not in str(row.get("id")):
        raise RowError(QuarantineReason.NO_ASSISTANT_TURN, "a BFCL row without its accepted answers (ground_truth)")
    calls = _gold(row.get("ground_truth") or [])
    answer = Turn(role="assistant", calls=calls, text="" if calls else NO_CALL_TEXT)
    tools = tuple(tool.model_copy(update={"parameters": json_schema(tool.parameters)}) for tool in tools)
    return Reading("\n".join(system), tools, (*turns, answer))


def _messages(question: Any) -> list[dict[str, str]]:
    if not isinstance(question, list) or len(question) != 1 or not isinstance(question[0], list):
        raise RowError(QuarantineReason.TURN_UNREADABLE, "question is not a list with one list of messages")
    for message in question[0]:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str) or "role" not in message:
            raise RowError(QuarantineReason.TURN_UNREADABLE, "a message without role and text")
    return question[0]


def _gold(truth: Any) -> tuple[ToolCall, ...]:
    calls = []
    for entry in truth if isinstance(truth, list) else [truth]:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise RowError(QuarantineReason.CALL_UNREADABLE, "a ground truth is not {name: {parameter: [values]}}")
        calls += [ToolCall(name=name, arguments=_first_values(accepted)) for name, accepted in entry.items()]
    return tuple(calls)


def _first_values(accepted: dict[str, Any]) -> dict[str, Any]:
    firsts = {name: values[0] for name, values in accepted.items() if isinstance(values, list) and values}
    return {name: _plain(first) for name, first in firsts.items() if first != _OMITTED}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(inner) if isinstance(inner, dict) else inner for inner in value]
    nested = isinstance(value, dict) and value and all(isinstance(inner, list) for inner in value.values())
    return _first_values(value) if nested else value


def json_schema(schema: Any) -> Any:
    """Return a schema with BFCL's type names mapped to JSON Schema's; `any` becomes no constraint at all."""
    if isinstance(schema, list):
        return [json_schema(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    mapped = {key: json_schema(value) for key, value in schema.items()}
    kind = schema.get("type")
    if kind == "any":
        mapped.pop("type")
    elif isinstance(kind, str):
        mapped["type"] = _TYPES.get(kind, kind)
    return mapped
