"""Calls written as JSON: which values are a call, strictly in one shape or leniently in any, and their grammar.

A call has been seen written as `{"name": "f", "arguments": {...}}`, `{"tool_name": ..., "arguments": ...}`,
`{"tool_call": "f", "arguments": ...}`, `{"function": {"name": "f", "arguments": "{...}"}}` and, in the extraction rows
of Hermes, `{"arguments": {"name": "f", ...}}`. Finding the values in a loose text lives in `tags`.

The grammar, for constrained decoding, is Lark as llguidance reads it. Each format puts its own marks around the
arguments, so that its strict reading takes every whole answer, and the arguments follow the tool's own JSON Schema.
Compiling it, and what happens to schemas that cannot be compiled, lives in the backend that decodes.
"""

import json
import re
from collections.abc import Callable, Mapping, Set
from typing import Any

from swap_assets.domain.formats.literals import read_strict, readable, skip_blank
from swap_assets.domain.model import ToolCall, ToolSpec
from swap_assets.domain.schemas import plain_schema

_NAME_KEYS = ("name", "tool_name", "function", "tool_call", "function_name", "tool")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input")
_UNREADABLE = object()  # not None, which is JSON's null: no arguments at all
_BLANK = re.compile(r"[ \t\r\n]*+")
_CLOSE = "</tool_call>"
Around = Callable[[str], tuple[str, str]]
ANY_OBJECT: dict[str, Any] = {"type": "object"}
_AS_WRITTEN = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_WORDS = r"""/(.|\n)*[^\s\x1c-\x1f](.|\n)*/ & ~/(.|\n)*(\{|[<\[]\/?tool_call|"(name|tool_name)"[ \t\r\n]*:)(.|\n)*/"""


def dump(value: object) -> str:
    """Write a JSON value as every format writes it."""
    return json.dumps(value, ensure_ascii=False)


def call_of_shape(value: Any, name_key: str, *, optional: Set[str] = frozenset()) -> ToolCall | None:
    """Return the call that an object of a name, arguments and at most the optional keys is, else None."""
    required = {name_key, "arguments"}
    fits = isinstance(value, dict) and required <= value.keys() <= required | optional
    return make_call(value[name_key], value["arguments"]) if fits else None


def calls_of_list(value: Any, read: Callable[[Any], ToolCall | None]) -> tuple[ToolCall, ...] | None:
    """Return the calls of a list that holds nothing else, else None."""
    calls = [read(one) for one in value] if isinstance(value, list) else [None]
    return tuple(call for call in calls if call) if all(calls) else None


def calls_in_jinja(before: str, after: str, *, between: str = "\n", begin: str = "", end: str = "") -> str:
    """Return Jinja that writes `calls`, each its arguments `before` and `after` them; NAME is the call's name."""
    name = "call['name']|tojson" if '"NAME"' in before else "call['name']"
    head, _, rest = before.partition('"NAME"' if '"NAME"' in before else "NAME")
    arguments = "call['arguments'] if call['arguments'] is string else call['arguments']|tojson"
    each = f"{dump(head)} ~ {name} ~ {dump(rest)} ~ ({arguments}) ~ {dump(after)}"
    opened, closed = (f"{{{{- {dump(mark)} }}}}" * bool(mark) for mark in (begin, end))
    joined = (
        f"{{%- for call in calls -%}}{{{{- ({dump(between)} if not loop.first else '') ~ {each} }}}}{{%- endfor -%}}"
    )
    return f"{opened}{joined}{closed}"


def strict_tags(text: str, opening: re.Pattern, read: Callable[..., ToolCall | None]) -> tuple[ToolCall, ...] | None:
    """Return the calls of tags around one JSON value each, blanks between; None or a LiteralError for other texts."""
    calls, at = list[ToolCall](), 0
    while at < len(text):
        if not (tag := opening.match(text, at)):
            return None
        value, end, _ = read_strict(text, skip_blank(text, tag.end(), _BLANK))
        end = skip_blank(text, end, _BLANK)
        call = read(tag, value)
        if call is None or not text.startswith(_CLOSE, end):
            return None
        calls.append(call)
        at = skip_blank(text, end + len(_CLOSE), _BLANK)
    return tuple(calls) or None


def lenient_calls(value: Any, *, tagged: bool, notes: dict[str, None]) -> list[ToolCall]:
    """Return the calls in a value of any shape seen, of a bare name too where `tagged`; `notes` gets the repairs."""
    if isinstance(value, str):
        value = _read_text(value, notes)
    inside = value if isinstance(value, list) else [value]
    return [call for inner in inside for call in _calls_of_object(inner, tagged=tagged, notes=notes)]


