"""From one expected and one given answer to a score with its evidence.

Rules, each held by a test with its reason:
- Figures read what could be recovered (lenient); those that end in `_strict` only what is to the letter; whether the
  format was kept is a figure of its own, `format_compliant`.
- A refusal, an empty answer and an unreadable one are wrong. An answer that could not be obtained is unscored.
- Gold without a call: right is an answer that calls nothing, says something in words (or the format's own "no call",
  or what gold says) and ended by itself; the field figures are then 1, else 0.
- Where a call is right, a whole one counts though the answer was cut behind it.
- Where one side has fields and the other none, precision, recall and F1 are 0.
"""

import operator
from collections.abc import Iterable
from typing import Any, NamedTuple

from swap_assets.domain.formats.base import ParsedAnswer
from swap_assets.domain.metrics import METRICS, STRICT_SUFFIX
from swap_assets.domain.model import EvalCase
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.predictions import finish_reason as known_finish
from swap_assets.domain.schemas import calls_fit_schemas
from swap_assets.domain.scoring.failures import explain
from swap_assets.domain.scoring.fields import Comparison, Fields, compare, fields_of, same_calls
from swap_assets.domain.scoring.scores import RowScore
from swap_assets.domain.scoring.words import in_words, same_words

_FIGURES = ("name_match", "arguments_exact", "exact_match", "field_precision", "field_recall", "field_f1")
_REFUSED = ParsedAnswer(compliant=False, valid_json=False, problems=("refused",))


def score_all(cases: Iterable[EvalCase], records: Iterable[PredictionRecord]) -> list[RowScore]:
    """Score every case, in order; a ValueError where two records answer one case, or one a case that is not here."""
    cases = list(cases)
    by_case: dict[str, PredictionRecord] = {}
    for record in records:
        if record.case_id in by_case:
            raise ValueError(f"two records answer case '{record.case_id}': keep one measurement epoch and score again")
        by_case[record.case_id] = record
    unknown = by_case.keys() - {case.id for case in cases}
    if unknown:
        raise ValueError(f"{len(unknown)} records answer cases that are not scored here, such as '{min(unknown)}'")
    return [_score_record(case, by_case.get(case.id)) for case in cases]


def _score_record(case: EvalCase, record: PredictionRecord | None) -> RowScore:
    if record is None or not record.obtained:
        return unscored(case, (record.error if record else "") or "no answer was obtained")
    if record.finish_reason == "content_filter":
        parsed = _REFUSED
    else:
        parsed = record.parsed or record.answer_format.read(record.text, function=function_asked_for(case))
    return score_answer(case, parsed, finish_reason=record.finish_reason)


def unscored(case: EvalCase, reason: str) -> RowScore:
    """Return the row of a case whose answer could not be obtained."""
    return RowScore(**_row(case), scored=False, first_difference=reason, failure="not_obtained")


def _row(case: EvalCase) -> dict[str, Any]:
    known = ("conversation_id", "labels", "splits", "origin")
    return {"case_id": case.id, **{name: getattr(case, name) for name in known}}


def function_asked_for(case: EvalCase) -> str:
    """Return the function whose arguments an answer without a name gives: gold's, else the first on offer."""
    named = [call.name for call in case.gold_calls] or [tool.name for tool in case.tools]
    return named[0] if named else ""


class Reading(NamedTuple):
    """What one reading of an answer comes to: figures of the row, fields that are right, fields that are charged."""

    figures: dict[str, float | None]
    right: int
    charged: int


