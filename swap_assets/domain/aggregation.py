"""From the scores of all rows to a candidate's summary.

Macro figures are means over rows (`metrics`), micro figures count fields over all rows together (`micro`). Rates carry
Wilson intervals, means are resampled by conversation. Unscored rows are counted and enter no figure.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.domain.contracts import Contract
from swap_assets.domain.scores import EvalSummary, Metric, RowScore
from swap_assets.domain.statistics import SEED, cluster_numbers, mean_interval, ratio_interval, wilson

if TYPE_CHECKING:
    import numpy as np

ALL = "all"  # under by_label[split]: every row of the split together
EXAMPLES = 3
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
_MEANS = (
    "field_f1", "field_precision", "field_recall", "field_f1_strict", "field_precision_strict", "field_recall_strict",
)  # fmt: skip
METRICS = (*_MEANS, *_RATES)


def summarise(candidate_id: str, contract: Contract, scores: Sequence[RowScore], *, seed: int = SEED) -> EvalSummary:
    """Aggregate the scores of one candidate under one contract; the same scores give the same summary, to the digit."""
    scored = [score for score in scores if score.scored]
    failures = Counter(score.failure for score in scores if score.failure != "none")
    domains = {label: rows for label, rows in _by_label(scored).get("domain", {}).items() if label != ALL}
    return EvalSummary(
        candidate_id=candidate_id,
        contract=contract,
        track=contract.track,
        cases=len(scores),
        scored=len(scored),
        unscored=len(scores) - len(scored),
        metrics=metrics_of(scored, seed=seed) | domain_spread(domains, seed=seed),
        micro=micro_of(scored, seed=seed),
        by_label={
            split: {label: metrics_of(rows, seed=seed) for label, rows in labels.items()}
            for split, labels in _by_label(scored).items()
        },
        by_origin={
            origin: metrics_of([score for score in scored if score.origin == origin], seed=seed)
            for origin in sorted({score.origin for score in scored})
        },
        failures=dict(failures.most_common()),
        failure_examples={
            failure: tuple([score.case_id for score in scores if score.failure == failure][:EXAMPLES])
            for failure in failures
        },
    )


def metrics_of(scores: Sequence[RowScore], *, seed: int = SEED) -> dict[str, Metric]:
    """Return every per-row figure's aggregate; one that applies to no row has the value None and n = 0."""
    means = {name: _mean(scores, name, seed) for name in _MEANS}
    return means | {name: _rate(scores, attribute) for name, attribute in _RATES.items()}


def micro_of(scores: Sequence[RowScore], *, seed: int = SEED) -> dict[str, Metric]:
    """Return field precision, recall and F1 over all rows together, lenient and strict; n counts rows."""
    found: dict[str, Metric] = {}
    for suffix in ("", "_strict"):
        counts = _field_counts(scores, suffix)
        ratios: dict[str, Callable[[Any], Any]] = {
            f"field_precision{suffix}": lambda c: c[..., 0] / c[..., 1],
            f"field_recall{suffix}": lambda c: c[..., 0] / c[..., 2],
            f"field_f1{suffix}": lambda c: 2 * c[..., 0] / (c[..., 1] + c[..., 2]),
        }
        for name, ratio in ratios.items():
            found[name] = _ratio(scores, counts, ratio, seed)
    return found


