"""How field F1 differs between domains: as measured, and with the sampling noise taken out.

With 5 rows a domain, means differ by chance alone: equal true quality would pass the rule "standard deviation below
0.15" only about half of the time. So the raw figure stands beside a corrected one.
"""

from typing import TYPE_CHECKING, Any

from swap_assets.domain.scoring.scores import Metric, RowScore
from swap_assets.domain.statistics.intervals import SEED, cluster_numbers, mean_interval

if TYPE_CHECKING:
    import numpy as np

OTHER_DOMAIN = "other"  # the label of rows that belong to none of the ten


def domain_spread(
    domains: dict[str, list[RowScore]], metric: str = "field_f1", *, seed: int = SEED
) -> dict[str, Metric]:
    """Return `domain_deviation`, `domain_deviation_corrected` and `domain_lowest`; {} for fewer than two domains.

    Raw is the sample standard deviation of the domains' means. The corrected one is the square root of what exceeds
    the variance that chance alone gives them (method of moments); its interval is the Q-profile of Viechtbauer (2007,
    Statistics in Medicine 26) over the pooled within-domain variance.
    """
    import numpy as np

    rows = {label: [row for row in found if row.value(metric) is not None] for label, found in domains.items()}
    values = {label: np.array([row.value(metric) for row in found]) for label, found in rows.items() if found}
    if len(values) < 2:
        return {}
    means = np.array([found.mean() for found in values.values()])
    total = sum(len(found) for found in values.values())
    raw = float(np.std(means, ddof=1))
    lowest = list(values)[int(np.argmin(means))]
    low, high, _ = mean_interval(
        values[lowest], cluster_numbers([row.conversation_id for row in rows[lowest]]), seed=seed
    )
    return {
        "domain_deviation": Metric(value=raw, n=total, unit="deviation", method=f"{len(means)} domains, raw"),
        "domain_deviation_corrected": _corrected(means, list(values.values()), raw),
        "domain_lowest": Metric(
            value=float(means.min()),
            low=max(0.0, low),
            high=min(1.0, high),
            n=len(values[lowest]),
            method=f"lowest: {lowest}",
        ),
    }


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
    return Metric(
        value=value, low=low, high=high, n=total, unit="deviation", method=f"{count} domains, noise taken out"
    )


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