def score_answer(case: EvalCase, parsed: ParsedAnswer, *, finish_reason: str = "stop") -> RowScore:
    """Score an answer that was obtained and read; `finish_reason` is why it ended, in any server's words."""
    ending = known_finish(finish_reason)
    gold = [fields_of(call) for call in case.gold_calls]
    same = len(parsed.calls) == len(gold) and all(map(operator.is_, parsed.calls, case.gold_calls))
    predicted = gold if same else [fields_of(call) for call in parsed.calls]
    found = compare(gold, predicted)
    quiet = not gold and ending in ("stop", "tool_calls") and _says_something(case, parsed)
    lenient = strict = _reading(gold, predicted, found, ordered=case.ordered, quiet=quiet)
    if not parsed.compliant:
        calls = [fields_of(call) for call in parsed.strict_calls]
        strict = _reading(gold, calls, compare(gold, calls), ordered=case.ordered, quiet=False)
    right = lenient.figures["exact_match"]
    failure, difference = ("none", "") if right else explain(case, parsed, gold, predicted, found, ending)
    unfit = case.tools and (parsed.unread or (gold and not parsed.calls))
    fits = False if unfit else calls_fit_schemas(parsed.calls, case.tools) if parsed.calls else None
    valid = float(parsed.valid_json) if parsed.valid_json is not None else 0.0 if gold else None
    return row_of(
        case, parsed, lenient, strict, valid_json=valid, schema_valid=None if fits is None else float(fits),
        no_call_correct=None if gold else right, gold_fields=found.gold, extra_calls=len(found.extra),
        missing_calls=len(found.missing), first_difference=difference, failure=failure,
    )  # fmt: skip


def _says_something(case: EvalCase, parsed: ParsedAnswer) -> bool:
    if parsed.unread or not parsed.valid_json:
        read = not parsed.unread and in_words(parsed.text, (tool.name for tool in case.tools), case.gold_text)
        return read or same_words(parsed.text, case.gold_text)
    return True


def row_of(case: EvalCase, parsed: ParsedAnswer, lenient: Reading, strict: Reading, **evidence: Any) -> RowScore:
    """Return a row's score from its two readings; metrics that compute their own value do so here."""
    return RowScore(
        **_row(case), format_compliant=float(parsed.compliant), true_positives=lenient.right,
        predicted_fields=lenient.charged, true_positives_strict=strict.right, predicted_fields_strict=strict.charged,
        extracted_calls=parsed.calls, **lenient.figures,
        values=_computed(case, parsed),
        **{name + STRICT_SUFFIX: value for name, value in strict.figures.items()}, **evidence,
    )  # fmt: skip


def _computed(case: EvalCase, parsed: ParsedAnswer) -> dict[str, float | None]:
    strictly, own = parsed.model_copy(update={"calls": parsed.strict_calls}), dict[str, float | None]()
    for name, entry in METRICS.items():
        if entry.compute:
            own |= {name: entry.compute(case, parsed)}
            own |= {name + STRICT_SUFFIX: entry.compute(case, strictly)} if entry.strict else {}
    return own


def _reading(gold: list[Fields], predicted: list[Fields], found: Comparison, *, ordered: bool, quiet: bool) -> Reading:
    """Return one reading of an answer; `quiet` says that an answer without calls is one."""
    hits, charged = found.true_positives, found.predicted or found.gold
    if not gold:
        right = float(quiet and not predicted)
        fields = dict.fromkeys(("field_precision", "field_recall", "field_f1"), right)
        return Reading({"name_match": None, "arguments_exact": None, "exact_match": right, **fields}, hits, charged)
    if gold == predicted:
        return Reading(dict.fromkeys(_FIGURES, 1.0), hits, charged)
    nameless = ([Fields("", call.leaves) for call in calls] for calls in (gold, predicted))
    figures: dict[str, float | None] = {
        "name_match": float(sorted(call.name for call in gold) == sorted(call.name for call in predicted)),
        "arguments_exact": float(same_calls(*nameless, ordered=False)),  # whatever the functions are called
        "exact_match": float(same_calls(gold, predicted, ordered=ordered)),
        "field_precision": hits / found.predicted if found.predicted else 0.0,
        "field_recall": hits / found.gold,
        "field_f1": 2 * hits / (found.predicted + found.gold),
    }
    return Reading(figures, hits, charged)