def domain_spread(domains: dict[str, list[RowScore]], *, seed: int = SEED) -> dict[str, Metric]:
    """Return how field F1 differs between domains: raw, corrected for sampling noise, and the lowest domain.

    Raw is the sample standard deviation of the domains' means. With few rows a domain, means differ by chance alone;
    the corrected deviation is the square root of what exceeds that chance (method of moments; the interval is the
    Q-profile of Viechtbauer 2007 over the pooled within-domain variance). Fewer than two domains give nothing.
    """
    values = {label: [row.field_f1 for row in rows if row.field_f1 is not None] for label, rows in domains.items()}
    values = {label: found for label, found in values.items() if found}
    if len(values) < 2:
        return {}
    import numpy as np

    means = np.array([np.mean(found) for found in values.values()])
    sizes = np.array([len(found) for found in values.values()], dtype=float)
    rows = int(sizes.sum())
    raw = float(np.std(means, ddof=1))
    lowest = list(values)[int(np.argmin(means))]
    spread = {"domain_deviation": Metric(value=raw, n=rows, unit="deviation", method=f"{len(means)} domains, raw")}
    spread["domain_deviation_corrected"] = _corrected(means, sizes, list(values.values()), raw)
    mean = _mean(domains[lowest], "field_f1", seed)
    spread["domain_lowest"] = mean.model_copy(update={"method": f"lowest: {lowest}"})
    return spread


def _corrected(means: "np.ndarray", sizes: "np.ndarray", values: list[list[float]], raw: float) -> Metric:
    import numpy as np

    rows, count = int(sizes.sum()), len(means)
    if rows == count:
        return Metric(value=None, n=rows, unit="deviation", method="one row a domain: noise cannot be told apart")
    within = sum(float(np.sum((np.array(found) - np.mean(found)) ** 2)) for found in values) / (rows - count)
    noise = within / sizes
    value = float(np.sqrt(max(0.0, raw**2 - float(noise.mean()))))
    low, high = _q_profile(means, noise) if within > 0 else (raw, raw)
    return Metric(value=value, low=low, high=high, n=rows, unit="deviation", method=f"{count} domains, noise taken out")


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


def _by_label(scores: Sequence[RowScore]) -> dict[str, dict[str, list[RowScore]]]:
    """Group rows by test split and label; `ALL` holds the split's rows together."""
    grouped: dict[str, dict[str, list[RowScore]]] = {}
    for score in scores:
        for split, label in sorted(score.labels.items()):
            labels = grouped.setdefault(split, {ALL: []})
            labels[ALL].append(score)
            labels.setdefault(label, []).append(score)
    return {split: dict(sorted(grouped[split].items())) for split in sorted(grouped)}


def _mean(scores: Sequence[RowScore], attribute: str, seed: int) -> Metric:
    import numpy as np

    rows = [score for score in scores if getattr(score, attribute) is not None]
    if not rows:
        return Metric(value=None, unit="score", method="applies to no row")
    values = np.array([getattr(score, attribute) for score in rows])
    low, high, method = mean_interval(values, cluster_numbers(rows), seed=seed)
    return Metric(value=float(values.mean()), low=max(0.0, low), high=min(1.0, high), n=len(rows), method=method)


def _rate(scores: Sequence[RowScore], attribute: str) -> Metric:
    values = [value for score in scores if (value := getattr(score, attribute)) is not None]
    if not values:
        return Metric(value=None, unit="rate", method="applies to no row")
    successes = round(sum(values))
    low, high = wilson(successes, len(values))
    return Metric(value=successes / len(values), low=low, high=high, n=len(values), unit="rate", method="Wilson")


def _field_counts(scores: Sequence[RowScore], suffix: str) -> "np.ndarray":
    """Return per row the fields that are right, predicted and gold, shape (rows, 3)."""
    import numpy as np

    names = (f"true_positives{suffix}", f"predicted_fields{suffix}", "gold_fields")
    return np.array([[getattr(score, name) for name in names] for score in scores], dtype=float).reshape(-1, 3)


def _ratio(scores: Sequence[RowScore], counts: "np.ndarray", ratio: Callable[[Any], Any], seed: int) -> Metric:
    """Return a ratio of counts with an interval: resampled by conversation."""
    import numpy as np

    total = counts.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(ratio(total)) if len(counts) else float("nan")
    if not np.isfinite(value):
        return Metric(value=None, n=len(counts), method="no field on either side")
    low, high = ratio_interval(counts, cluster_numbers(scores), ratio, seed=seed)
    return Metric(value=value, low=low, high=high, n=len(counts), method="counted over all fields, resampled")
