"""JSON Schemas as a service's strict mode takes them, and answers made plain again.

Strict mode wants every property required and every object closed. So an optional property may be null instead, and a
null that the tool itself does not know is taken out of the answer. Bounds, formats and defaults are left out: services
differ in which they take, and scoring checks them anyway. What has no strict form at all (an object of free keys, a
value of any type, `$ref`, `allOf`) is refused here; such a question is asked with the same schema, not strict.
"""

from typing import Any

from swap_assets.domain.schemas import plain_schema

DEEPEST = 10  # levels of objects and lists that OpenAI takes
_KEPT = ("type", "description", "enum", "const")
_NOT_STRICT = ("$ref", "allOf", "not", "if", "prefixItems", "patternProperties", "dependentSchemas")


class NotStrictError(ValueError):
    """A schema has no strict form; the message names what stands against it."""


def strict_schema(parameters: dict[str, Any], *, depth: int = 0) -> dict[str, Any]:
    """Return the strict form of a function's parameters (an object, also where they are empty).

    Raises:
        NotStrictError: there is none.
    """
    schema = plain_schema(parameters)
    return _object({"type": "object", **schema}, depth) if schema.get("properties") else _closed({}, depth)


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


def _strict(schema: Any, depth: int) -> dict[str, Any]:
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
        kept = {"type": "array", "items": _strict(schema.get("items"), depth + 1)}
        return kept | {key: schema[key] for key in ("description",) if key in schema}
    if isinstance(kind, list) and {"object", "array"} & set(kind):
        raise NotStrictError("an object or list beside other types")
    if kind is None and "enum" not in schema and "const" not in schema:
        raise NotStrictError("a value of any type")
    return {key: schema[key] for key in _KEPT if key in schema}


def _object(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    properties = _properties(schema)
    if schema.get("additionalProperties") not in (None, False) or not properties:
        raise NotStrictError("an object of free keys")
    required = schema.get("required") or []
    inner = {}
    for name, child in properties.items():
        strict = _strict(child, depth + 1)
        inner[name] = strict if name in required or _knows_null(child) else {"anyOf": [strict, {"type": "null"}]}
    return _closed(inner, depth) | {key: schema[key] for key in ("description",) if key in schema}


def _closed(properties: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        raise NotStrictError(f"more than {DEEPEST} levels")
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _knows_null(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    kinds = schema.get("type")
    options = schema.get("anyOf") or schema.get("oneOf") or []
    named = "null" in kinds if isinstance(kinds, list) else kinds == "null"
    return named or None in (schema.get("enum") or []) or any(_knows_null(option) for option in options)
