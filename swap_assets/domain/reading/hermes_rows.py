"""Hermes function-calling rows (both revisions, five configs) and glaive's `function_call`/`observation` rows.

    {"conversations": [{"from": "system", "value": "... <tools>\\n[...]\\n</tools> ..."},
                       {"from": "human", "value": "..."},
                       {"from": "gpt", "value": "<tool_call>\\n{...}\\n</tool_call>"}], "tools": "[...]"}

The older revision has no `tools` column and writes Python literals. The two json_mode configs have a `schema` and
answer with an object: read as one call of a function named after the schema, so that they are scored like the others.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from swap_assets.domain.model import ToolCall, ToolSpec, Turn
from swap_assets.domain.reading import row_reading
from swap_assets.domain.reading.bfcl_rows import json_schema
from swap_assets.domain.reading.row_reading import QuarantineReason, Reading, Repair, RowError, UnreadableError
from swap_assets.domain.reading.text_calls import calls_in_text, tagged_bodies

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "function_call": "assistant"}
_TOOL_ROLES = {"tool", "observation", "function_response"}
_NO_TOOLS = ("", "[]", "null", "None")
_SCHEMA_FUNCTION = "answer"  # json_mode schemas without a title
_GAPS = re.compile(r"\s*\n\s*\n\s*")
# The dataset's own prompts, sentence by sentence, without the blocks of tools and schemas.
_PROMPT = re.compile(
    r"You are a function calling AI model\.|You are provided with function signatures within <tools> ?</tools> XML "
    r"tags\.|You may call one or more functions(?: to assist with the user query)?\.|Here are the available tools:"
    r"|Don't make assumptions about what values to plug into (?:functions|json schema)\."
    r"|Use the following pydantic model json schema for each tool call you will make:\s*\{.*?\}(?=\s*(?:For each|$))"
    r"|For each (?:extraction )?function call return a json object with function name and arguments .*?:\s*"
    r"<tool_call>.*?</tool_call>"
    r"|You are an expert structured information extraction AI model\.|You will be provided with documents to extract "
    r"information from\.|You are also provided with the json schema to output extracted information in the function "
    r"signatures within XML tags <tools></tools>\."
    r"|You are a helpful assistant that answers in JSON\.|Here's the json schema you must adhere to:",
    re.DOTALL,
)
# ToolACE's own words on how to write a call, which is the answer format's to say.
_LIST_PROMPT = re.compile(
    r"Here is a list of functions in JSON format that you can invoke:"
    r"|Should you decide to return the function call\(s\).*?\[func1\(.*?\)\]\.?"
    r"(?:\s*NO other text MUST be included\.)?",
    re.DOTALL,
)
_TORN_OFF = re.compile(r"\{\s*['\"]type['\"]\s*:\s*['\"]function['\"].*['\"]parameters['\"]\s*:\s*$", re.DOTALL)


def read(row: Mapping[str, Any]) -> Reading | None:
    """Read a Hermes or glaive row, None for other shapes; a RowError has the reason why it can't be read."""
    if "conversations" not in row:
        return None
    messages = _messages(row["conversations"])
    column = row.get("system")
    own = [column] if isinstance(column, str) and column else []
    system = "\n".join(own + [text for role, text in messages if role == "system"])
    said = [(role, text) for role, text in messages if role != "system"]
    if schema := _schema_tool(row, system):
        return Reading(
            _own_text(system, "schema"), (schema,), tuple(_schema_turn(role, text, schema) for role, text in said)
        )
    repairs: list[Repair] = []
    tools = _tools(row, system, repairs)
    turns = row_reading.joined([_turn(role, text, tools, repairs) for role, text in said])
    return Reading(_own_text(system), tools, turns, tuple(repairs))


def _messages(value: Any) -> list[tuple[str, str]]:
    with row_reading.unreadable_as(QuarantineReason.TURN_UNREADABLE):
        value = row_reading.read_value(value, [])
    if not isinstance(value, list | tuple):
        raise RowError(QuarantineReason.TURN_UNREADABLE, f"conversations is a {type(value).__name__}, not a list")
    messages = []
    for entry in value:
        role, text = (entry.get("from"), entry.get("value")) if isinstance(entry, Mapping) else (None, None)
        if not isinstance(text, str):
            raise RowError(QuarantineReason.TURN_UNREADABLE, "a turn is not {from, value} with a text")
        if role != "system" and role not in _ROLES and role not in _TOOL_ROLES:
            raise RowError(QuarantineReason.UNKNOWN_ROLE, f"role {role!r}")
        messages.append((str(role), text))
    return messages


