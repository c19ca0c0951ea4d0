"""The Berkeley Function-Calling Leaderboard's AST rule for Python categories: accepted values instead of one gold.

An accepted answer looks like `[{"area": {"base": [10], "height": [5], "unit": ["units", ""]}}]`: for each parameter
the values that are right, where `""` means that it may be left out. The rule below is BFCL v4's, its oddities included
(a bool in a list equals 1; an empty list matches `""`; calls are matched greedily in gold's order), so that figures
compare with the leaderboard's; the benchmarks show the agreement with `bfcl-eval` case by case. Our own idea of equal
values is in `fields`, not here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from swap_assets.domain.conversations import ToolCall

Accepted = Mapping[str, Mapping[str, Sequence[Any]]]
Function = Mapping[str, Any]

_PYTHON_TYPES: dict[str, type] = {
    "string": str, "integer": int, "float": float, "boolean": bool, "array": list, "tuple": list, "dict": dict,
    "any": str,
}  # fmt: skip
_LISTS = ("array", "tuple")
_IGNORED = re.compile(r"[ ,./\-_*^]")


class Outcome(NamedTuple):
    """Whether an answer is right; `reason` is one of a few words, `detail` names the function or parameter."""

    valid: bool
    reason: str = ""
    detail: str = ""


RIGHT = Outcome(True)


def check_answer(functions: Sequence[Function], accepted: Sequence[Accepted], calls: Sequence[ToolCall]) -> Outcome:
    """Judge an answer: as many calls as gold has, and for each gold call a call of its own that fits.

    Args:
        functions: BFCL's descriptions of the functions on offer; where one is missing its types are taken from the
            accepted values.
        accepted: gold, one mapping a call; empty where no call is right.
        calls: the answer.
    """
    if len(calls) != len(accepted):
        return Outcome(False, "wrong_count", f"{len(accepted)} calls expected, got {len(calls)}")
    described = {str(function.get("name")): function for function in functions}
    free = list(calls)
    for gold in accepted:
        ((name, parameters),) = gold.items()
        tried = [check_call(described.get(name), name, parameters, call) for call in free]
        matched = next((index for index, outcome in enumerate(tried) if outcome.valid), None)
        if matched is None:
            return tried[0] if len(tried) == 1 else Outcome(False, "no_match", f"no call fits {name}")
        del free[matched]
    return RIGHT


def check_call(function: Function | None, name: str, accepted: Mapping[str, Sequence[Any]], call: ToolCall) -> Outcome:
    """Judge one call against one gold call."""
    if call.name != name:
        return Outcome(False, "wrong_function", f"{name} expected, got {call.name}")
    described = described_parameters(function, accepted)
    for parameter in described["required"]:
        if parameter not in call.arguments:
            return Outcome(False, "missing_parameter", parameter)
    for parameter, value in call.arguments.items():
        if parameter not in described["properties"] or parameter not in accepted:
            return Outcome(False, "unexpected_parameter", parameter)
        wrong = value_problem(value, accepted[parameter], described["properties"][parameter])
        if wrong:
            return Outcome(False, wrong, parameter)
    for parameter, values in accepted.items():
        if parameter not in call.arguments and "" not in values:
            return Outcome(False, "missing_parameter", parameter)
    return RIGHT


def value_problem(value: Any, accepted: Sequence[Any], description: Mapping[str, Any]) -> str:
    """Return why a value is not accepted, "" where it is."""
    kind = _PYTHON_TYPES.get(str(description.get("type")), str)
    inner = None
    if description.get("type") in _LISTS:
        inner = _PYTHON_TYPES.get(str((description.get("items") or {}).get("type")), str)
    if description.get("type") == "float" and type(value) is int:
        if abs(value) >= 1e308:  # no float can hold it, and no accepted value is that large
            return "wrong_value"
        value = float(value)
    as_variable = _type_of_match(value, accepted, kind, inner)
    if as_variable is None:
        return "wrong_type"
    return "" if _value_accepted(value, accepted, kind, inner, literal=not as_variable) else "wrong_value"


def described_parameters(function: Function | None, accepted: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return `properties` and `required` of a function, as its accepted values show them where it is not described."""
    if function is not None:
        described = function.get("parameters") or {}
        return {"properties": described.get("properties") or {}, "required": described.get("required") or []}
    return {
        "properties": {name: _described_by(values) for name, values in accepted.items()},
        "required": [name for name, values in accepted.items() if "" not in values],
    }


def _described_by(values: Sequence[Any]) -> dict[str, Any]:
    """Return a parameter's description as its first accepted value shows it."""
    words = {kind: word for word, kind in _PYTHON_TYPES.items() if word not in ("any", "tuple")}
    first = next((value for value in values if value != ""), "")
    described: dict[str, Any] = {"type": words.get(type(first), "any")}
    if isinstance(first, list):
        described["items"] = {"type": words.get(type(first[0]) if first else str, "any")}
    return described


def _type_of_match(value: Any, accepted: Sequence[Any], kind: type, inner: type | None) -> bool | None:
    """Return None where the type is wrong, else whether the accepted values are of another type than described."""
    answer_type = next((type(one) for one in accepted if one != ""), None)
    if type(value) is kind:
        if inner is not None and not _items_fit(value, accepted, inner):
            return None
        return answer_type is not None and answer_type is not kind
    return True if type(value) is answer_type else None


def _items_fit(value: list[Any], accepted: Sequence[Any], inner: type) -> bool:
    """Whether some accepted list has items of the types that the value's items have."""
    return any(
        not isinstance(one, list) or all(_type_of_match(item, one, inner, None) is not None for item in value)
        for one in accepted
    )


def _value_accepted(value: Any, accepted: Sequence[Any], kind: type, inner: type | None, *, literal: bool) -> bool:
    if literal and kind is dict:
        return any(_same_object(value, one) for one in accepted if one != "")
    if literal and kind is list and inner is dict:
        return any(_same_objects(value, one) for one in accepted)
    if literal and kind is str:
        return _plain(value) in [_plain(one) for one in accepted if isinstance(one, str)]
    if literal and kind is list:
        return _plain_items(value) in [_plain_items(one) for one in accepted if isinstance(one, list | str)]
    return value in accepted


def _same_object(value: Any, accepted: Any) -> bool:
    """Whether an object has accepted values for its keys and lacks none that may not be left out."""
    if not isinstance(value, dict) or not isinstance(accepted, dict):
        return False
    known = all(key in accepted and _plain(inner) in _plain_items(accepted[key]) for key, inner in value.items())
    return known and all(key in value or "" in values for key, values in accepted.items())


def _same_objects(value: list[Any], accepted: Sequence[Any]) -> bool:
    return len(value) == len(accepted) and all(_same_object(*pair) for pair in zip(value, accepted, strict=True))


def _plain_items(values: Any) -> list[Any]:
    return [_plain(value) for value in (values if isinstance(values, list | str) else [values])]


def _plain(value: Any) -> Any:
    """Return a text without blanks, punctuation, capitals and kinds of quotes; anything else as it is."""
    return _IGNORED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value
