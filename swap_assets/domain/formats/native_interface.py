"""A case as a service takes it natively: `tools` for the tool-call track, `response_format` for the structured one.

The structured answer format is a list of calls, which no service takes at the top of a schema, so it goes out and
comes back as `{"calls": [{"tool_name": ..., "arguments": {...}}]}`. Sending lives in the backends.

A service's strict mode wants every property required and every object closed. So an optional property may be null
instead, and a null that the tool itself does not know is taken out of the answer. Bounds, formats and defaults are left
out: services differ in which they take, and scoring checks them anyway. What has no strict form at all (an object of
free keys, a value of any type, `$ref`, `allOf`) is refused here; such a question is asked with the same schema, not
strict.
"""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain, count
from typing import Any

from swap_assets.domain.formats.base import AnswerFormat, Interface, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import dump
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.openai import OPENAI, written_calls
from swap_assets.domain.formats.prompts import PROBE, render_tools, render_turn
from swap_assets.domain.model import EvalCase, ToolSpec, Turn, content_hash
from swap_assets.domain.schemas import plain_schema

Body = dict[str, Any]
FORMATS = {Track.TOOLCALL: OPENAI, Track.STRUCTURED: FLEDGLING_STRUCTURED}
LONGEST_DESCRIPTION = 1024  # characters of a function's description that OpenAI takes
LONGEST_NAME = 64  # and of its name, which holds letters, digits, `_` and `-`
DEEPEST = 10  # levels of objects and lists that OpenAI takes
_LEVELS_AROUND = 3  # the object, its list of calls, and each call's object lie around the arguments
_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_KEPT = ("type", "description", "enum", "const")
_NOT_STRICT = ("$ref", "allOf", "not", "if", "prefixItems", "patternProperties", "dependentSchemas")
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
    told: Body = {"id": "probe", "conversation_id": "probe", "turn": 0, "gold_calls": (), "origin": "synthetic"}
    probe = EvalCase(tools=PROBE[0], history=PROBE[1], **told)
    return content_hash(native_question(probe, track, style=style, strict=True))


def native_question(case: EvalCase, track: Track, *, style: PromptStyle, strict: bool) -> Body:
    """Return the messages of a case with its tools, or with the schema that its answer has to follow."""
    if track is Track.TOOLCALL:
        return _with_tools(case)
    own = [case.system] * bool(case.system)
    system = "\n\n".join([*own, f"{render_tools(case.tools, style)}\n{_CALLS_FORMAT}"])
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
        return dump([_plain_call(case, call) for call in calls]) if isinstance(calls, list) else text
    except (ValueError, TypeError, LookupError, RecursionError):
        return text


def _plain_call(case: EvalCase, call: Any) -> Any:
    match call:
        case {"tool_name": name, "arguments": dict(arguments)}:
            for tool in case.tools:
                if tool.name == name:
                    return {**call, "arguments": without_added_nulls(arguments, plain_schema(tool.parameters))}
    return call


def _with_tools(case: EvalCase) -> Body:
    names = _names(case)
    messages: list[Body] = [{"role": "system", "content": case.system or _OPENING}]
    open_calls: list[tuple[str, str]] = []  # the id and the name of each call that waits for its response
    for index, turn in enumerate(case.history):
        if turn.role == "tool":
            messages += _responses(turn, open_calls)
        else:
            messages += [*_unanswered(open_calls), _spoken(turn, names, index)]
        open_calls = [(f"call_{index}_{place}", call.name) for place, call in enumerate(turn.calls)]
    question: Body = {"messages": [*messages, *_unanswered(open_calls)]}
    if case.tools:
        question["tools"] = [_tool(tool, names[tool.name]) for tool in _distinct(case.tools)]
    return question


def _spoken(turn: Turn, names: dict[str, str], index: int) -> Body:
    if not turn.calls:
        return {"role": turn.role, "content": turn.text}
    functions = [{"name": names[call.name], "arguments": dump(call.arguments)} for call in turn.calls]
    calls = [{"id": f"call_{index}_{at}", "type": "function", "function": one} for at, one in enumerate(functions)]
    return {"role": turn.role, "content": turn.text or None, "tool_calls": calls}


def _responses(turn: Turn, open_calls: list[tuple[str, str]]) -> list[Body]:
    """Give each call its response, by name and then in order; what answers no call is told by the user instead."""
    left = list(open_calls)
    told, loose = list[Body](), list[Body]()
    for response in turn.responses:
        content = response.content if isinstance(response.content, str) else dump(response.content)
        if not left:
            loose.append({"role": "user", "content": f"{response.name or 'tool'}: {content}"})
            continue
        match = next((call for call in left if call[1] == response.name), left[0])
        left.remove(match)
        told.append({"role": "tool", "tool_call_id": match[0], "content": content})
    return told + _unanswered(left) + loose


def _unanswered(open_calls: list[tuple[str, str]]) -> list[Body]:
    # Services refuse a conversation in which a call has no response.
    return [{"role": "tool", "tool_call_id": name, "content": ""} for name, _ in open_calls]


