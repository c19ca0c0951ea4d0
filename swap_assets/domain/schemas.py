"""Whether a call fits the JSON Schema of the function it names.

Every row of a real data set brings tools of its own, and jsonschema takes a millisecond to check and compile one. So
the keywords that tools use are compiled here into plain functions (about 10 microseconds), and a schema that uses any
other goes to jsonschema; a property test holds that both say the same.

Not checked: `pattern` and `patternProperties`, since a pattern can be made to run for hours by the text it is given;
`format`; remote `$ref`, since scoring reads no network. A schema that is itself broken says nothing about a call: None.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from swap_assets.domain.conversations import ToolCall, ToolSpec
from swap_assets.domain.scoring.fields import same_json, scalar_key

Check = Callable[[Any], bool]
Verdict = Callable[[Any], bool | None]

_TYPES = {
    "dict": "object", "hashmap": "object", "float": "number", "double": "number", "int": "integer", "long": "integer",
    "list": "array", "tuple": "array", "bool": "boolean", "str": "string", "char": "string", "none": "null",
}  # fmt: skip
_SKIPPED = frozenset({"pattern", "patternProperties", "format", "$schema", "$id", "id"})
_JSONSCHEMA_ONLY = frozenset(
    {
        "$ref", "$defs", "$anchor", "$dynamicRef", "definitions", "anyOf", "allOf", "oneOf", "not", "if", "then",
        "else", "propertyNames", "dependencies", "dependentRequired", "dependentSchemas", "prefixItems", "contains",
        "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "multipleOf", "minProperties", "maxProperties",
        "minContains", "maxContains", "const",
    }
)  # fmt: skip
_IS_TYPE: dict[str, Check] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}
_NUMBER_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
}
_LENGTH_BOUNDS: dict[str, tuple[type, Callable[[int, int], bool]]] = {
    "minLength": (str, lambda length, bound: length >= bound),
    "maxLength": (str, lambda length, bound: length <= bound),
    "minItems": (list, lambda length, bound: length >= bound),
    "maxItems": (list, lambda length, bound: length <= bound),
}


class _NeedsJsonSchemaError(Exception):
    """The schema uses a keyword, or a form of one, that is not compiled here."""


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
    check = _checker_of(_SameObject(tool.parameters))
    return None if check is None else check(call.arguments)


class _SameObject:
    """A schema as a cache's key: by identity, which costs nothing; the key holds it, so no other gets its address."""

    __slots__ = ("schema",)

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameObject) and other.schema is self.schema


@lru_cache(maxsize=4096)
def _checker_of(tool: _SameObject) -> Verdict | None:
    return _checker(json.dumps(tool.schema))


@lru_cache(maxsize=4096)
def _checker(schema_text: str) -> Verdict | None:
    """Return the check of a schema, None for a schema that is none; equal schemas of other rows are compiled once."""
    schema = plain_schema(json.loads(schema_text))
    try:
        return compile_schema(schema)
    except _NeedsJsonSchemaError:
        return jsonschema_check(schema)


def jsonschema_check(schema: Any) -> Verdict | None:
    """Return jsonschema's own check (draft 2020-12), None for a schema that is none.

    The check itself gives None where a `$ref` leads nowhere or in circles.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return None
    validator = Draft202012Validator(schema, registry=Registry())

    def check(value: Any) -> bool | None:
        try:
            return validator.is_valid(value)
        except (Unresolvable, RecursionError):
            return None

    return check


def compile_schema(schema: Any) -> Check:
    """Return the check of a schema that uses only the keywords of this module.

    Raises:
        _NeedsJsonSchemaError: it uses others.
    """
    if not isinstance(schema, dict) or not _JSONSCHEMA_ONLY.isdisjoint(schema):
        raise _NeedsJsonSchemaError
    checks = [*_type_checks(schema), *_value_checks(schema), *_inner_checks(schema)]
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)
    return lambda value: all(check(value) for check in checks)


def _type_checks(schema: dict[str, Any]) -> list[Check]:
    if "type" not in schema:
        return []
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not names or not all(isinstance(name, str) and name in _IS_TYPE for name in names):
        raise _NeedsJsonSchemaError
    alternatives = [_IS_TYPE[name] for name in names]
    return alternatives if len(alternatives) == 1 else [lambda value: any(fits(value) for fits in alternatives)]


def _value_checks(schema: dict[str, Any]) -> list[Check]:
    checks: list[Check] = []
    if "enum" in schema:
        if not isinstance(schema["enum"], list):
            raise _NeedsJsonSchemaError
        checks.append(_enum_check(schema["enum"]))
    for key, compare in _NUMBER_BOUNDS.items():
        if key in schema:
            checks.append(_bounded(_IS_TYPE["number"], compare, schema[key], measure=lambda value: value))
    for key, (kind, compare) in _LENGTH_BOUNDS.items():
        if key in schema:
            checks.append(_bounded(lambda value, kind=kind: isinstance(value, kind), compare, schema[key], measure=len))
    return checks


def _enum_check(accepted: list[Any]) -> Check:
    if any(isinstance(one, dict | list) for one in accepted):
        return lambda value: any(same_json(value, one) for one in accepted)
    scalars = frozenset(map(scalar_key, accepted))
    return lambda value: not isinstance(value, dict | list) and scalar_key(value) in scalars


def _bounded(
    applies: Check, compare: Callable[[Any, Any], bool], bound: Any, *, measure: Callable[[Any], Any]
) -> Check:
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        raise _NeedsJsonSchemaError
    return lambda value: not applies(value) or compare(measure(value), bound)


def _inner_checks(schema: dict[str, Any]) -> list[Check]:
    checks: list[Check] = []
    properties, required = schema.get("properties", {}), schema.get("required", [])
    closed = schema.get("additionalProperties", True)
    if not isinstance(properties, dict) or not isinstance(required, list) or not isinstance(closed, bool):
        raise _NeedsJsonSchemaError
    if not all(isinstance(name, str) for name in required):
        raise _NeedsJsonSchemaError
    if properties or required or closed is False:
        inner = {name: compile_schema(child) for name, child in properties.items()}
        checks.append(_object_check(inner, required, closed=closed is False))
    if "items" in schema:
        each = compile_schema(schema["items"])
        checks.append(lambda value: not isinstance(value, list) or all(each(one) for one in value))
    return checks


def _object_check(inner: dict[str, Check], required: list[str], *, closed: bool) -> Check:
    def check(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name in required:
            if name not in value:
                return False
        for name, one in value.items():
            fits = inner.get(name)
            if closed if fits is None else not fits(one):
                return False
        return True

    return check


def plain_schema(schema: Any) -> Any:
    """Return a schema with types that JSON Schema knows and without what is not checked."""
    if isinstance(schema, list):
        return [plain_schema(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            plain[key] = {name: plain_schema(inner) for name, inner in value.items()}
        elif key == "type":
            plain |= _plain_type(value)
        elif key in ("enum", "const", "default", "examples"):
            plain[key] = value
        elif key not in _SKIPPED and not (key == "required" and not isinstance(value, list)):
            plain[key] = plain_schema(value)
    return plain


def _plain_type(written: Any) -> dict[str, Any]:
    """Return `{"type": ...}` in the words of JSON Schema, {} for "any" and other words that name no type."""
    names = written if isinstance(written, list) else [written]
    mapped = [_TYPES.get(str(name).lower(), str(name).lower()) for name in names]
    return {"type": mapped if isinstance(written, list) else mapped[0]} if set(mapped) <= _IS_TYPE.keys() else {}