def _tools(row: Mapping[str, Any], system: str, repairs: list[Repair]) -> tuple[ToolSpec, ...]:
    """Read the tools from their column or, where it is missing or empty, from the system text.

    Seven of 194 real rows read `{"type": "function", ... "parameters": <tools> [{...}}}] </tools>`: there the prefix
    that was torn off in front of the tag is put back.
    """
    column, block = row.get("tools"), _block(system)
    with row_reading.unreadable_as(QuarantineReason.TOOLS_UNREADABLE):
        if isinstance(column, str) and column.strip() not in _NO_TOOLS:
            column = row_reading.read_value(column, [])
        if column and not isinstance(column, str):
            return row_reading.read_tools(column, repairs)
        if block is None:
            return _listed(system)[0]
        body = block.group(1)
        if torn := _TORN_OFF.search(system[: block.start()]):
            repairs.append(Repair.TOOLS_SPLIT_AROUND_TAG)
            body = "[" + torn.group() + body.strip().removeprefix("[")
        return row_reading.read_tools(row_reading.read_values(body, []))


def _turn(role: str, text: str, tools: tuple[ToolSpec, ...], repairs: list[Repair]) -> Turn:
    """Read a turn; only the assistant's `<tool_call>` tags are calls, the system text holds them as an example."""
    if role in _TOOL_ROLES:
        bodies = []
        with suppress(UnreadableError):
            bodies, _ = tagged_bodies(text, "tool_response")
        return Turn(role="tool", responses=tuple(row_reading.read_response(body, repairs) for body in bodies or [text]))
    if _ROLES[role] == "user":
        return Turn(role="user", text=text)
    with row_reading.unreadable_as(QuarantineReason.CALL_UNREADABLE):
        if role == "function_call":
            value = row_reading.read_value(text, repairs)
            written = value if isinstance(value, list) else [value]
        else:
            calls, words = calls_in_text(text, tools, repairs)
            return Turn(role="assistant", text=words, calls=calls)
        calls = [row_reading.read_call(one, tools, repairs) for one in written]
    return Turn(role="assistant", calls=tuple(calls))


def _block(system: str, tag: str = "tools") -> re.Match[str] | None:
    """Return the first `<tag>` block with its body; blank ones, as in the prompt's words, do not count."""
    found = re.finditer(f"<{tag}>(.*?)</{tag}>", system, flags=re.DOTALL)
    return next((match for match in found if match.group(1).strip()), None)


def _own_text(system: str, tag: str = "tools") -> str:
    """Return what a system text says beside its block and the dataset's prompt, which is the answer format's to say."""
    block, left = _block(system, tag), system
    if block:
        left = _TORN_OFF.sub("", system[: block.start()]) + "\n\n" + system[block.end() :]
    elif (listed := _listed(system))[0]:
        left = _LIST_PROMPT.sub("", listed[1])
    left = _PROMPT.sub("", left)
    return system if left == system else _GAPS.sub("\n\n", left).strip()


def _listed(system: str) -> tuple[tuple[ToolSpec, ...], str]:
    """Return the tools of a JSON list inside the system text (ToolACE) and the text without it; () for none."""
    start = system.find("[{")
    if start >= 0:
        with suppress(ValueError, RecursionError):
            value, end = json.JSONDecoder().raw_decode(system, start)
            if all(isinstance(entry, dict) and {"name", "parameters"} <= entry.keys() for entry in value):
                tools = row_reading.read_tools(json_schema(value))
                return tools, system[:start].rstrip() + "\n\n" + system[end:].lstrip()
    return (), system


def _schema_tool(row: Mapping[str, Any], system: str) -> ToolSpec | None:
    """Return the schema of a json_mode row as a tool; None for every other row."""
    schema, block = row.get("schema"), _block(system, "schema")
    if not schema and block is None:
        return None
    if schema is None or isinstance(schema, str):
        text = schema or (block.group(1) if block else "")
        with row_reading.unreadable_as(QuarantineReason.TOOLS_UNREADABLE):
            schema = row_reading.read_value(text, [])
    if not isinstance(schema, dict):
        raise RowError(QuarantineReason.TOOLS_UNREADABLE, f"the schema is a {type(schema).__name__}, not an object")
    title = schema.get("title")
    return ToolSpec(name=title if isinstance(title, str) and title else _SCHEMA_FUNCTION, parameters=schema)


def _schema_turn(role: str, text: str, schema: ToolSpec) -> Turn:
    if _ROLES.get(role) != "assistant":
        return Turn(role="user", text=text)
    with row_reading.unreadable_as(QuarantineReason.ANSWER_NOT_AN_OBJECT):
        answer = row_reading.read_value(text, [])
    if not isinstance(answer, dict):
        raise RowError(QuarantineReason.ANSWER_NOT_AN_OBJECT, f"the answer is a {type(answer).__name__}")
    return Turn(role="assistant", calls=(ToolCall(name=schema.name, arguments=answer),))