def _tool(tool: ToolSpec, name: str) -> Body:
    schema = plain_schema(tool.parameters)
    parameters = {**schema, "type": "object", "properties": schema.get("properties") or {}}
    description = tool.description[:LONGEST_DESCRIPTION]
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def _names(case: EvalCase) -> dict[str, str]:
    told = [call.name for turn in case.history for call in turn.calls]
    return wire_names([*(tool.name for tool in case.tools), *told])


def _distinct(tools: tuple[ToolSpec, ...]) -> list[ToolSpec]:
    return list({tool.name: tool for tool in reversed(tools)}.values())[::-1]


def _format(case: EvalCase, strict: bool) -> Body:
    tools, schemas = _distinct(case.tools), None
    if strict:
        with suppress(NotStrictError):
            schemas = [strict_schema(tool.parameters, depth=_LEVELS_AROUND) for tool in tools]
    strict = schemas is not None
    schemas = schemas or [{**plain_schema(tool.parameters), "type": "object"} for tool in tools]
    entries = [_closed({"tool_name": {"type": "string", "enum": [tool.name]}, "arguments": arguments})
               for tool, arguments in zip(tools, schemas, strict=True)]  # fmt: skip
    schema = _closed({"calls": {"type": "array", "items": {"anyOf": entries} if entries else {"type": "object"}}})
    # Without any tool there is no strict form of a call, and none is right.
    named = {"name": "function_calls", "strict": strict and bool(entries), "schema": schema}
    return {"type": "json_schema", "json_schema": named}


def wire_names(names: Iterable[str]) -> dict[str, str]:
    """Return the name that each is sent as, itself where it may, no two the same: `a.b c` goes out as `a_b_c`."""
    wanted = {name: _OTHER.sub("_", name)[:LONGEST_NAME] or "_" for name in names}
    sent: dict[str, str] = {}
    for name, plain in sorted(wanted.items(), key=lambda item: item[0] != item[1]):
        endings = chain([""], (f"_{number}" for number in count(2)))
        possible = (plain[: LONGEST_NAME - len(ending)] + ending for ending in endings)
        sent[name] = next(each for each in possible if each not in sent.values())
    return sent


def own_name(sent: str, names: Mapping[str, str]) -> str:
    """Return the name that was sent as `sent`; what was never sent stays as the model wrote it."""
    return next((name for name, wire in names.items() if wire == sent), sent)


class NotStrictError(ValueError):
    """A schema has no strict form; the message names what stands against it."""


def strict_schema(parameters: Body, *, depth: int = 0) -> Body:
    """Return the strict form of parameters (an object, also where empty); a NotStrictError where there is none."""
    schema = plain_schema(parameters)
    return _object({"type": "object", **schema}, depth) if schema.get("properties") else _closed({})


def without_added_nulls(value: Any, schema: Any) -> Any:
    """Return an answer without the nulls that stand for "not given" in `strict_schema`."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, list):
        return [without_added_nulls(inner, schema.get("items")) for inner in value]
    if not isinstance(value, dict):
        return value
    properties, required = _properties(schema), schema.get("required") or []
    return {
        name: without_added_nulls(inner, properties.get(name))
        for name, inner in value.items()
        if not (inner is None and name in properties and name not in required and not _knows_null(properties[name]))
    }


def _strict(schema: Any, depth: int) -> Body:
    if not isinstance(schema, dict):
        raise NotStrictError("a schema that is no object")
    if depth > DEEPEST:
        raise NotStrictError(f"more than {DEEPEST} levels")
    if found := [word for word in _NOT_STRICT if word in schema]:
        raise NotStrictError(f"the keyword {found[0]}")
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return {"anyOf": [_strict(option, depth) for option in options]}
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, depth)
    if kind == "array":
        return {"type": "array", "items": _strict(schema.get("items"), depth + 1)} | _kept(schema, "description")
    if isinstance(kind, list) and {"object", "array"} & set(kind):
        raise NotStrictError("an object or list beside other types")
    if kind is None and "enum" not in schema and "const" not in schema:
        raise NotStrictError("a value of any type")
    return _kept(schema, *_KEPT)


def _object(schema: Body, depth: int) -> Body:
    properties = _properties(schema)
    if schema.get("additionalProperties") not in (None, False) or not properties:
        raise NotStrictError("an object of free keys")
    required = schema.get("required") or []
    inner = {}
    for name, child in properties.items():
        strict = _strict(child, depth + 1)
        inner[name] = strict if name in required or _knows_null(child) else {"anyOf": [strict, {"type": "null"}]}
    return _closed(inner) | _kept(schema, "description")


def _closed(properties: Body) -> Body:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _kept(schema: Body, *keys: str) -> Body:
    return {key: schema[key] for key in keys if key in schema}


def _properties(schema: Body) -> Body:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _knows_null(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    kinds = schema.get("type")
    options = schema.get("anyOf") or schema.get("oneOf") or []
    named = "null" in (kinds if isinstance(kinds, list) else [kinds])
    return named or None in (schema.get("enum") or []) or any(map(_knows_null, options))
