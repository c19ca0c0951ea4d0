"""The Berkeley Function-Calling Leaderboard's AST rule for Python categories: accepted values instead of one gold.

An accepted answer looks like `[{"area": {"base": [10], "height": [5], "unit": ["units", ""]}}]`: for each parameter
the values that are right, where `""` means that it may be left out. The rule below is BFCL v4's, its oddities included
(a bool in a list equals 1; an empty list matches `""`; calls are matched greedily in gold's order), so that figures
compare with the leaderboard's; the benchmarks show the agreement with `bfcl-eval` case by case. Our own idea of equal
values is in `fields`, reading BFCL's answers in `bfcl_answers`.

A field here is a parameter: one that was given counts as predicted, one that may not be left out as gold; an optional
one counts on both sides where it was given and gold knows it. A call without any has one field, as in `fields`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from swap_assets.domain.formats.base import ParsedAnswer
from swap_assets.domain.model import EvalCase, ToolCall
from swap_assets.domain.scoring.row_scoring import Reading, row_of
from swap_assets.domain.scoring.scores import FailureClass, RowScore

Parameters = Mapping[str, Sequence[Any]]
Accepted = Sequence[Mapping[str, Parameters]]
Functions = Sequence[Mapping[str, Any]]

_PYTHON_TYPES: dict[str, type] = {
    "string": str, "integer": int, "float": float, "boolean": bool, "array": list, "tuple": list, "dict": dict,
    "any": str,
}  # fmt: skip
_TYPE_NAMES = {kind: name for name, kind in _PYTHON_TYPES.items() if name not in ("any", "tuple")}
_IGNORED = re.compile(r"[ ,./\-_*^]")
_CLASSES: dict[str, FailureClass] = {
    "wrong_function": "wrong_function", "missing_parameter": "missing_argument",
    "unexpected_parameter": "extra_argument", "wrong_type": "wrong_type",
}  # fmt: skip


class Outcome(NamedTuple):
    """Whether an answer is right; `reason` is one of a few words, `detail` names the function or parameter."""

    valid: bool
    reason: str = ""
    detail: str = ""


RIGHT = Outcome(True)


def is_relevance(row_id: str) -> bool:
    """Whether a row is of the category in which any call is right; only its id says so (`live_relevance_3-3-0`)."""
    return "relevance" in row_id and "irrelevance" not in row_id


def score_bfcl(case: EvalCase, functions: Functions, accepted: Accepted, parsed: ParsedAnswer) -> RowScore:
    """Score an obtained answer by BFCL's rule, its fields by the accepted values; without any no call is right."""
    outcome = check_answer(functions, accepted, parsed.calls)
    right = outcome.valid and not (accepted and parsed.unread)  # BFCL: what holds no call is right where none is
    names = sorted(name for one in accepted for name in one) == sorted(call.name for call in parsed.calls)
    hits, predicted, gold = _field_counts(functions, accepted, parsed.calls)
    figures = {"name_match": float(names) if accepted else None, "exact_match": float(right),
               "field_precision": (hits / predicted if predicted else 0.0) if gold else float(right),
               "field_recall": hits / gold if gold else float(right),
               "field_f1": 2 * hits / (predicted + gold) if gold else float(right)}  # fmt: skip
    lenient = strict = Reading(figures, hits, predicted or gold)
    if not parsed.compliant:
        strict = Reading({name: None if value is None else 0.0 for name, value in figures.items()}, 0, gold)
    failure, difference = ("none", "") if right else _explain(outcome, accepted, parsed)
    return row_of(
        case, parsed, lenient, strict,
        valid_json=None if parsed.valid_json is None and not accepted else float(bool(parsed.valid_json)),
        no_call_correct=None if accepted else float(right), gold_fields=gold,
        extra_calls=max(0, len(parsed.calls) - len(accepted)), missing_calls=max(0, len(accepted) - len(parsed.calls)),
        first_difference=difference, failure=failure,
    )  # fmt: skip