def _calls_of_object(value: Any, *, tagged: bool, notes: dict[str, None]) -> list[ToolCall]:
    """Return the call, or the `tool_calls`, that one object holds."""
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("tool_calls"), list):
        return [call for one in value["tool_calls"] for call in _calls_of_object(one, tagged=tagged, notes=notes)]
    for key in ("function", "function_call"):
        if isinstance(value.get(key), dict):
            return _calls_of_object(value[key], tagged=True, notes=notes)
    arguments_key = next((key for key in _ARGUMENT_KEYS if key in value), None)
    arguments = _as_arguments(value[arguments_key], notes) if arguments_key else ({} if tagged else None)
    if arguments is None or (arguments_key == "parameters" and "properties" in arguments):
        return []  # the second is a tool's own schema, echoed from the prompt
    name = next((value[key] for key in _NAME_KEYS if isinstance(value.get(key), str)), None)
    if name is None and isinstance(arguments.get("name"), str):
        name = arguments["name"]
        arguments = {key: inner for key, inner in arguments.items() if key != "name"}
    call = make_call(name, arguments)
    return [call] if call else []


def make_call(name: Any, arguments: Any) -> ToolCall | None:
    """Return a call from a name and an arguments object, None where they are of other types or the name is empty."""
    made = isinstance(name, str) and name.strip() and isinstance(arguments, dict)
    return ToolCall(name=name, arguments=arguments) if made else None


def _read_text(text: str, notes: dict[str, None]) -> Any:
    """Read a text that should be one value and nothing else, tolerantly; `_UNREADABLE` where it is not."""
    literal = readable(text)
    if not literal:
        notes["a call's arguments could not be read"] = None
        return _UNREADABLE
    notes |= dict.fromkeys(literal.repairs)
    return literal.value


def _as_arguments(value: Any, notes: dict[str, None]) -> dict[str, Any] | None:
    """Return arguments as an object, {} where none are written, None where something is written that is none."""
    if isinstance(value, str):
        value = _read_text(value, notes) if value.strip() else {}
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


def argument_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a call's arguments, any object for a schema of none; named keys are all there are."""
    schema = plain_schema(dict(parameters))
    kind = schema.get("type", "object")
    if "object" not in (kind if isinstance(kind, list) else [kind]):
        return ANY_OBJECT
    return _closed({**schema, "type": "object"})


def _closed(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    found, properties = dict(schema), schema.get("properties")
    if isinstance(properties, dict):
        found["properties"] = {name: _closed(inner) for name, inner in properties.items()}
        apart = {"anyOf", "allOf", "oneOf", "not", "$ref", "if", "dependentSchemas"} & schema.keys()
        if properties and not apart and set(schema.get("required", ())) <= properties.keys():
            found.setdefault("additionalProperties", False)
    if "items" in schema:
        found["items"] = _closed(schema["items"])
    return found


def calls_grammar(tools: tuple[ToolSpec, ...], schemas: tuple[dict, ...], *, start: str, around: Around) -> str:
    """Return a grammar of answers by the rule `start`; `schemas` and what stands `around` them are the tools' own."""
    lines = ["%llguidance {}", f"start: {start}"]
    if tools:
        lines.append("call: " + " | ".join(f"call_{number}" for number in range(len(tools))))
    for number, (tool, schema) in enumerate(zip(tools, schemas, strict=True)):
        before, after = around(tool.name)
        lines.append(f"call_{number}: {dump(before)} {schema_rule(schema)} {dump(after)}")
    return "\n".join(lines) + "\n"


def words_rule(opening: str) -> str:
    """Return the rule of what the strict reading takes for words: no mark of a call, no brace, not only blanks."""
    begun = [f"{dump(opening)} /(.|\\n)*/"] * bool(opening)
    begun += [rf"{dump(opening[:size])} /[\s\x1c-\x1f]*/" for size in range(2, len(opening))]
    return f"WORDS: {_WORDS}" + f" & ~(/(.|\\n)*/ ({' | '.join(begun)}))" * bool(opening)


def schema_rule(schema: dict[str, Any]) -> str:
    """Return what stands in a rule for JSON that follows a schema, spaced as `dump` spaces it."""
    return f"%json {json.dumps({**schema, 'x-guidance': _AS_WRITTEN})}"
