"""The answers that a case allows, as a grammar for constrained decoding: calls of offered tools, or words.

The grammar is Lark as llguidance reads it. The calls are written as `rendering` writes them, so the strict reading of
`reading` takes every whole answer, and the arguments follow the tool's own JSON Schema. Compiling it, and what
happens to schemas that cannot be compiled, lives in the backend that decodes.
"""

import html
import json
from collections.abc import Mapping
from typing import Any

from swap_assets.domain.conversations import ToolSpec
from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.schemas import plain_schema

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


def answer_grammar(
    answer_format: AnswerFormat, tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...]
) -> str:
    """Return the Lark grammar of a case's answers.

    Args:
        answer format: how the answer is written; not OPENAI, which no local model answers in.
        tools: the tools on offer.
        schemas: the schema of each tool's arguments, in the order of the tools.

    Raises:
        ValueError: the answer format has no written form.
    """
    if answer_format is AnswerFormat.OPENAI:
        raise ValueError("answers in the answer format openai cannot be constrained: name another answer format")
    if answer_format is AnswerFormat.JSON_SCHEMA:
        # Which function is asked for is gold's to know: the arguments of any tool on offer will do.
        return f"%llguidance {{}}\nstart: {' | '.join(map(_json, schemas or (ANY_OBJECT,)))}\n"
    structured = answer_format.track is Track.STRUCTURED
    lines = ["%llguidance {}", f"start: {_start(structured, bool(tools))}"]
    if not structured:
        lines.append(f"WORDS: {_WORDS}")
    if tools:
        lines.append("call: " + " | ".join(f"call_{number}" for number in range(len(tools))))
    for number, (tool, schema) in enumerate(zip(tools, schemas, strict=True)):
        before, after = _around(answer_format, tool.name)
        lines.append(f"call_{number}: {_quoted(before)} {_json(schema)} {_quoted(after)}")
    return "\n".join(lines) + "\n"


def _start(structured: bool, calls: bool) -> str:
    if structured:
        return '"[]" | "[" call (", " call)* "]"' if calls else '"[]"'
    return r'WORDS | call ("\n" call)*' if calls else "WORDS"


def _around(answer_format: AnswerFormat, name: str) -> tuple[str, str]:
    """Return what stands before and after the arguments of a call, as `rendering` writes it."""
    if answer_format is AnswerFormat.FLEDGLING_TOOLCALL:
        return f'<tool_call name="{html.escape(name)}">', "</tool_call>"
    key, tagged = ("tool_name", False) if answer_format is AnswerFormat.FLEDGLING_STRUCTURED else ("name", True)
    before = f'{{"{key}": {json.dumps(name, ensure_ascii=False)}, "arguments": '
    return (f"<tool_call>\n{before}", "}\n</tool_call>") if tagged else (before, "}")


def _json(schema: dict[str, Any]) -> str:
    return f"%json {json.dumps({**schema, 'x-guidance': _AS_WRITTEN})}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
