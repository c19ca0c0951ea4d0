"""Reading values, tools, calls and tool responses out of rows, whoever wrote them: tolerant, naming every repair.

`{"type": "function", "function": {...}}` (Hermes, OpenAI) and the bare `{"name", "description", "parameters"}`
(glaive, BFCL) are the same tool; arguments may be an object or its JSON text.
"""

import ast
import json
from functools import lru_cache
from typing import Any

from swap_assets.domain.conversations import ToolCall, ToolResponse, ToolSpec
from swap_assets.domain.reading.row_reading import Repair, UnreadableError

_LITERAL_NEWLINE = "\\n"
_MAX_STRIPS = 8  # a body is wrapped in one or two literal newlines; more than eight is not such a body
_LENIENT = json.JSONDecoder(strict=False)  # lets raw line breaks and tabs stand inside strings


def read_value(text: str) -> tuple[Any, tuple[Repair, ...]]:
    """Read a JSON value, or a Python literal of JSON values, wrapped or not in literal newlines.

    The order that worked on real rows: JSON; JSON with raw line breaks inside strings; the same without the literal
    newlines at both ends; a Python literal.

    Returns:
        The value with exact types, and the repairs that were needed.

    Raises:
        UnreadableError: neither JSON nor a Python literal made of JSON values.
    """
    for loads in (json.loads, _LENIENT.decode):
        try:
            return loads(text), ()
        except (ValueError, RecursionError):
            continue
    stripped = strip_literal_newlines(text)
    repairs = (Repair.LITERAL_NEWLINES,) if stripped != text.strip() else ()
    if repairs:
        try:
            return _LENIENT.decode(stripped), repairs
        except (ValueError, RecursionError):
            pass
    return _read_python(stripped), repairs


def _read_python(text: str) -> Any:
    try:
        value = ast.literal_eval(text)
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
        return all(_is_json(inner) for inner in value)
    return value is None or isinstance(value, str | bool | int | float)


def strip_literal_newlines(text: str) -> str:
    r"""Take blanks and the two characters `\` `n` off both ends, again and again."""
    for _ in range(_MAX_STRIPS):
        text = text.strip()
        shorter = text.removeprefix(_LITERAL_NEWLINE).removesuffix(_LITERAL_NEWLINE)
        if shorter == text:
            return text
        text = shorter
    return text.strip()


def read_tools(value: Any) -> tuple[ToolSpec, ...]:
    """Read a list of tools; None and an empty list mean that none are offered.

    Raises:
        UnreadableError: not a list, or an entry without a name or with parameters that are no object.
    """
    if value is None:
        return ()
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list | tuple):
        raise UnreadableError(f"tools are a {type(value).__name__}, not a list")
    return tuple(_read_tool(entry) for entry in value)


def _read_tool(entry: Any) -> ToolSpec:
    function = entry.get("function", entry) if isinstance(entry, dict) else entry
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise UnreadableError("a tool without a name")
    parameters = function.get("parameters")
    if isinstance(parameters, str):
        parameters, _ = read_value(parameters)
    if parameters is not None and not isinstance(parameters, dict):
        raise UnreadableError(f"the parameters of {function['name']} are a {type(parameters).__name__}, not an object")
    description = function.get("description")
    parts = [function["name"], description if isinstance(description, str) else "", parameters or {}]
    return _shared(json.dumps(parts))


@lru_cache(maxsize=4096)
def _shared(text: str) -> ToolSpec:
    """Return the tool of a JSON text, one object for all rows that offer it: an agent's log repeats its tools."""
    name, description, parameters = json.loads(text)
    return ToolSpec(name=name, description=description, parameters=parameters)


def read_call(value: Any, tools: tuple[ToolSpec, ...]) -> tuple[ToolCall, tuple[Repair, ...]]:
    """Read one call, lifting a name that was put inside the arguments and renaming its one list.

    Extraction rows write `{"arguments": {"queries": [...], "name": "F"}}` while F declares another single property.

    Raises:
        UnreadableError: no name, or arguments that are not an object.
    """
    if not isinstance(value, dict):
        raise UnreadableError(f"a call is a {type(value).__name__}, not an object")
    name, arguments = value.get("name"), value.get("arguments", {})
    if isinstance(arguments, str):
        arguments, _ = read_value(arguments) if arguments.strip() else ({}, ())
    if not isinstance(arguments, dict):
        raise UnreadableError(f"arguments are a {type(arguments).__name__}, not an object")
    repairs: tuple[Repair, ...] = ()
    if name is None and isinstance(arguments.get("name"), str):
        name = arguments["name"]
        arguments = {key: inner for key, inner in arguments.items() if key != "name"}
        arguments, renamed = _rename_only_list(arguments, _find(name, tools))
        repairs = (Repair.NAME_LIFTED, *renamed)
    if not isinstance(name, str) or not name:
        raise UnreadableError("a call without a name")
    return ToolCall(name=name, arguments=arguments), repairs


def read_calls(
    values: list[Any], tools: tuple[ToolSpec, ...], repairs: tuple[Repair, ...] = ()
) -> tuple[tuple[ToolCall, ...], tuple[Repair, ...]]:
    """Read calls; their repairs come after those that were needed before.

    Raises:
        UnreadableError: one of them is none.
    """
    read = [read_call(value, tools) for value in values]
    return tuple(call for call, _ in read), (*repairs, *(repair for _, found in read for repair in found))


def _find(name: str, tools: tuple[ToolSpec, ...]) -> ToolSpec | None:
    return next((tool for tool in tools if tool.name == name), None)


def _rename_only_list(arguments: dict[str, Any], tool: ToolSpec | None) -> tuple[dict[str, Any], tuple[Repair, ...]]:
    declared = list((tool.parameters.get("properties") or {}) if tool else {})
    if len(arguments) != 1 or len(declared) != 1 or declared[0] in arguments:
        return arguments, ()
    value = next(iter(arguments.values()))
    if not isinstance(value, list):
        return arguments, ()
    return {declared[0]: value}, (Repair.ARGUMENT_RENAMED,)


def read_response(text: str, name: str = "") -> tuple[ToolResponse, tuple[Repair, ...]]:
    """Read what a tool answered: `{"name", "content"}`, any other JSON value, or text kept as it stands."""
    try:
        value, _ = read_value(text)
    except UnreadableError:
        return ToolResponse(name=name, content=text), (Repair.RESPONSE_KEPT_AS_TEXT,)
    if isinstance(value, dict) and set(value) == {"name", "content"} and isinstance(value["name"], str):
        return ToolResponse(name=value["name"] or name, content=value["content"]), ()
    return ToolResponse(name=name, content=value), ()