def score_relevance(case: EvalCase, functions: Functions, parsed: ParsedAnswer) -> RowScore:
    """Score an answer where some call is right and BFCL does not say which, so that no figure is of arguments."""
    offered = {str(function.get("name")) for function in functions}
    right, known = bool(parsed.calls), bool(parsed.calls) and all(call.name in offered for call in parsed.calls)
    unknown = dict.fromkeys(("field_precision", "field_recall", "field_f1"))
    lenient = strict = Reading({"name_match": float(known), "exact_match": float(right), **unknown}, 0, 0)
    if not parsed.compliant:
        strict = Reading({"name_match": 0.0, "exact_match": 0.0, **unknown}, 0, 0)
    missing: FailureClass = "unreadable" if parsed.unread else "missing_call"
    return row_of(
        case, parsed, lenient, strict, valid_json=float(bool(parsed.valid_json)), missing_calls=int(not right),
        first_difference="" if right else "a call to a function on offer expected, got none that can be read",
        failure="none" if right else missing,
    )  # fmt: skip


def check_answer(functions: Functions, accepted: Accepted, calls: Sequence[ToolCall]) -> Outcome:
    """Judge an answer: as many calls as gold has (none where no call is right), and for each one that fits it."""
    if len(calls) != len(accepted):
        return Outcome(False, "wrong_count", f"{len(accepted)} calls expected, got {len(calls)}")
    free = list(calls)
    for name, parameters, described in _gold_calls(functions, accepted):
        tried = [_check_call(described, name, parameters, call) for call in free]
        matched = next((index for index, outcome in enumerate(tried) if outcome.valid), None)
        if matched is None:
            return tried[0] if len(tried) == 1 else Outcome(False, "no_match", f"no call fits {name}")
        del free[matched]
    return RIGHT


def _gold_calls(functions: Functions, accepted: Accepted) -> Iterator[tuple[str, Parameters, Any]]:
    """Yield gold's calls: name, accepted values, the function's `properties` and `required` or as values show them."""
    known = {str(function.get("name")): function for function in functions}
    for gold in accepted:
        ((name, parameters),) = gold.items()
        described = (known[name].get("parameters") or {}) if name in known else {
            "properties": {key: _described_by(values) for key, values in parameters.items()},
            "required": [key for key, values in parameters.items() if "" not in values],
        }  # fmt: skip
        yield name, parameters, {key: described.get(key) or {} for key in ("properties", "required")}


def _described_by(values: Sequence[Any]) -> dict[str, Any]:
    """Return a parameter's description as its first accepted value shows it."""
    first = next((value for value in values if value != ""), "")
    described: dict[str, Any] = {"type": _TYPE_NAMES.get(type(first), "any")}
    if isinstance(first, list):
        described["items"] = {"type": _TYPE_NAMES.get(type(first[0]) if first else str, "any")}
    return described


def _check_call(described: Mapping[str, Any], name: str, accepted: Parameters, call: ToolCall) -> Outcome:
    if call.name != name:
        return Outcome(False, "wrong_function", f"{name} expected, got {call.name}")
    missing = next((key for key in described["required"] if key not in call.arguments), None)
    if missing is not None:
        return Outcome(False, "missing_parameter", missing)
    for parameter, value in call.arguments.items():
        if parameter not in described["properties"] or parameter not in accepted:
            return Outcome(False, "unexpected_parameter", parameter)
        if wrong := _value_problem(value, accepted[parameter], described["properties"][parameter]):
            return Outcome(False, wrong, parameter)
    missing = next((key for key, values in accepted.items() if key not in call.arguments and "" not in values), None)
    return RIGHT if missing is None else Outcome(False, "missing_parameter", missing)


