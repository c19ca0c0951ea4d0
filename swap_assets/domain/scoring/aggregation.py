"""From the scores of all rows to a candidate's summary.

Macro figures are means over rows (`metrics`), micro figures count fields over all rows together (`micro`). Rates carry
Wilson intervals, means are resampled by conversation. Unscored rows are counted and enter no figure.
The spread over domains lives in `domain_spread`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.scoring.domain_spread import DOMAIN_SPREADS, OTHER_DOMAIN, domain_spread
from swap_assets.domain.scoring.scores import EvalSummary, Metric, RowScore
from swap_assets.domain.statistics.intervals import SEED, cluster_numbers, mean_interval, ratio_interval, wilson

if TYPE_CHECKING:
    import numpy as np

ALL = "all"  # under by_label[split]: every row of the split together
EXAMPLES = 3
_MEANS = (
    "field_f1", "field_precision", "field_recall", "field_f1_strict", "field_precision_strict", "field_recall_strict",
)  # fmt: skip
_RATES = {
    "exact_match": "exact_match",
    "name_match": "name_match",
    "arguments_exact": "arguments_exact",
    "valid_json": "valid_json",
    "schema_valid": "schema_valid",
    "format_compliance": "format_compliant",
    "no_call_accuracy": "no_call_correct",
    "exact_match_strict": "exact_match_strict",
    "name_match_strict": "name_match_strict",
    "arguments_exact_strict": "arguments_exact_strict",
}
_COUNTS = ("true_positives", "predicted_fields", "gold_fields", "true_positives_strict", "predicted_fields_strict")
_COLUMNS = {name: index for index, name in enumerate((*_MEANS, *_RATES.values(), *_COUNTS))}
_read_row = attrgetter(*_COLUMNS)
METRICS = (*_MEANS, *_RATES)


class _Table(NamedTuple):
    """Scores as numbers: `values` has shape (rows, columns), NaN for None; `clusters` one conversation number a row."""

    values: "np.ndarray"
    clusters: "np.ndarray"

    def rows(self, chosen: Sequence[int]) -> "_Table":
        """Return some of the rows, their conversations numbered from 0 again."""
        import numpy as np

        clusters = np.unique(self.clusters[chosen], return_inverse=True)[1]
        return _Table(self.values[chosen], clusters)

    def column(self, name: str) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the values of a column where there are any, and their conversations."""
        import numpy as np

        column = self.values[:, _COLUMNS[name]]
        known = ~np.isnan(column)
        if known.all():
            return column, self.clusters
        return column[known], np.unique(self.clusters[known], return_inverse=True)[1]


def summarise(
    candidate_id: str, answer_format: AnswerFormat, scores: Sequence[RowScore], *, seed: int = SEED
) -> EvalSummary:
    """Aggregate the scores of one candidate under one answer format; the same scores give the same summary."""
    scored = [score for score in scores if score.scored]
    table = _table(scored)
    by_label = _by_label(scored)
    metrics = _metrics(table, seed)
    domains = {label: rows for label, rows in by_label.get("domain", {}).items() if label != ALL}
    failures, examples = _failures(scores)
    return EvalSummary(
        candidate_id=candidate_id,
        answer_format=answer_format,
        track=answer_format.track,
        cases=len(scores),
        scored=len(scored),
        unscored=len(scores) - len(scored),
        metrics=metrics | domain_spread({label: [scored[row] for row in rows] for label, rows in domains.items()}),
        micro=_micro(table, seed),
        by_label={
            split: {label: _metrics(table.rows(rows), seed) for label, rows in labels.items()}
            for split, labels in by_label.items()
        },
        by_origin={
            origin: _metrics(table.rows([row for row, score in enumerate(scored) if score.origin == origin]), seed)
            for origin in sorted({score.origin for score in scored})
        },
        failures=failures,
        failure_examples=examples,
    )


def metrics_of(scores: Sequence[RowScore], *, seed: int = SEED) -> dict[str, Metric]:
    """Return every per-row figure's aggregate; one that applies to no row has the value None and n = 0."""
    return _metrics(_table(scores), seed)


