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
from swap_assets.domain.metrics import STRICT_SUFFIX, entry_of, field_of, row_metrics
from swap_assets.domain.scoring.domain_spread import OTHER_DOMAIN, domain_spread
from swap_assets.domain.scoring.scores import EvalSummary, Metric, RowScore
from swap_assets.domain.statistics.intervals import SEED, cluster_numbers, mean_interval, ratio_interval, wilson

if TYPE_CHECKING:
    import numpy as np

ALL = "all"  # under by_label[split]: every row of the split together
EXAMPLES = 3
_COUNTS = ("true_positives", "predicted_fields", "gold_fields", "true_positives_strict", "predicted_fields_strict")


class _Table(NamedTuple):
    """Scores as numbers: `values` has shape (rows, columns), NaN for None; `clusters` one conversation number a row."""

    columns: dict[str, int]
    values: "np.ndarray"
    clusters: "np.ndarray"

    def rows(self, chosen: Sequence[int]) -> "_Table":
        """Return some of the rows, their conversations numbered from 0 again."""
        import numpy as np

        clusters = np.unique(self.clusters[chosen], return_inverse=True)[1]
        return _Table(self.columns, self.values[chosen], clusters)

    def column(self, name: str) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the values of a column where there are any, and their conversations."""
        import numpy as np

        column = self.values[:, self.columns[name]]
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


def figure_of(metric: str, scores: Sequence[RowScore], *, seed: int = SEED) -> Metric:
    """Return one figure over some rows, of any metric or spread over domains; unscored rows are left out."""
    scored = [score for score in scores if score.scored]
    if not entry_of(metric).over_domains:
        return _figure(_table(scored), metric, seed)
    domains: dict[str, list[RowScore]] = {}
    for score in scored:
        domains.setdefault(score.labels.get("domain", OTHER_DOMAIN), []).append(score)
    domains.pop(OTHER_DOMAIN, None)
    strict = STRICT_SUFFIX if metric.endswith(STRICT_SUFFIX) else ""
    spread = domain_spread(dict(sorted(domains.items())), "field_f1" + strict, seed=seed)
    return spread.get(metric.removesuffix(STRICT_SUFFIX), Metric(value=None))


def _table(scores: Sequence[RowScore]) -> _Table:
    import numpy as np

    names = row_metrics()
    fields = [field_of(name) for name in names]  # all at once: 100,000 rows have 2,000,000 values
    read = attrgetter(*(field or "scored" for field in fields), *_COUNTS)
    columns = {name: index for index, name in enumerate((*names, *_COUNTS))}
    values = np.array([read(score) for score in scores], dtype=float).reshape(-1, len(columns))
    for name in (name for name, field in zip(names, fields, strict=True) if not field):
        values[:, columns[name]] = [np.nan if (value := score.value(name)) is None else value for score in scores]
    return _Table(columns, values, cluster_numbers([score.conversation_id for score in scores]))


def _metrics(table: _Table, seed: int) -> dict[str, Metric]:
    return {name: _figure(table, name, seed) for name in row_metrics()}


def _figure(table: _Table, name: str, seed: int) -> Metric:
    values, clusters = table.column(name)
    return _rate(values) if entry_of(name).unit == "rate" else _mean(values, clusters, seed=seed)


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
        counts = table.values[:, [table.columns[name] for name in names]]
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
