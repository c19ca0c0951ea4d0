"""What rows are made of, whoever wrote them: values, tools, calls and responses, read tolerantly, every repair named.

`{"type": "function", "function": {...}}` (Hermes, OpenAI) and the bare `{"name", "description", "parameters"}`
(glaive, BFCL) are the same tool; arguments may be an object or its JSON text. Functions that repair add what they did
to the list `repairs`. The shapes of rows are listed in `shapes`.
"""

import ast
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from swap_assets.domain.model import ToolCall, ToolResponse, ToolSpec, Turn

_LITERAL_NEWLINE = "\\n"
_MAX_STRIPS = 8  # a body is wrapped in one or two literal newlines; more than eight is not such a body
_JSON = json.JSONDecoder(strict=False)  # lets raw line breaks and tabs stand inside strings


class QuarantineReason(StrEnum):
    """Why a row was set aside; closed list."""

    LINE_NOT_JSON = "line_not_json"
    NOT_AN_OBJECT = "not_an_object"
    BROKEN_UNICODE = "broken_unicode"
    NESTED_TOO_DEEP = "nested_too_deep"
    UNKNOWN_SHAPE = "unknown_shape"
    UNKNOWN_ROLE = "unknown_role"
    TURN_UNREADABLE = "turn_unreadable"
    TOOLS_UNREADABLE = "tools_unreadable"
    CALL_UNREADABLE = "call_unreadable"
    CALL_TO_UNOFFERED_TOOL = "call_to_unoffered_tool"
    ANSWER_NOT_AN_OBJECT = "answer_not_an_object"
    EMPTY_ANSWER = "empty_answer"
    NO_REQUEST = "no_request"
    NO_ASSISTANT_TURN = "no_assistant_turn"
    EXACT_DUPLICATE = "exact_duplicate"
    CONTINUED_ELSEWHERE = "continued_elsewhere"
    UNREAD_KEY = "unread_key"


class Repair(StrEnum):
    """What had to be put right to read a row; closed list. Repaired gold never enters a test split."""

    LITERAL_NEWLINES = "literal_newlines"
    NAME_LIFTED = "name_lifted"
    ARGUMENT_RENAMED = "argument_renamed"
    TOOLS_SPLIT_AROUND_TAG = "tools_split_around_tag"
    RESPONSE_KEPT_AS_TEXT = "response_kept_as_text"
    TOOL_LEFT_OUT = "tool_left_out"  # built-in or custom: no function with parameters
    PADDING_DROPPED = "padding_dropped"


GOLD_REPAIRS = frozenset({Repair.LITERAL_NEWLINES, Repair.NAME_LIFTED, Repair.ARGUMENT_RENAMED})


class UnreadableError(ValueError):
    """A text that none of the readers could turn into JSON; the message says what the last one stumbled over."""


class RowError(ValueError):
    """A row that can't be read, with its reason."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Reading(NamedTuple):
    """What a row says, before it gets an id and a provenance."""

    system: str
    tools: tuple[ToolSpec, ...]
    turns: tuple[Turn, ...]
    repairs: tuple[Repair, ...] = ()


@contextmanager
def unreadable_as(reason: QuarantineReason) -> Iterator[None]:
    """Give a row whose value cannot be read the reason why it is set aside."""
    try:
        yield
    except UnreadableError as error:
        raise RowError(reason, str(error)) from None


def joined(turns: list[Turn]) -> tuple[Turn, ...]:
    """Join neighbouring turns of one speaker, prose before a call or parallel responses; two user turns stay apart."""
    result: list[Turn] = []
    for turn in turns:
        if result and turn.role != "user" and result[-1].role == turn.role:
            before = result.pop()
            calls, responses = before.calls + turn.calls, before.responses + turn.responses
            text = "\n".join(filter(None, (before.text, turn.text)))
            turn = Turn(role=turn.role, text=text, calls=calls, responses=responses)
        result.append(turn)
    return tuple(result)


def read_value(text: Any, repairs: list[Repair]) -> Any:
    """Return the JSON value or Python literal of JSON values that a text is; what is no text stays as it is.

    Tried in the order that worked on real rows: JSON, raw line breaks inside strings allowed; the same without the
    literal newlines at both ends; a Python literal. Types stay exact. An UnreadableError where it is none of them.
    """
    if not isinstance(text, str):
        return text
    with suppress(ValueError, RecursionError):
        return _JSON.decode(text)
    stripped = text
    for _ in range(_MAX_STRIPS):
        stripped = stripped.strip().removeprefix(_LITERAL_NEWLINE).removesuffix(_LITERAL_NEWLINE)
    stripped = stripped.strip()
    if stripped != text.strip():
        repairs.append(Repair.LITERAL_NEWLINES)
        with suppress(ValueError, RecursionError):
            return _JSON.decode(stripped)
    try:
        value = ast.literal_eval(stripped)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        said = str(error).partition(": <ast.")[0]  # an address in memory would differ from run to run
        raise UnreadableError(f"neither JSON nor a Python literal: {said}") from None
    if not _is_json(value):
        raise UnreadableError("a Python literal with values that JSON does not have")
    return value


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | bool | int | float)


def read_values(text: Any, repairs: list[Repair]) -> Any:
    """Return what `read_value` reads or, where a text has one JSON value a line, the list of them."""
    try:
        return read_value(text, repairs)
    except UnreadableError:
        with suppress(ValueError, RecursionError):
            return [_JSON.decode(line) for line in str(text).strip().splitlines() if line.strip()]
        raise


def read_tools(value: Any, repairs: list[Repair] | None = None) -> tuple[ToolSpec, ...]:
    """Read a list of tools, () for None; an UnreadableError for other values, lost names and odd parameters.

    Built-in and custom tools (`{"type": "web_search"}`) have no parameters to call them with and are left out.
    """
    if value is None:
        return ()
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list | tuple):
        raise UnreadableError(f"tools are a {type(value).__name__}, not a list")
    kept = [entry for entry in value if not _is_built_in(entry)]
    if len(kept) < len(value) and repairs is not None:
        repairs.append(Repair.TOOL_LEFT_OUT)
    return tuple(_read_tool(entry) for entry in kept)


def _is_built_in(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("type") in (None, "function"):
        return False
    return not entry.keys() & {"function", "parameters", "input_schema", "inputSchema"}


def _read_tool(entry: Any) -> ToolSpec:
    function = entry.get("function", entry) if isinstance(entry, dict) else entry
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise UnreadableError("a tool without a name")
    written = (function.get(key) for key in ("parameters", "input_schema", "inputSchema"))
    parameters = read_value(next((each for each in written if each is not None), None), [])
    if parameters is not None and not isinstance(parameters, dict):
        raise UnreadableError(f"the parameters of {function['name']} are a {type(parameters).__name__}, not an object")
    description = function.get("description")
    parts = [function["name"], description if isinstance(description, str) else "", parameters or {}]
    return _shared(json.dumps(parts))


@lru_cache(maxsize=4096)
def _shared(text: str) -> ToolSpec:
    """Return the tool of a JSON text, one object for all rows that offer it: an agent's log repeats its tools."""
    name, description, parameters = json.loads(text)
    return ToolSpec(name=name, description=description, parameters=_schema_without_padding(parameters))