def figure_of(metric: str, scores: Sequence[RowScore], *, seed: int = SEED) -> Metric:
    """Return one figure over some rows, of any metric or spread over domains; unscored rows are left out."""
    scored = [score for score in scores if score.scored]
    plain = metric.removesuffix("_strict")
    if plain in DOMAIN_SPREADS:
        domains: dict[str, list[RowScore]] = {}
        for score in scored:
            domains.setdefault(score.labels.get("domain", OTHER_DOMAIN), []).append(score)
        domains.pop(OTHER_DOMAIN, None)
        field = "field_f1" if plain == metric else "field_f1_strict"
        return domain_spread(dict(sorted(domains.items())), field, seed=seed).get(plain, Metric(value=None))
    table = _table(scored)
    if metric in _RATES:
        return _rate(table.column(_RATES[metric])[0])
    return _mean(*table.column(metric), seed=seed)


def micro_of(scores: Sequence[RowScore], *, seed: int = SEED) -> dict[str, Metric]:
    """Return field precision, recall and F1 over all rows together, lenient and strict; n counts rows."""
    return _micro(_table(scores), seed)


def _table(scores: Sequence[RowScore]) -> _Table:
    import numpy as np

    values = np.array([_read_row(score) for score in scores], dtype=float).reshape(-1, len(_COLUMNS))
    return _Table(values, cluster_numbers(scores))


def _metrics(table: _Table, seed: int) -> dict[str, Metric]:
    means = {name: _mean(*table.column(name), seed=seed) for name in _MEANS}
    return means | {name: _rate(table.column(column)[0]) for name, column in _RATES.items()}


def _mean(values: "np.ndarray", clusters: "np.ndarray", *, seed: int) -> Metric:
    if not len(values):
        return Metric(value=None, unit="score", method="applies to no row")
    low, high, method = mean_interval(values, clusters, seed=seed)
    value = float(values.mean())
    return Metric(value=value, low=max(0.0, low), high=min(1.0, high), n=len(values), method=method)


def _rate(values: "np.ndarray") -> Metric:
    if not len(values):
        return Metric(value=None, unit="rate", method="applies to no row")
    successes = round(float(values.sum()))
    low, high = wilson(successes, len(values))
    return Metric(value=successes / len(values), low=low, high=high, n=len(values), unit="rate", method="Wilson")


def _micro(table: _Table, seed: int) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for suffix in ("", "_strict"):
        names = (f"true_positives{suffix}", f"predicted_fields{suffix}", "gold_fields")
        counts = table.values[:, [_COLUMNS[name] for name in names]]
        ratios: dict[str, Callable[[Any], Any]] = {
            f"field_precision{suffix}": lambda total: total[..., 0] / total[..., 1],
            f"field_recall{suffix}": lambda total: total[..., 0] / total[..., 2],
            f"field_f1{suffix}": lambda total: 2 * total[..., 0] / (total[..., 1] + total[..., 2]),
        }
        found |= {name: _ratio(counts, table.clusters, ratio, seed) for name, ratio in ratios.items()}
    return found


def _ratio(counts: "np.ndarray", clusters: "np.ndarray", ratio: Callable[[Any], Any], seed: int) -> Metric:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(ratio(counts.sum(axis=0)))
    if not np.isfinite(value):
        return Metric(value=None, n=len(counts), method="no field on either side")
    low, high = ratio_interval(counts, clusters, ratio, seed=seed)
    return Metric(value=value, low=low, high=high, n=len(counts), method="counted over all fields, resampled")


def _by_label(scores: Sequence[RowScore]) -> dict[str, dict[str, list[int]]]:
    """Group rows by test split and label; `ALL` holds the split's rows together."""
    grouped: dict[str, dict[str, list[int]]] = {}
    for row, score in enumerate(scores):
        for split, label in score.labels.items():
            labels = grouped.setdefault(split, {ALL: []})
            labels[ALL].append(row)
            labels.setdefault(label, []).append(row)
    return {split: dict(sorted(grouped[split].items())) for split in sorted(grouped)}


def _failures(scores: Sequence[RowScore]) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """Return how often each failure class occurs, most frequent first, and the first case ids of each."""
    counts = Counter(score.failure for score in scores if score.failure != "none")
    examples: dict[str, list[str]] = {failure: [] for failure, _ in counts.most_common()}
    for score in scores:
        if score.failure != "none" and len(examples[score.failure]) < EXAMPLES:
            examples[score.failure].append(score.case_id)
    return dict(counts.most_common()), {failure: tuple(found) for failure, found in examples.items()}
