"""From the scores of all rows to a candidate's summary.

Macro figures are means over rows (`metrics`), micro figures count fields over all rows together (`micro`). A figure
that reads calls is over the rows on which one is right: never calling scores 0 in it, and `no_call_accuracy` is over
the others. Intervals count conversations, see `statistics`. Unscored rows are counted and enter no figure.

Field F1 differs between domains by chance alone: with 5 rows a domain, equal true quality would pass the rule "standard
deviation below 0.15" only half of the time. So the raw figure stands beside one with the sampling noise taken out.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.metrics import STRICT_SUFFIX, Unit, entry_of, row_metrics
from swap_assets.domain.scoring.scores import Columns, EvalSummary, Metric, RowScore
from swap_assets.domain.statistics import cluster_numbers, mean_interval, rate_interval, ratio_interval

if TYPE_CHECKING:
    import numpy as np

ALL = "all"  # under by_label[split]: every row of the split together
EXAMPLES = 3
OTHER_DOMAIN = "other"  # the label of rows that belong to none of the ten
FIELD_COUNTS = ("true_positives", "predicted_fields", "gold_fields", "true_positives_strict", "predicted_fields_strict")


def summarise(candidate_id: str, answer_format: AnswerFormat, scores: Sequence[RowScore]) -> EvalSummary:
    """Aggregate the scores of one candidate under one answer format; the same scores give the same summary."""
    scored = [score for score in scores if score.scored]
    columns, by_label = Columns(scored), _by_label(scored)
    domains = {label: rows for label, rows in by_label.get("domain", {}).items() if label != ALL}
    failed: dict[str, list[str]] = {}
    origins: dict[str, list[int]] = {}
    for score in scores:
        if score.failure != "none":
            failed.setdefault(score.failure, []).append(score.case_id)
    for row, score in enumerate(scored):
        origins.setdefault(score.origin, []).append(row)
    failed = dict(sorted(failed.items(), key=lambda item: -len(item[1])))  # most frequent first
    spread = domain_spread({label: [scored[row] for row in rows] for label, rows in domains.items()})
    return EvalSummary(
        candidate_id=candidate_id, answer_format=answer_format, track=answer_format.track,
        cases=len(scores), scored=len(scored), unscored=len(scores) - len(scored),
        metrics=_metrics(columns) | spread, micro=_micro(columns),
        by_label={split: {label: _metrics(columns, rows) for label, rows in labels.items()}
                  for split, labels in by_label.items()},
        by_origin={origin: _metrics(columns, rows) for origin, rows in sorted(origins.items())},
        failures={failure: len(ids) for failure, ids in failed.items()},
        failure_examples={failure: tuple(ids[:EXAMPLES]) for failure, ids in failed.items()},
    )  # fmt: skip


def figure_of(metric: str, scores: Sequence[RowScore]) -> Metric:
    """Return one figure over some rows, of any metric or spread over domains; unscored rows are left out."""
    scored = [score for score in scores if score.scored]
    if not entry_of(metric).over_domains:
        return _figure(Columns(scored), metric)
    domains: dict[str, list[RowScore]] = {}
    for score in scored:
        domains.setdefault(score.labels.get("domain", OTHER_DOMAIN), []).append(score)
    domains.pop(OTHER_DOMAIN, None)
    strict = STRICT_SUFFIX if metric.endswith(STRICT_SUFFIX) else ""
    spread = domain_spread(dict(sorted(domains.items())), "field_f1" + strict)
    return spread.get(metric.removesuffix(STRICT_SUFFIX), Metric(value=None))


def _metrics(columns: Columns, rows: Sequence[int] | None = None) -> dict[str, Metric]:
    import numpy as np

    chosen = slice(None) if rows is None else np.array(rows)
    return {name: _figure(columns, name, chosen) for name in row_metrics()}


def _figure(columns: Columns, name: str, chosen: "slice | np.ndarray" = slice(None)) -> Metric:
    import numpy as np

    values, clusters, unit = columns.column(name)[chosen], columns.clusters[chosen], entry_of(name).unit
    known = ~np.isnan(values)
    if entry_of(name).strict:
        known &= np.isnan(columns.column("no_call_accuracy")[chosen])
    if not known.any():
        return Metric(value=None, unit=unit, method="applies to no row")
    clusters = clusters[known]
    numbered = np.cumsum(np.bincount(clusters) > 0) - 1  # from 0 again
    return _mean(values[known], numbered[clusters], unit=unit)


def _mean(values: "np.ndarray", clusters: "np.ndarray", *, unit: Unit = "score") -> Metric:
    low, high, method = (rate_interval if unit == "rate" else mean_interval)(values, clusters)
    value = float(values.mean())
    return Metric(value=value, low=max(0.0, low), high=min(1.0, high), n=len(values), unit=unit, method=method)


def _micro(columns: Columns) -> dict[str, Metric]:
    import numpy as np

    found: dict[str, Metric] = {}
    every = np.array(list(map(attrgetter(*FIELD_COUNTS), columns.rows)), dtype=float).reshape(-1, len(FIELD_COUNTS))
    for suffix, counts in (("", every[:, [0, 1, 2]]), (STRICT_SUFFIX, every[:, [3, 4, 2]])):
        ratios: dict[str, Any] = {
            f"field_precision{suffix}": lambda total: total[..., 0] / total[..., 1],
            f"field_recall{suffix}": lambda total: total[..., 0] / total[..., 2],
            f"field_f1{suffix}": lambda total: 2 * total[..., 0] / (total[..., 1] + total[..., 2]),
        }
        for name, ratio in ratios.items():
            with np.errstate(invalid="ignore", divide="ignore"):
                value = float(ratio(counts.sum(axis=0)))
            found[name] = Metric(value=None, n=len(counts), method="no field on either side")
            if np.isfinite(value):
                low, high = ratio_interval(counts, columns.clusters, ratio)
                method = "counted over all fields, resampled"
                found[name] = Metric(value=value, low=low, high=high, n=len(counts), method=method)
    return found


def _by_label(scores: Sequence[RowScore]) -> dict[str, dict[str, list[int]]]:
    """Group rows by test split and label; `ALL` holds the split's rows together."""
    grouped: dict[str, dict[str, list[int]]] = {}
    for row, score in enumerate(scores):
        for split, label in score.labels.items():
            labels = grouped.setdefault(split, {ALL: []})
            labels[ALL].append(row)
            labels.setdefault(label, []).append(row)
    return {split: dict(sorted(grouped[split].items())) for split in sorted(grouped)}