def _schema_without_padding(schema: Any) -> Any:
    """Return a schema without the properties of null that a table filled in; every other null stays."""
    if isinstance(schema, list):
        return [_schema_without_padding(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    whole = {key: _schema_without_padding(inner) for key, inner in schema.items()}
    if isinstance(declared := whole.get("properties"), dict):
        whole["properties"] = {name: inner for name, inner in declared.items() if inner is not None}
    return whole


def read_call(value: Any, tools: tuple[ToolSpec, ...], repairs: list[Repair]) -> ToolCall:
    """Read one call; an UnreadableError where it has no name, or arguments that are no object."""
    if not isinstance(value, dict):
        raise UnreadableError(f"a call is a {type(value).__name__}, not an object")
    name, arguments = value.get("name"), value.get("arguments", {})
    if isinstance(arguments, str):
        arguments = read_value(arguments, []) if arguments.strip() else {}
        arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        raise UnreadableError(f"arguments are a {type(arguments).__name__}, not an object")
    # Extraction rows write {"arguments": {"queries": [...], "name": "F"}} while F declares another single property.
    if name is None and isinstance(arguments.get("name"), str):
        name = arguments["name"]
        arguments = {key: inner for key, inner in arguments.items() if key != "name"}
        repairs.append(Repair.NAME_LIFTED)
        tool = next((tool for tool in tools if tool.name == name), None)
        declared = list((tool.parameters.get("properties") or {}) if tool else {})
        match list(arguments.values()):
            case [list() as only] if len(declared) == 1 and declared[0] not in arguments:
                arguments = {declared[0]: only}
                repairs.append(Repair.ARGUMENT_RENAMED)
    if not isinstance(name, str) or not name:
        raise UnreadableError("a call without a name")
    return ToolCall(name=name, arguments=arguments)


def read_response(text: str, repairs: list[Repair]) -> ToolResponse:
    """Read what a tool answered: `{"name", "content"}`, any other JSON value, or text kept as it stands."""
    try:
        value = read_value(text, [])
    except UnreadableError:
        repairs.append(Repair.RESPONSE_KEPT_AS_TEXT)
        return ToolResponse(content=text)
    if isinstance(value, dict) and set(value) == {"name", "content"} and isinstance(value["name"], str):
        return ToolResponse(**value)
    return ToolResponse(content=value)


def without_padding(call: ToolCall, tools: tuple[ToolSpec, ...], repairs: list[Repair]) -> ToolCall:
    """Return a call without the nulls that a table filled in: keys its tool neither requires nor lets be null."""
    schema = next((tool.parameters for tool in tools if tool.name == call.name), {})
    declared, required = schema.get("properties"), schema.get("required")
    if not isinstance(declared, dict):
        return call
    kept = {
        name: value for name, value in call.arguments.items()
        if value is not None or name in (required or ()) or _may_be_null(declared.get(name, {"type": "none"}))
    }  # fmt: skip
    if len(kept) == len(call.arguments):
        return call
    repairs.append(Repair.PADDING_DROPPED)
    return ToolCall(name=call.name, arguments=kept)


def _may_be_null(schema: Any) -> bool:
    if not isinstance(schema, dict) or "type" not in schema or schema.get("nullable"):
        return True
    kinds = schema["type"]
    return "null" in (kinds if isinstance(kinds, list) else [kinds])
