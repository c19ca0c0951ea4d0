"""What `swap-assets score` says of a file: one JSON value with every aggregate, strict and lenient, micro and macro."""

from collections.abc import Mapping
from typing import Any

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.metrics import METRICS, STRICT_SUFFIX
from swap_assets.domain.scoring.aggregation import FIELD_COUNTS, summarise
from swap_assets.domain.scoring.answer_files import BFCL, GivenRow, GoldRow, Scored
from swap_assets.domain.scoring.paired import non_inferiority, paired_difference
from swap_assets.domain.scoring.published import READERS, published_figures
from swap_assets.domain.scoring.scores import EvalSummary, Metric

COMPARED = ("field_f1", "exact_match")


def report(
    answer_format: AnswerFormat | None,
    gold: Mapping[str, GoldRow],
    given: Mapping[str, GivenRow],
    scored: Scored,
    *,
    name: str,
) -> dict[str, Any]:
    """Return the report of one file of predictions, ready for JSON; BFCL answers belong to the tool-call track."""
    summary = summarise(name, answer_format or HERMES, scored.rows)
    found: dict[str, Any] = {
        "answer_format": answer_format.name if answer_format else BFCL,
        "complete": summary.complete,
        "counts": {
            "gold": len(gold),
            "predictions": len(given),
            "scored": summary.scored,
            "unscored": summary.unscored,
            "without_prediction": len(scored.without_prediction),
            "without_gold": len(scored.without_gold),
            "gold_without_call": sum(not (row.case.gold_calls or row.accepted) for row in gold.values()),
        },
        "ids_without_prediction": list(scored.without_prediction),
        "ids_without_gold": list(scored.without_gold),
        "macro": _by_reading(summary.metrics),
        "micro": _by_reading(summary.micro)
        | {"fields": {name: sum(getattr(row, name) for row in scored.rows) for name in FIELD_COUNTS}},
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


def comparison(ours: Scored, other: Scored, *, margin_points: float) -> dict[str, Any]:
    """Return PREDICTIONS − OTHER on identical rows, in points, for each compared metric."""
    found: dict[str, Any] = {}
    for metric in COMPARED:
        difference = paired_difference(ours.rows, other.rows, metric)
        if difference is None:
            found[metric] = None
            continue
        judged = non_inferiority(difference, margin_points / 100)
        found[metric] = {
            "difference_points": 100 * difference.difference,
            "low_points": 100 * difference.low,
            "high_points": 100 * difference.high,
            "rows": difference.rows,
            "conversations": difference.conversations,
            "rows_left_out": difference.left_out,
            "wholly_right_only_here": difference.only_a,
            "wholly_right_only_other": difference.only_b,
            "mcnemar_exact_p": difference.mcnemar_p,
            "margin_points": margin_points,
            "non_inferior": judged.shown,
            "superior": judged.superior,
            "worse": judged.worse,
            "conversations_needed_for_80_percent_power": judged.conversations_needed,
            "further_conversations_needed": judged.further_conversations,
        }
    return found


def _by_reading(metrics: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """Split metrics into the lenient and the strict reading; what has only one reading stands in both."""
    written = {name: metric.model_dump(mode="json") for name, metric in metrics.items()}
    lenient = {name: metric for name, metric in written.items() if not name.endswith(STRICT_SUFFIX)}
    strict = {name.removesuffix(STRICT_SUFFIX): metric for name, metric in written.items() if name not in lenient}
    return {
        "lenient": lenient,
        "strict": strict | {name: metric for name, metric in lenient.items() if not METRICS[name].strict},
    }


def _published(
    answer_format: AnswerFormat,
    gold: Mapping[str, GoldRow],
    given: Mapping[str, GivenRow],
    scored: Scored,
    summary: EvalSummary,
) -> dict[str, Any]:
    """Return the figures in the published convention beside ours, over the same rows: those with an answer."""
    pairs = []
    for row in (gold[score.case_id] for score in scored.rows if score.scored):
        reference = row.reference or answer_format.write(row.case.gold_calls)
        pairs.append((reference, given[row.id].text or ""))
    ours = {
        name: {"lenient": summary.micro[name].value, "strict": summary.micro[name + STRICT_SUFFIX].value}
        for name in ("field_precision", "field_recall", "field_f1")
    }
    note = (
        "published: leaves of the whole reference, an invalid output costs no precision; "
        "ours: leaves of the arguments only, an invalid output costs precision as well"
    )
    return published_figures(answer_format, pairs) | {"ours": ours, "difference": note}
