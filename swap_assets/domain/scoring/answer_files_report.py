"""What `swap-assets score` says of a file: one JSON value with every aggregate, strict and lenient, micro and macro.

For Fledgling's formats the convention of the published results stands beside it, so that old figures can be compared
and seen through: micro precision, recall and F1 over all leaf fields of the reference, for the structured format the
whole object, that is `query` and `tool_name` too, which the prompt gave away; for the tool-call one the arguments. An
output that is not valid adds all reference fields as missed and no wrong one, so that it costs recall and no precision.
Valid means `json.loads` of the whole answer, or exactly one `<tool_call name="...">{...}</tool_call>`. A leaf is its
path written as text, `a.b[0]`, and its JSON; an empty object or list has none.

The published evaluator read its references as strictly as its answers, and those it could not read (Python repr,
several calls) became figures of 0. Here they are read leniently and counted; the calls of a reference with several are
compared at their places, `[0].city`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.literals import LiteralError, read_tolerant
from swap_assets.domain.formats.tags import find_first_object
from swap_assets.domain.metrics import METRICS, STRICT_SUFFIX
from swap_assets.domain.scoring.aggregation import FIELD_COUNTS, summarise
from swap_assets.domain.scoring.answer_files import BFCL, Given, Gold
from swap_assets.domain.scoring.scores import EvalSummary, Metric, PairedDifference, RowScore, paired_difference
from swap_assets.domain.statistics import conversations_needed

Rows = Sequence[RowScore]
COMPARED = ("field_f1", "exact_match")
_TAG = re.compile(r'<tool_call name="([^"]+)">\s*(\{.*\})\s*</tool_call>', re.DOTALL)
Leaves = set[tuple[str, str]]
Read = tuple[str, Any] | None  # a function's name and what was read


def report(written: AnswerFormat | None, gold: Gold, given: Given, scored: Rows, *, name: str) -> dict[str, Any]:
    """Return the report of one file of predictions, ready for JSON; BFCL answers belong to the tool-call track."""
    summary = summarise(name, written or HERMES, scored)
    missing, unasked = [one for one in gold if one not in given], [one for one in given if one not in gold]
    uncalled = [one for one, row in gold.items() if not (row.case.gold_calls or row.accepted or row.any_call)]
    fields = {name: sum(getattr(row, name) for row in scored) for name in FIELD_COUNTS}
    found: dict[str, Any] = {
        "answer_format": written.name if written else BFCL,
        "complete": summary.complete,
        "counts": {
            "gold": len(gold),
            "predictions": len(given),
            "scored": summary.scored,
            "unscored": summary.unscored,
            "without_prediction": len(missing),
            "without_gold": len(unasked),
            "gold_without_call": len(uncalled),
        },
        "ids_without_prediction": missing,
        "ids_without_gold": unasked,
        "macro": _by_reading(summary.metrics),
        "micro": _by_reading(summary.micro) | {"fields": fields},
        "by_label": {
            split: {label: _by_reading(metrics) for label, metrics in labels.items()}
            for split, labels in summary.by_label.items()
        },
        "by_origin": {origin: _by_reading(metrics) for origin, metrics in summary.by_origin.items()},
        "failures": summary.failures,
        "failure_examples": {failure: list(ids) for failure, ids in summary.failure_examples.items()},
    }
    if written and written in READERS:
        found["published_convention"] = _published(written, gold, given, scored, summary)
    return found


def comparison(ours: Rows, other: Rows, *, margin_points: float) -> dict[str, Any]:
    """Return PREDICTIONS − OTHER on identical rows, in points, for each compared metric; None where there are none.

    Non-inferior is what loses less than the margin for sure: the whole 95 % interval lies above it. The conversations
    needed are those in all, if the measured difference is the true one; None where no number would do.
    """
    pairs = {metric: paired_difference(ours, other, metric) for metric in COMPARED}
    return {metric: found and _compared(found, margin_points) for metric, found in pairs.items()}


def _compared(found: PairedDifference, margin_points: float) -> dict[str, Any]:
    margin = margin_points / 100
    needed = conversations_needed(found.difference + margin, found.conversation_deviation, unseen=found.unseen)
    return {
        "difference_points": 100 * found.difference, "low_points": 100 * found.low, "high_points": 100 * found.high,
        "rows": found.rows, "conversations": found.conversations, "rows_left_out": found.left_out,
        "wholly_right_only_here": found.only_a, "wholly_right_only_other": found.only_b,
        "mcnemar_exact_p": found.mcnemar_p, "margin_points": margin_points, "non_inferior": found.low > -margin,
        "superior": found.low > 0, "worse": found.high < 0, "conversations_needed_for_80_percent_power": needed,
        "further_conversations_needed": None if needed is None else max(0, needed - found.conversations),
    }  # fmt: skip


def _by_reading(metrics: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """Split metrics into the lenient and the strict reading; what has only one reading stands in both."""
    written = {name: metric.model_dump(mode="json") for name, metric in metrics.items()}
    lenient = {name: metric for name, metric in written.items() if not name.endswith(STRICT_SUFFIX)}
    strict = {name.removesuffix(STRICT_SUFFIX): metric for name, metric in written.items() if name not in lenient}
    both = {name: metric for name, metric in lenient.items() if not METRICS[name].strict}
    return {"lenient": lenient, "strict": strict | both}


def _published(written: AnswerFormat, gold: Gold, given: Given, scored: Rows, summary: EvalSummary) -> dict[str, Any]:
    """Return the figures in the published convention beside ours, over the same rows: those with an answer."""
    rows = [gold[score.case_id] for score in scored if score.scored]
    pairs = [(row.reference or written.write(row.case.gold_calls), given[row.id].text or "") for row in rows]
    ours = {name: {"lenient": summary.micro[name].value, "strict": summary.micro[name + STRICT_SUFFIX].value}
            for name in ("field_precision", "field_recall", "field_f1")}  # fmt: skip
    note = (
        "published: leaves of the whole reference, an invalid output costs no precision; "
        "ours: leaves of the arguments only, an invalid output costs precision as well"
    )
    return published_figures(written, pairs) | {"ours": ours, "difference": note}


def published_figures(answer_format: AnswerFormat, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the figures of (reference, prediction) texts: rates are shares of `rows`, counts are fields.

    `references_repaired` rows have a reference that the published evaluator could not have read and that was read
    leniently; `references_without_call` rows have one in words. A ValueError for formats other than Fledgling's two.
    """
    if answer_format not in READERS:
        raise ValueError(f"no results were published in the answer format '{answer_format.name}'")
    read, count = READERS[answer_format], Counter[str]()
    for reference, prediction in pairs:
        gold, given = read(reference), read(prediction)
        if gold is None:
            gold, given = _recovered(answer_format, reference, prediction, given)
            count["wordy" if gold is None else "repaired"] += 1
        count.update(rows=1, valid=given is not None)
        if gold is None:
            continue
        wanted, found = _leaves(gold[1]), _leaves(given[1]) if given else set()
        count.update(right=len(wanted & found), wrong=len(found - wanted), missed=len(wanted - found))
        if given is not None:
            count.update(names=given[0] == gold[0], exact=given[1] == gold[1])
    right, rows = count["right"], count["rows"]
    precision, recall = _share(right, right + count["wrong"]), _share(right, right + count["missed"])
    return {"rows": rows, "valid_rate": _share(count["valid"], rows),
            "name_match_rate": _share(count["names"], rows) if read is _read_tag else None,
            "exact_match_rate": _share(count["exact"], rows), "field_precision": precision, "field_recall": recall,
            "field_f1": _share(2 * precision * recall, precision + recall), "true_positives": right,
            "false_positives": count["wrong"], "false_negatives": count["missed"],
            "references_repaired": count["repaired"], "references_without_call": count["wordy"]}  # fmt: skip


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _read_object(text: str) -> Read:
    try:
        return "", json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_tag(text: str) -> Read:
    tag = _TAG.fullmatch(text.strip())
    found = _read_object(tag[2]) if tag else None
    return (tag[1], found[1]) if tag and found else None


