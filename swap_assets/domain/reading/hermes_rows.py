"""Hermes function-calling rows (both revisions, five configs) and glaive's `function_call`/`observation` rows.

    {"conversations": [{"from": "system", "value": "... <tools>\\n[...]\\n</tools> ..."},
                       {"from": "human", "value": "..."},
                       {"from": "gpt", "value": "<tool_call>\\n{...}\\n</tool_call>"}], "tools": "[...]"}

The older revision has no `tools` column and writes Python literals. The two json_mode configs have a `schema` and
answer with an object: read as one call of a function named after the schema, so that they are scored like the others.
"""

from collections.abc import Mapping
from typing import Any

from swap_assets.domain.conversations import ToolCall, ToolSpec, Turn
from swap_assets.domain.reading.hermes_markup import read_tool_block, tagged_bodies, tool_block
from swap_assets.domain.reading.plain_values import read_calls, read_response, read_tools, read_value
from swap_assets.domain.reading.row_reading import (
    QuarantineReason,
    Reading,
    Repair,
    RowError,
    UnreadableError,
    joined,
    unreadable_as,
)

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "function_call": "assistant"}
_TOOL_ROLES = {"tool", "observation", "function_response"}
_NO_TOOLS = ("", "[]", "null", "None")
_SCHEMA_FUNCTION = "answer"  # json_mode schemas without a title


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether the row has Hermes' `conversations` column."""
    return "conversations" in row


def read(row: Mapping[str, Any]) -> Reading:
    """Read a Hermes or glaive row.

    Raises:
        RowError: with the reason why the row can't be read.
    """
    messages = _messages(row.get("conversations"))
    system = "\n".join(text for role, text in messages if role == "system")
    schema = _schema_tool(row, system)
    if schema is not None:
        turns, repairs = _schema_turns(messages, schema), ()
        return Reading("", (schema,), turns, repairs)
    tools, tool_repairs = _tools(row, system)
    turns, turn_repairs = _turns(messages, tools)
    kept_system = "" if tool_block(system) else system
    return Reading(kept_system, tools, turns, (*tool_repairs, *turn_repairs))


def _messages(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        with unreadable_as(QuarantineReason.TURN_UNREADABLE):
            value, _ = read_value(value)
    if not isinstance(value, list | tuple):
        raise RowError(QuarantineReason.TURN_UNREADABLE, f"conversations is a {type(value).__name__}, not a list")
    return [_message(entry) for entry in value]


def _message(entry: Any) -> tuple[str, str]:
    role, text = (entry.get("from"), entry.get("value")) if isinstance(entry, Mapping) else (None, None)
    if not isinstance(text, str):
        raise RowError(QuarantineReason.TURN_UNREADABLE, "a turn is not {from, value} with a text")
    if role != "system" and role not in _ROLES and role not in _TOOL_ROLES:
        raise RowError(QuarantineReason.UNKNOWN_ROLE, f"role {role!r}")
    return str(role), text


def _tools(row: Mapping[str, Any], system: str) -> tuple[tuple[ToolSpec, ...], tuple[Repair, ...]]:
    """Read the tools from their column or, where it is missing or empty, from the system text."""
    column = row.get("tools")
    block = tool_block(system)
    with unreadable_as(QuarantineReason.TOOLS_UNREADABLE):
        if isinstance(column, str) and column.strip() not in _NO_TOOLS:
            column, _ = read_value(column)
        if column and not isinstance(column, str):
            return read_tools(column), ()
        if block is None:
            return (), ()
        value, repairs = read_tool_block(*block)
        return read_tools(value), repairs


def _turns(messages: list[tuple[str, str]], tools: tuple[ToolSpec, ...]) -> tuple[tuple[Turn, ...], tuple[Repair, ...]]:
    turns: list[Turn] = []
    repairs: list[Repair] = []
    for role, text in messages:
        if role == "system":
            continue
        if role == "function_call":
            turn, found = _bare_calls(text, tools)
        elif role in _TOOL_ROLES:
            turn, found = _responses(role, text)
        elif _ROLES[role] == "assistant":
            turn, found = _answer(text, tools)
        else:
            turn, found = Turn(role="user", text=text), ()
        turns.append(turn)
        repairs.extend(found)
    return joined(turns), tuple(repairs)


def _answer(text: str, tools: tuple[ToolSpec, ...]) -> tuple[Turn, tuple[Repair, ...]]:
    """Read an assistant turn; only here are `<tool_call>` tags calls, the system text holds them as an example."""
    with unreadable_as(QuarantineReason.CALL_UNREADABLE):
        bodies, prose = tagged_bodies(text, "tool_call")
        read = [read_calls([value], tools, repairs) for value, repairs in map(read_value, bodies)]
    calls = tuple(call for found, _ in read for call in found)
    return Turn(role="assistant", text=prose, calls=calls), tuple(repair for _, found in read for repair in found)


def _bare_calls(text: str, tools: tuple[ToolSpec, ...]) -> tuple[Turn, tuple[Repair, ...]]:
    with unreadable_as(QuarantineReason.CALL_UNREADABLE):
        value, repairs = read_value(text)
        calls, repairs = read_calls(value if isinstance(value, list) else [value], tools, repairs)
    return Turn(role="assistant", calls=calls), repairs


def _responses(role: str, text: str) -> tuple[Turn, tuple[Repair, ...]]:
    try:
        bodies, _ = tagged_bodies(text, "tool_response")
    except UnreadableError:
        bodies = []
    read = [read_response(body) for body in bodies or [text]]
    found = tuple(repair for _, response_repairs in read for repair in response_repairs)
    return Turn(role="tool", responses=tuple(response for response, _ in read)), found


def _schema_tool(row: Mapping[str, Any], system: str) -> ToolSpec | None:
    """Return the schema of a json_mode row as a tool; None for every other row."""
    schema, block = row.get("schema"), tool_block(system, "schema")
    if not schema and block is None:
        return None
    if schema is None or isinstance(schema, str):
        text = schema or (block[1] if block else "")
        with unreadable_as(QuarantineReason.TOOLS_UNREADABLE):
            schema, _ = read_value(text)
    if not isinstance(schema, dict):
        raise RowError(QuarantineReason.TOOLS_UNREADABLE, f"the schema is a {type(schema).__name__}, not an object")
    title = schema.get("title")
    return ToolSpec(name=title if isinstance(title, str) and title else _SCHEMA_FUNCTION, parameters=schema)


def _schema_turns(messages: list[tuple[str, str]], schema: ToolSpec) -> tuple[Turn, ...]:
    turns = []
    for role, text in messages:
        if role == "system":
            continue
        if _ROLES.get(role) != "assistant":
            turns.append(Turn(role="user", text=text))
            continue
        with unreadable_as(QuarantineReason.ANSWER_NOT_AN_OBJECT):
            answer, _ = read_value(text)
        if not isinstance(answer, dict):
            raise RowError(QuarantineReason.ANSWER_NOT_AN_OBJECT, f"the answer is a {type(answer).__name__}")
        turns.append(Turn(role="assistant", calls=(ToolCall(name=schema.name, arguments=answer),)))
    return tuple(turns)
