"""Reading one tool, one call and one tool response out of plain values, whoever wrote them.

`{"type": "function", "function": {...}}` (Hermes, OpenAI) and the bare `{"name", "description", "parameters"}`
(glaive, BFCL) are the same tool; arguments may be an object or its JSON text.
"""

import json
from functools import lru_cache
from typing import Any

from swap_assets.domain.conversations import ToolCall, ToolResponse, ToolSpec
from swap_assets.domain.reading.markup import Repair, UnreadableError, read_value


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
