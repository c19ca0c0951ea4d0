"""Scores of answers to BFCL rows: whole answers by BFCL's rule, fields by its accepted values.

A field here is a parameter: one that was given counts as predicted, one that may not be left out as gold; an optional
one counts on both sides where it was given and gold knows it. A call without any has one field, as in `fields`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from swap_assets.domain.conversations import ToolCall
from swap_assets.domain.formats.base import ParsedAnswer
from swap_assets.domain.scoring.bfcl import (
    Accepted,
    Function,
    Outcome,
    check_answer,
    check_call,
    described_parameters,
    value_problem,
)
from swap_assets.domain.scoring.scores import FailureClass, RowScore

_CLASSES: dict[str, FailureClass] = {
    "wrong_function": "wrong_function",
    "missing_parameter": "missing_argument",
    "unexpected_parameter": "extra_argument",
    "wrong_type": "wrong_type",
}


def score_bfcl(
    row_id: str,
    functions: Sequence[Function],
    accepted: Sequence[Accepted],
    parsed: ParsedAnswer,
    *,
    labels: Mapping[str, str] | None = None,
) -> RowScore:
    """Score an answer that was obtained; `accepted` is empty where no call is right."""
    outcome = check_answer(functions, accepted, parsed.calls)
    right = outcome.valid and not (accepted and parsed.unread)  # BFCL: what holds no call is right where none is
    names = sorted(name for one in accepted for name in one) == sorted(call.name for call in parsed.calls)
    failure, difference = ("none", "") if right else _explain(outcome, accepted, parsed)
    return RowScore(
        case_id=row_id,
        conversation_id=row_id,
        labels=dict(labels or {}),
        origin="real",
        format_compliant=float(parsed.compliant),
        valid_json=None if parsed.valid_json is None and not accepted else float(bool(parsed.valid_json)),
        name_match=float(names) if accepted else None,
        name_match_strict=float(names and parsed.compliant) if accepted else None,
        exact_match=float(right),
        exact_match_strict=float(right and parsed.compliant),
        no_call_correct=None if accepted else float(right),
        extra_calls=max(0, len(parsed.calls) - len(accepted)),
        missing_calls=max(0, len(accepted) - len(parsed.calls)),
        extracted_calls=parsed.calls,
        first_difference=difference,
        failure=failure,
        **_field_figures(functions, accepted, parsed, right=right),
    )


def _field_figures(
    functions: Sequence[Function], accepted: Sequence[Accepted], parsed: ParsedAnswer, *, right: bool
) -> dict[str, Any]:
    """Return counts and figures of both readings; what is not to the letter holds no field for the strict one."""
    hits, predicted, gold = _field_counts(functions, accepted, parsed.calls)
    counts = {"true_positives": hits, "predicted_fields": predicted or gold}
    figures = _figures(hits, predicted, gold, quiet=right)
    strict = counts | figures
    if not parsed.compliant:
        strict = {"true_positives": 0, "predicted_fields": gold} | dict.fromkeys(figures, 0.0)
    strict_named = {f"{name}_strict": value for name, value in strict.items()}
    return counts | figures | {"gold_fields": gold} | strict_named


def _figures(hits: int, predicted: int, gold: int, *, quiet: bool) -> dict[str, float]:
    if not gold:
        return dict.fromkeys(("field_precision", "field_recall", "field_f1"), float(quiet))
    return {
        "field_precision": hits / predicted if predicted else 0.0,
        "field_recall": hits / gold,
        "field_f1": 2 * hits / (predicted + gold),
    }


def _field_counts(
    functions: Sequence[Function], accepted: Sequence[Accepted], calls: Sequence[ToolCall]
) -> tuple[int, int, int]:
    """Return fields that are right, predicted and gold; calls are paired by name, whole matches first."""
    described = {str(function.get("name")): function for function in functions}
    free = list(calls)
    hits, gold_fields = 0, 0
    for gold in accepted:
        ((name, parameters),) = gold.items()
        same = [call for call in free if call.name == name]
        same.sort(key=lambda call: not check_call(described.get(name), name, parameters, call).valid)
        chosen = same[0] if same else None
        if chosen is not None:
            free.remove(chosen)
        right, wanted = _pair_counts(described.get(name), parameters, chosen)
        hits, gold_fields = hits + right, gold_fields + wanted
    return hits, sum(max(1, len(call.arguments)) for call in calls), gold_fields


def _pair_counts(
    function: Function | None, accepted: Mapping[str, Sequence[Any]], call: ToolCall | None
) -> tuple[int, int]:
    given = call.arguments if call else {}
    wanted = [name for name, values in accepted.items() if name in given or "" not in values]
    if not wanted and not given:
        return int(call is not None), 1
    properties = described_parameters(function, accepted)["properties"]
    right = [
        name
        for name in wanted
        if name in given and not value_problem(given[name], accepted[name], properties.get(name, {"type": "any"}))
    ]
    return len(right), max(1, len(wanted))


def _explain(outcome: Outcome, accepted: Sequence[Accepted], parsed: ParsedAnswer) -> tuple[FailureClass, str]:
    if parsed.unread:
        return "unreadable", "; ".join(parsed.problems)
    if not parsed.calls and not parsed.text.strip():
        return "empty", "the answer is empty"
    if not accepted:
        return "called_when_it_should_not", f"no call is right, got {parsed.calls[0].name}"
    if outcome.reason == "wrong_count":
        return ("missing_call" if len(parsed.calls) < len(accepted) else "extra_call"), outcome.detail
    return _CLASSES.get(outcome.reason, "wrong_value"), f"{outcome.reason.replace('_', ' ')}: {outcome.detail}"