def _value_problem(value: Any, accepted: Sequence[Any], description: Mapping[str, Any]) -> str:
    """Return why a value is not accepted, "" where it is."""
    written = description.get("type")
    kind, inner = _PYTHON_TYPES.get(str(written), str), None
    if written in ("array", "tuple"):
        inner = _PYTHON_TYPES.get(str((description.get("items") or {}).get("type")), str)
    if written == "float" and type(value) is int:
        if abs(value) >= 1e308:  # no float can hold it, and no accepted value is that large
            return "wrong_value"
        value = float(value)
    as_variable = _type_of_match(value, accepted, kind, inner)
    if as_variable is None:
        return "wrong_type"
    fits = value in accepted if as_variable else _value_accepted(value, accepted, kind, inner)
    return "" if fits else "wrong_value"


def _type_of_match(value: Any, accepted: Sequence[Any], kind: type, inner: type | None) -> bool | None:
    """Return None for a wrong type (of an item too), else whether accepted values are of another than described."""
    answer_type = next((type(one) for one in accepted if one != ""), None)
    if type(value) is not kind:
        return True if type(value) is answer_type else None
    if inner is not None and not any(
        not isinstance(one, list) or all(_type_of_match(item, one, inner, None) is not None for item in value)
        for one in accepted
    ):
        return None
    return answer_type is not None and answer_type is not kind


def _value_accepted(value: Any, accepted: Sequence[Any], kind: type, inner: type | None) -> bool:
    if kind is dict:
        return any(_same_object(value, one) for one in accepted if one != "")
    if kind is list and inner is dict:
        return any(len(value) == len(one) and all(map(_same_object, value, one)) for one in accepted)
    if kind is str:
        return _plain(value) in [_plain(one) for one in accepted if isinstance(one, str)]
    if kind is list:
        return _plain_items(value) in [_plain_items(one) for one in accepted if isinstance(one, list | str)]
    return value in accepted


def _same_object(value: Any, accepted: Any) -> bool:
    """Whether an object has accepted values for its keys and lacks none that may not be left out."""
    if not isinstance(value, dict) or not isinstance(accepted, dict):
        return False
    known = all(key in accepted and _plain(inner) in _plain_items(accepted[key]) for key, inner in value.items())
    return known and all(key in value or "" in values for key, values in accepted.items())


def _plain_items(values: Any) -> list[Any]:
    return [_plain(value) for value in (values if isinstance(values, list | str) else [values])]


def _plain(value: Any) -> Any:
    """Return a text without blanks, punctuation, capitals and kinds of quotes; anything else as it is."""
    return _IGNORED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _field_counts(functions: Functions, accepted: Accepted, calls: Sequence[ToolCall]) -> tuple[int, int, int]:
    """Return fields that are right, predicted and gold; calls are paired by name, whole matches first."""
    free, hits, gold_fields = list(calls), 0, 0
    for name, parameters, described in _gold_calls(functions, accepted):
        same = [call for call in free if call.name == name]
        chosen = min(same, key=lambda call: not _check_call(described, name, parameters, call).valid, default=None)
        if chosen is not None:
            free.remove(chosen)
        given = chosen.arguments if chosen else {}
        wanted = [key for key, values in parameters.items() if key in given or "" not in values]
        known = ((key, described["properties"].get(key, {"type": "any"})) for key in wanted if key in given)
        right = sum(not _value_problem(given[key], parameters[key], one) for key, one in known)
        hits += right if wanted or given else chosen is not None
        gold_fields += max(1, len(wanted))
    return hits, sum(max(1, len(call.arguments)) for call in calls), gold_fields


def _explain(outcome: Outcome, accepted: Accepted, parsed: ParsedAnswer) -> tuple[FailureClass, str]:
    if parsed.unread:
        return "unreadable", "; ".join(parsed.problems)
    if not parsed.calls and not parsed.text.strip():
        return "empty", "the answer is empty"
    if not accepted:
        return "called_when_it_should_not", f"no call is right, got {parsed.calls[0].name}"
    if outcome.reason == "wrong_count":
        return ("missing_call" if len(parsed.calls) < len(accepted) else "extra_call"), outcome.detail
    return _CLASSES.get(outcome.reason, "wrong_value"), f"{outcome.reason.replace('_', ' ')}: {outcome.detail}"
