"""95 % intervals of rates, means and ratios, and tests: numbers in, numbers out. Comparing rows is `scoring.paired`.

Rows of one conversation are not independent, so resampling draws whole conversations. scipy does what it has; it is
imported where it is used (0.7 s). All randomness comes from a seed.

Where every conversation says the same, resampling would give an interval without width; there the bound is what a rate
of 0 differing conversations in n still allows (Clopper-Pearson), so ten equal rows prove little and say so. With fewer
than ten conversations the interval is at least Student's t.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2_000
SEED = 42
FEW = 10  # conversations; below, resampling alone gives intervals that are too narrow
MAX_RESAMPLED = 1_000  # conversations; with more, the normal approximation is as good and needs no 2,000 x n numbers


@lru_cache(maxsize=65_536)
def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a rate, as scipy computes it."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mean_interval(values: "np.ndarray", clusters: "np.ndarray", *, seed: int = SEED) -> tuple[float, float, str]:
    """Return the 95 % interval of a mean and its method.

    Args:
        values: one value per row, shape (rows,).
        clusters: the conversation of each row as an integer from 0, shape (rows,).
        seed: of the resampling.
    """
    import numpy as np

    count = int(clusters.max()) + 1
    totals = np.bincount(clusters, weights=values, minlength=count)
    sizes = np.bincount(clusters, minlength=count).astype(float)
    mean = float(values.mean())
    error = cluster_error(totals, sizes, mean)
    if error < 1e-12:  # no conversation differs from another, or there is but one
        slack = nothing_seen(count)
        return mean - slack, mean + slack, "nothing varied: exact bound by conversation"
    if count > MAX_RESAMPLED:
        half = 1.959964 * error
        return mean - half, mean + half, "normal, clustered by conversation"
    weights = _resampling_weights(count, seed)
    means = (weights @ totals) / (weights @ sizes)
    low, high = map(float, np.percentile(means, [2.5, 97.5]))
    if count >= FEW:
        return low, high, f"{RESAMPLES} resamples by conversation"
    half = _student(count) * error
    return min(low, mean - half), max(high, mean + half), f"Student's t by conversation, as there are only {count}"


@lru_cache(maxsize=FEW)
def _student(count: int) -> float:
    """Return Student's 97.5 % point for a handful of conversations, of which resampling sees too little spread.

    Two that say 0.29 and 0.31 resample to 0.29-0.31; with 1 degree of freedom it is 0.17-0.43.
    """
    from scipy.stats import t

    return float(t.ppf(0.975, count - 1))


def ratio_interval(
    counts: "np.ndarray", clusters: "np.ndarray", ratio: Callable[[Any], Any], *, seed: int = SEED
) -> tuple[float, float]:
    """Return the 95 % interval of a ratio of totals, resampled by conversation.

    Args:
        counts: what is totalled, shape (rows, k).
        clusters: the conversation of each row as an integer from 0, shape (rows,).
        ratio: maps totals of shape (..., k) to ratios of shape (...).
        seed: of the resampling. With more than MAX_RESAMPLED conversations they are first dealt into that many
            groups, which keeps conversations whole and the numbers small.
    """
    import numpy as np

    groups = clusters % MAX_RESAMPLED
    totals = np.zeros((int(groups.max()) + 1, counts.shape[1]))
    np.add.at(totals, groups, counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = ratio(_resampling_weights(len(totals), seed) @ totals)
    low, high = np.nanpercentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def nothing_seen(trials: int) -> float:
    """Return the largest rate that 0 of `trials` leaves possible at 97.5 % (Clopper-Pearson): 0.071 for 50."""
    return 1.0 - 0.025 ** (1.0 / trials)


@lru_cache(maxsize=4)  # at most 16 MB each
def _resampling_weights(count: int, seed: int) -> Any:
    """Return how often each conversation is drawn, shape (RESAMPLES, count)."""
    import numpy as np

    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1.0 / count), size=RESAMPLES).astype(float)


def cluster_error(totals: "np.ndarray", sizes: "np.ndarray", mean: float) -> float:
    """Return the standard error of a ratio of cluster totals, linearised (Cochran, Sampling Techniques, 2.11)."""
    import numpy as np

    count = len(totals)
    residual = totals - mean * sizes
    spread = float(np.sqrt(np.sum(residual**2) / (count - 1))) if count > 1 else 0.0
    return spread * float(np.sqrt(count)) / float(sizes.sum())


def cluster_numbers(conversations: Sequence[Hashable]) -> "np.ndarray":
    """Return each row's conversation as an integer from 0 in the order of first appearance, shape (rows,)."""
    import numpy as np

    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in conversations], dtype=np.int64)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test: a fair coin over the discordant pairs."""
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def chance_of_passing(distance: float, *, low: float, high: float) -> float:
    """Return the one-sided p-value against "the true distance to the limit is 0 or less", taken as normal.

    Args:
        distance: how far the measured value lies on the good side of the limit.
        low: the lower end of the measurement's 95 % interval, in the same unit.
        high: its upper end.
    """
    from scipy.stats import norm

    return float(norm.sf(distance / max((high - low) / (2 * 1.959964), 1e-12)))


def conversations_needed(distance: float, deviation: float, *, power: float = 0.8) -> int | None:
    """Return how many conversations in all show a one-sided distance at 97.5 % with the given power.

    n = ((z_0.975 + z_power) * deviation / distance)^2, the usual normal approximation; None where distance <= 0.
    """
    from scipy.stats import norm

    if distance <= 0:
        return None
    least = ceil(3.7 / distance)  # with no deviation seen, `nothing_seen(n)` still has to fall below the distance
    return max(least, ceil(float((norm.ppf(0.975) + norm.ppf(power)) * deviation / distance) ** 2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for several candidates in one decision (Holm 1979), in the given order."""
    import gc

    import numpy as np
    from statsmodels.stats.multitest import multipletests

    gc.freeze()  # it collects garbage first, which takes 0.24 s beside a report of 20 candidates
    adjusted = np.asarray(multipletests(p_values, method="holm")[1]).tolist() if p_values else []
    gc.unfreeze()
    return adjusted
