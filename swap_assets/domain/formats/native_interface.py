"""A case as a service takes it natively: `tools` for the tool-call track, `response_format` for the structured one.

The structured answer format is a list of calls, which no service takes at the top of a schema, so it goes out and
comes back as `{"calls": [{"tool_name": ..., "arguments": {...}}]}`. Sending lives in the backends.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from swap_assets.domain.conversations import EvalCase, ToolCall, ToolSpec, Turn
from swap_assets.domain.formats.base import AnswerFormat, Interface, PromptStyle, Track
from swap_assets.domain.formats.fledgling_structured import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.openai import OPENAI, written_calls
from swap_assets.domain.formats.prompts import PROBE, render_tools, render_turn
from swap_assets.domain.formats.strict_schema import NotStrictError, strict_schema, without_added_nulls
from swap_assets.domain.model import content_hash
from swap_assets.domain.schemas import plain_schema

Body = dict[str, Any]
FORMATS = {Track.TOOLCALL: OPENAI, Track.STRUCTURED: FLEDGLING_STRUCTURED}
LONGEST_DESCRIPTION = 1024  # characters of a function's description that OpenAI takes
LONGEST_NAME = 64  # and of its name, which holds letters, digits, `_` and `-`
_TAKEN = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}")
_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_LEVELS_AROUND = 3  # the object, its list of calls, and each call's object lie around the arguments
_OPENING = (
    "You are a function calling AI model. You may call one or more functions to assist with the user query. Don't make "
    "assumptions about what values to plug into functions."
)
_CALLS_FORMAT = (
    'Return a json object with one entry per function call: {"calls": [{"tool_name": <function-name>, "arguments": '
    '<args-dict>}]}. Where no function call is right return {"calls": []}'
)


def format_of(track: Track, interface: Interface, *, text_format: AnswerFormat) -> AnswerFormat:
    """Return the answer format in which a hosted model answers a track through an interface."""
    return FORMATS[track] if interface is Interface.NATIVE else text_format


def native_prompt_hash(track: Track, style: PromptStyle) -> str:
    """Return a hash of what a native question looks like: its form for the renderer's own probe."""
    tools, history = PROBE
    probe = EvalCase(
        id="probe", conversation_id="probe", turn=0, tools=tools, history=history, gold_calls=(), origin="synthetic"
    )
    return content_hash(native_question(probe, track, style=style, strict=True))


def native_question(case: EvalCase, track: Track, *, style: PromptStyle, strict: bool) -> Body:
    """Return the messages of a case with its tools, or with the schema that its answer has to follow."""
    if track is Track.TOOLCALL:
        return _with_tools(case)
    system = f"{render_tools(case.tools, style)}\n{_CALLS_FORMAT}"
    told = [render_turn(turn, FLEDGLING_STRUCTURED) for turn in case.history]
    # A message of role "tool" has to answer a call of the message before, which here is text.
    messages = [{**message, "role": "user" if message["role"] == "tool" else message["role"]} for message in told]
    return {"messages": [{"role": "system", "content": system}, *messages], "response_format": _format(case, strict)}


def calls_text(case: EvalCase, calls: list[tuple[str, str]]) -> str:
    """Write `tool_calls` (names as sent, arguments as JSON text) in the OPENAI format, under the tools' own names."""
    names = _names(case)
    return written_calls([(own_name(name, names), arguments) for name, arguments in calls])


def listed_calls(case: EvalCase, text: str) -> str:
    """Return the list inside `{"calls": [...]}` in the structured answer format; any other text as it stands."""
    try:
        calls = json.loads(text)["calls"]
        return json.dumps([_plain_call(case, call) for call in calls], ensure_ascii=False)
    except (ValueError, TypeError, LookupError, RecursionError):
        return text


def _plain_call(case: EvalCase, call: Any) -> Any:
    tool = next((tool for tool in case.tools if tool.name == call.get("tool_name")), None)
    if tool is None or not isinstance(call.get("arguments"), dict):
        return call
    return {**call, "arguments": without_added_nulls(call["arguments"], plain_schema(tool.parameters))}


def _with_tools(case: EvalCase) -> Body:
    names = _names(case)
    messages: list[Body] = [{"role": "system", "content": _OPENING}]
    open_calls: list[tuple[str, str]] = []
    for index, turn in enumerate(case.history):
        if turn.role == "tool":
            messages += _responses(turn, open_calls)
            open_calls = []
            continue
        messages += _unanswered(open_calls)
        open_calls = [(f"call_{index}_{place}", call.name) for place, call in enumerate(turn.calls)]
        messages.append(_spoken(turn, names, index))
    question: Body = {"messages": [*messages, *_unanswered(open_calls)]}
    if case.tools:
        question["tools"] = [_tool(tool, names) for tool in _distinct(case.tools)]
    return question