READERS = {FLEDGLING_STRUCTURED: _read_object, FLEDGLING_TOOLCALL: _read_tag}


def _recovered(written: AnswerFormat, reference: str, prediction: str, given: Read) -> tuple[Read, Read]:
    """Return an inexact reference (None: words) and the prediction as it compares, several calls by their places."""
    if READERS[written] is _read_object:
        try:
            return ("", read_tolerant(reference).value), given
        except LiteralError:
            found = find_first_object(reference)
            return ("", found[0]) if found else None, given
    calls = written.read(reference).calls
    if len(calls) < 2:
        return ((calls[0].name, calls[0].arguments) if calls else None), given
    said = written.read(prediction).strict_calls
    in_places = [(", ".join(call.name for call in one), [call.arguments for call in one]) for one in (calls, said)]
    return in_places[0], in_places[1] if said else None


def _leaves(value: Any) -> Leaves:
    """Return the leaves of a value; it keeps its own stack, since an answer may nest as deep as it likes."""
    found: dict[str, str] = {}
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, inner = pending.pop()
        if isinstance(inner, dict):
            pending += [(f"{path}.{key}" if path else key, one) for key, one in reversed(inner.items())]
        elif isinstance(inner, list):
            pending += [(f"{path}[{index}]", one) for index, one in reversed(list(enumerate(inner)))]
        else:
            found[path or "$"] = json.dumps(inner)
    return set(found.items())
