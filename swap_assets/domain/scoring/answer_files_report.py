"""What `swap-assets score` says of a file: one JSON value with every aggregate, strict and lenient, micro and macro."""

from collections.abc import Mapping, Sequence
from typing import Any

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.metrics import METRICS, STRICT_SUFFIX
from swap_assets.domain.scoring.aggregation import FIELD_COUNTS, summarise
from swap_assets.domain.scoring.answer_files import BFCL, Given, Gold
from swap_assets.domain.scoring.published import READERS, published_figures
from swap_assets.domain.scoring.scores import EvalSummary, Metric, PairedDifference, RowScore, paired_difference
from swap_assets.domain.statistics import conversations_needed

COMPARED = ("field_f1", "exact_match")


def report(
    answer_format: AnswerFormat | None, gold: Gold, given: Given, scored: Sequence[RowScore], *, name: str
) -> dict[str, Any]:
    """Return the report of one file of predictions, ready for JSON; BFCL answers belong to the tool-call track."""
    summary = summarise(name, answer_format or HERMES, scored)
    missing, unasked = [one for one in gold if one not in given], [one for one in given if one not in gold]
    uncalled = [one for one, row in gold.items() if not (row.case.gold_calls or row.accepted or row.any_call)]
    fields = {name: sum(getattr(row, name) for row in scored) for name in FIELD_COUNTS}
    found: dict[str, Any] = {
        "answer_format": answer_format.name if answer_format else BFCL,
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
    if answer_format and answer_format in READERS:
        found["published_convention"] = _published(answer_format, gold, given, scored, summary)
    return found


def comparison(ours: Sequence[RowScore], other: Sequence[RowScore], *, margin_points: float) -> dict[str, Any]:
    """Return PREDICTIONS − OTHER on identical rows, in points, for each compared metric; None where there are none.

    Non-inferior is what loses less than the margin for sure: the whole 95 % interval lies above it. The conversations
    needed are those in all, if the measured difference is the true one; None where no number would do.
    """
    pairs = {metric: paired_difference(ours, other, metric) for metric in COMPARED}
    return {metric: found and _compared(found, margin_points) for metric, found in pairs.items()}


def _compared(found: PairedDifference, margin_points: float) -> dict[str, Any]:
    margin = margin_points / 100
    needed = conversations_needed(found.difference + margin, found.conversation_deviation)
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


def _published(
    answer_format: AnswerFormat, gold: Gold, given: Given, scored: Sequence[RowScore], summary: EvalSummary
) -> dict[str, Any]:
    """Return the figures in the published convention beside ours, over the same rows: those with an answer."""
    rows = [gold[score.case_id] for score in scored if score.scored]
    pairs = [(row.reference or answer_format.write(row.case.gold_calls), given[row.id].text or "") for row in rows]
    ours = {name: {"lenient": summary.micro[name].value, "strict": summary.micro[name + STRICT_SUFFIX].value}
            for name in ("field_precision", "field_recall", "field_f1")}  # fmt: skip
    note = (
        "published: leaves of the whole reference, an invalid output costs no precision; "
        "ours: leaves of the arguments only, an invalid output costs precision as well"
    )
    return published_figures(answer_format, pairs) | {"ours": ours, "difference": note}