def _spoken(turn: Turn, names: dict[str, str], index: int) -> Body:
    if not turn.calls:
        return {"role": turn.role, "content": turn.text}
    calls = [_call(call, names, f"call_{index}_{place}") for place, call in enumerate(turn.calls)]
    return {"role": turn.role, "content": turn.text or None, "tool_calls": calls}


def _call(call: ToolCall, names: dict[str, str], name: str) -> Body:
    function = {"name": names[call.name], "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": name, "type": "function", "function": function}


def _responses(turn: Turn, open_calls: list[tuple[str, str]]) -> list[Body]:
    """Give each call its response, by name and then in order; what answers no call is told by the user instead."""
    left = list(open_calls)
    told: list[Body] = []
    loose: list[Body] = []
    for response in turn.responses:
        match = next((call for call in left if call[1] == response.name), left[0] if left else None)
        content = response.content if isinstance(response.content, str) else _dump(response.content)
        if match is None:
            loose.append({"role": "user", "content": f"{response.name or 'tool'}: {content}"})
            continue
        left.remove(match)
        told.append({"role": "tool", "tool_call_id": match[0], "content": content})
    return told + _unanswered(left) + loose


def _unanswered(open_calls: list[tuple[str, str]]) -> list[Body]:
    # Services refuse a conversation in which a call has no response.
    return [{"role": "tool", "tool_call_id": name, "content": ""} for name, _ in open_calls]


def _tool(tool: ToolSpec, names: dict[str, str]) -> Body:
    schema = plain_schema(tool.parameters)
    parameters = {**schema, "type": "object", "properties": schema.get("properties") or {}}
    function = {
        "name": names[tool.name], "description": tool.description[:LONGEST_DESCRIPTION], "parameters": parameters,
    }  # fmt: skip
    return {"type": "function", "function": function}


def _names(case: EvalCase) -> dict[str, str]:
    told = [call.name for turn in case.history for call in turn.calls]
    return wire_names([*(tool.name for tool in case.tools), *told])


def _distinct(tools: tuple[ToolSpec, ...]) -> list[ToolSpec]:
    return list({tool.name: tool for tool in reversed(tools)}.values())[::-1]


def _format(case: EvalCase, strict: bool) -> Body:
    if strict:
        try:
            return _json_schema([_entry(tool, _strict_arguments(tool)) for tool in _distinct(case.tools)], strict=True)
        except NotStrictError:
            pass
    loose = [_entry(tool, {**plain_schema(tool.parameters), "type": "object"}) for tool in _distinct(case.tools)]
    return _json_schema(loose, strict=False)


def _strict_arguments(tool: ToolSpec) -> Body:
    return strict_schema(tool.parameters, depth=_LEVELS_AROUND)


def _entry(tool: ToolSpec, arguments: Body) -> Body:
    properties = {"tool_name": {"type": "string", "enum": [tool.name]}, "arguments": arguments}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _json_schema(entries: list[Body], *, strict: bool) -> Body:
    items = {"anyOf": entries} if entries else {"type": "object"}
    calls = {"calls": {"type": "array", "items": items}}
    schema = {"type": "object", "properties": calls, "required": ["calls"], "additionalProperties": False}
    # Without any tool there is no strict form of a call, and none is right.
    return {
        "type": "json_schema",
        "json_schema": {"name": "function_calls", "strict": strict and bool(entries), "schema": schema},
    }


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def wire_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each name the one that is sent: itself where it may be, and no two the same.

    `maps.directions v2` goes out as `maps_directions_v2` and comes back under its own name.
    """
    wanted = sorted(dict.fromkeys(names), key=lambda name: _TAKEN.fullmatch(name) is None)
    sent: dict[str, str] = {}
    for name in wanted:
        sent[name] = _free(_OTHER.sub("_", name)[:LONGEST_NAME] or "_", set(sent.values()))
    return sent


def own_name(sent: str, names: Mapping[str, str]) -> str:
    """Return the name that was sent as `sent`; what was never sent stays as the model wrote it."""
    return next((name for name, wire in names.items() if wire == sent), sent)


def _free(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        suffix = f"_{number}"
        found, number = name[: LONGEST_NAME - len(suffix)] + suffix, number + 1
    return found
