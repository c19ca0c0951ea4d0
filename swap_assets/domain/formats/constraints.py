"""The parts of which answer formats make a grammar for constrained decoding: calls of offered tools, or words.

The grammar is Lark as llguidance reads it. Each format puts its own marks around the arguments, so that its strict
reading takes every whole answer, and the arguments follow the tool's own JSON Schema. Compiling it, and what happens
to schemas that cannot be compiled, lives in the backend that decodes.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from swap_assets.domain.conversations import ToolSpec
from swap_assets.domain.formats.calls_in_json import dump
from swap_assets.domain.schemas import plain_schema

Around = Callable[[str], tuple[str, str]]
ANY_OBJECT: dict[str, Any] = {"type": "object"}
_AS_WRITTEN = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
# Words are what the strict reading takes for words: no mark of a call, no brace that could begin one, not only blanks.
_WORDS = r"""/(.|\n)*[^\s\x1c-\x1f](.|\n)*/ & ~/(.|\n)*(\{|[<\[]\/?tool_call|"(name|tool_name)"[ \t\r\n]*:)(.|\n)*/"""


def argument_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema that the arguments of a tool's calls follow; a schema of no object is any object.

    An object that names its properties takes no others unless it says so itself: free keys could be written twice.
    """
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


def words_or_calls(tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...], *, around: Around) -> str:
    """Return the grammar of an answer in words, or of calls a line each."""
    start = r'WORDS | call ("\n" call)*' if tools else "WORDS"
    return calls_grammar(tools, schemas, start=f"{start}\nWORDS: {_WORDS}", around=around)


def calls_grammar(
    tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...], *, start: str, around: Around
) -> str:
    """Return a grammar whose rule `call` is a call of any tool.

    Args:
        tools: the tools on offer.
        schemas: the schema of each tool's arguments, in the order of the tools.
        start: the rule of a whole answer.
        around: what stands before and after the arguments in a call of a name.
    """
    lines = ["%llguidance {}", f"start: {start}"]
    if tools:
        lines.append("call: " + " | ".join(f"call_{number}" for number in range(len(tools))))
    for number, (tool, schema) in enumerate(zip(tools, schemas, strict=True)):
        before, after = around(tool.name)
        lines.append(f"call_{number}: {dump(before)} {schema_rule(schema)} {dump(after)}")
    return "\n".join(lines) + "\n"


def schema_rule(schema: dict[str, Any]) -> str:
    """Return what stands in a rule for JSON that follows a schema, spaced as `dump` spaces it."""
    return f"%json {json.dumps({**schema, 'x-guidance': _AS_WRITTEN})}"