def domain_spread(domains: dict[str, list[RowScore]], metric: str = "field_f1") -> dict[str, Metric]:
    """Return `domain_deviation`, `domain_deviation_corrected` and `domain_lowest`; {} for fewer than two domains.

    Rows on which a call is right count.

    Raw is the sample standard deviation of the domains' means. The corrected one is the square root of what exceeds
    the variance that chance alone gives them (method of moments); its interval is the Q-profile of Viechtbauer (2007,
    Statistics in Medicine 26) over the pooled within-domain variance.
    """
    import numpy as np

    rows = {label: [row for row in found if row.no_call_correct is None and row.value(metric) is not None]
            for label, found in domains.items()}  # fmt: skip
    values = {label: np.array([row.value(metric) for row in found]) for label, found in rows.items() if found}
    if len(values) < 2:
        return {}
    means = np.array([found.mean() for found in values.values()])
    total = sum(len(found) for found in values.values())
    raw = float(np.std(means, ddof=1))
    lowest = list(values)[int(np.argmin(means))]
    worst = _mean(values[lowest], cluster_numbers([row.conversation_id for row in rows[lowest]]))
    return {"domain_deviation": Metric(value=raw, n=total, unit="deviation", method=f"{len(means)} domains, raw"),
            "domain_deviation_corrected": _corrected(means, list(values.values()), raw),
            "domain_lowest": worst.model_copy(update={"method": f"lowest: {lowest}"})}  # fmt: skip


def _corrected(means: "np.ndarray", values: "list[np.ndarray]", raw: float) -> Metric:
    import numpy as np

    sizes = np.array([len(found) for found in values], dtype=float)
    total, count = int(sizes.sum()), len(means)
    if total == count:
        return Metric(value=None, n=total, unit="deviation", method="one row a domain: noise cannot be told apart")
    within = sum(float(np.sum((found - found.mean()) ** 2)) for found in values) / (total - count)
    noise = within / sizes
    value = float(np.sqrt(max(0.0, raw**2 - float(noise.mean()))))
    low, high = _q_profile(means, noise) if within > 1e-12 else (raw, raw)
    high = high or raw  # domains more alike than chance makes them: the profile is empty, and raw bounds the truth
    method = f"{count} domains, noise taken out"
    return Metric(value=value, low=low, high=high, n=total, unit="deviation", method=method)


def _q_profile(means: "np.ndarray", noise: "np.ndarray") -> tuple[float, float]:
    """Return the between-domain deviations whose heterogeneity statistic lies at the 97.5 % and 2.5 % of chi-square."""
    import numpy as np
    from scipy.optimize import brentq
    from scipy.stats import chi2

    def heterogeneity(variance: float) -> float:
        weights = 1 / (noise + variance)
        return float(np.sum(weights * (means - np.sum(weights * means) / np.sum(weights)) ** 2))

    def deviation_at(share: float) -> float:
        target = float(chi2.ppf(share, len(means) - 1))
        if heterogeneity(0.0) <= target:
            return 0.0
        root: Any = brentq(lambda variance: heterogeneity(variance) - target, 0.0, 1e4)
        return float(np.sqrt(root))

    return deviation_at(0.975), deviation_at(0.025)
