"""95 % intervals of rates, means and ratios, and tests: numbers in, numbers out. Comparing rows is `scoring.scores`.

Rows of one conversation are not independent, so whole conversations count: means have Student's t over them, rates
Wilson's interval of the rows that they are worth, ratios are resampled by conversation. scipy does what it has; it is
imported where it is used (0.7 s). All randomness comes from a seed.

Where every conversation says the same, the bound is what a rate of 0 differing conversations in n still allows
(Clopper-Pearson), so ten equal rows prove little and say so.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2_000
SEED = 42
MAX_RESAMPLED = 1_000  # conversations; more are dealt into that many groups
PSEUDO = 1.25  # the weight of each of two conversations that nobody saw: one all won, one all lost
_Z = 1.959964


def wilson(rate: float, trials: float) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a rate; `trials` may be an effective number, such as 17.4."""
    centre, room = (rate + _Z**2 / (2 * trials)), _Z * sqrt(rate * (1 - rate) / trials + (_Z / (2 * trials)) ** 2)
    return max(0.0, (centre - room) / (1 + _Z**2 / trials)), min(1.0, (centre + room) / (1 + _Z**2 / trials))


def rate_interval(values: "np.ndarray", clusters: "np.ndarray") -> tuple[float, float, str]:
    """Return the 95 % interval of a rate, and its method: Wilson's, over as many rows as the conversations are worth.

    The effective number is rate (1 - rate) / error², at most all rows, less for the degrees of freedom (Korn and
    Graubard 1998, Survey Methodology 24); the number of conversations where no row differs from another.

    Args:
        values: 0 or 1 a row, shape (rows,).
        clusters: the conversation of each row as an integer from 0, shape (rows,).
    """
    rate, count = float(values.mean()), int(clusters.max()) + 1
    if count == len(values):
        return *wilson(rate, count), "Wilson"
    trials = float(count)
    if count > 1 and (error := _error_of_mean(values, clusters)) > 1e-12:
        trials = min(len(values), rate * (1 - rate) / error**2) * (_Z / student(count - 1)) ** 2
    return *wilson(rate, trials), f"Wilson, {count} conversations worth {trials:.0f} rows"


def mean_interval(values: "np.ndarray", clusters: "np.ndarray") -> tuple[float, float, str]:
    """Return the 95 % interval of a mean, and its method.

    Args:
        values: one value per row, shape (rows,).
        clusters: the conversation of each row as an integer from 0, shape (rows,).
    """
    mean, count, error = float(values.mean()), int(clusters.max()) + 1, _error_of_mean(values, clusters)
    if error < 1e-12:  # no conversation differs from another, or there is but one
        slack = nothing_seen(count)
        return mean - slack, mean + slack, "nothing varied: exact bound by conversation"
    half = student(count - 1) * error
    return mean - half, mean + half, f"Student's t by conversation, {count}"


def surely_above(difference: float, totals: "np.ndarray", sizes: "np.ndarray") -> float:
    """Return what a paired difference in [-1, 1] is surely above, with room for total failures that nobody saw.

    Student's t knows of no row that it has not seen: ten level conversations and one in twenty that fails wholly look
    like a sure thing. So two conversations of mean size, one all won and one all lost, are added with weight `PSEUDO`
    each, and no bound is nearer to the difference than what so many conversations without any loss still allow.
    `benchmarks.gate_errors` shows how often a release so bound is wrong.

    Args:
        difference: the measured mean over rows.
        totals: the sum of the differences in each conversation, shape (conversations,).
        sizes: the rows of each conversation, shape (conversations,).
    """
    count, rows = len(totals), float(sizes.sum())
    mean, size = float(totals.sum()), rows / count
    mean /= rows + 2 * PSEUDO * size
    squares = float(((totals - mean * sizes) ** 2).sum()) + PSEUDO * size**2 * ((1 - mean) ** 2 + (1 + mean) ** 2)
    weight = count + 2 * PSEUDO
    error = sqrt(squares / (weight - 1) * weight) / (rows + 2 * PSEUDO * size)
    cautious = mean - student(max(1, count - 1)) * error
    return max(-1.0, min(cautious, difference - nothing_seen(count)))


@lru_cache(maxsize=4_096)
def student(freedom: int) -> float:
    """Return Student's 97.5 % point: 12.7 at 1 degree of freedom, 2.01 at 50."""
    from scipy.special import stdtrit  # scipy.stats takes 0.7 s to import

    return float(stdtrit(freedom, 0.975))


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


def _error_of_mean(values: "np.ndarray", clusters: "np.ndarray") -> float:
    import numpy as np

    totals, sizes = np.bincount(clusters, weights=values), np.bincount(clusters).astype(float)
    return cluster_error(totals, sizes, float(values.mean()))


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

    return float(norm.sf(distance / max((high - low) / (2 * _Z), 1e-12)))


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
