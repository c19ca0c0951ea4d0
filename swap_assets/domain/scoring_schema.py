"""Whether a call fits the JSON Schema of the function it names.

Not checked: `pattern` and `patternProperties`, since a pattern can be made to run for hours by the text it is given;
remote `$ref`, since scoring reads no network. A schema that is itself broken says nothing about a call: None.
"""

import json
from functools import lru_cache
from typing import Any

from swap_assets.domain.conversations import ToolCall, ToolSpec

_TYPES = {
    "dict": "object", "hashmap": "object", "float": "number", "double": "number", "int": "integer", "long": "integer",
    "list": "array", "tuple": "array", "bool": "boolean", "str": "string", "char": "string", "none": "null",
}  # fmt: skip
_KNOWN = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_SKIPPED = frozenset({"pattern", "patternProperties", "format", "$schema", "$id", "id"})


def calls_fit_schemas(calls: tuple[ToolCall, ...], tools: tuple[ToolSpec, ...]) -> bool | None:
    """Return whether every call names an offered function and fits its schema; None where that can't be told."""
    if not tools:
        return None
    offered = {tool.name: tool for tool in tools}
    verdicts = [_fits(call, offered.get(call.name)) for call in calls]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _fits(call: ToolCall, tool: ToolSpec | None) -> bool | None:
    if tool is None:
        return False
    validator = _validator(json.dumps(tool.parameters, sort_keys=True))
    return None if validator is None else validator.is_valid(call.arguments)


@lru_cache(maxsize=4096)
def _validator(schema_text: str) -> Any:
    """Return a compiled validator, None for a schema that is none."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    schema = _plain_schema(json.loads(schema_text))
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return None
    return Draft202012Validator(schema, registry=Registry())


def _plain_schema(schema: Any) -> Any:
    """Return a schema with types that JSON Schema knows and without what is not checked."""
    if isinstance(schema, list):
        return [_plain_schema(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            plain[key] = {name: _plain_schema(inner) for name, inner in value.items()}
        elif key == "type":
            plain |= _plain_type(value)
        elif key in ("enum", "const", "default", "examples"):
            plain[key] = value
        elif key not in _SKIPPED and not (key == "required" and not isinstance(value, list)):
            plain[key] = _plain_schema(value)
    return plain


def _plain_type(written: Any) -> dict[str, Any]:
    """Return `{"type": ...}` in the words of JSON Schema, {} for "any" and other words that name no type."""
    names = written if isinstance(written, list) else [written]
    mapped = [_TYPES.get(str(name).lower(), str(name).lower()) for name in names]
    return {"type": mapped if isinstance(written, list) else mapped[0]} if _KNOWN.issuperset(mapped) else {}
