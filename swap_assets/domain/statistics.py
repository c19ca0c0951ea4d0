"""95 % intervals of rates, means and ratios, and tests: numbers in, numbers out. Comparing rows is `scoring.scores`.

Rows of one conversation are not independent, so whole conversations count: means have Student's t over them, rates
Wilson's interval of the rows that they are worth, ratios are resampled by conversation. scipy does what it has; it is
imported where it is used (0.7 s). All randomness comes from a seed.

Where every conversation says the same, the bound is what so many of such sizes without a loss still allow
(`nothing_seen`), so ten equal rows prove little and say so; a difference is never bound more narrowly than that. Given
the lengths of the source's conversations, a length that no row has counts as what may fail.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from math import ceil, hypot, log, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2_000
SEED = 42
MAX_RESAMPLED = 1_000  # conversations; more are dealt into that many groups
_Z = 1.959964


def wilson(rate: float, trials: float) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a rate; `trials` may be an effective number, such as 17.4."""
    centre, room = (rate + _Z**2 / (2 * trials)), _Z * sqrt(rate * (1 - rate) / trials + (_Z / (2 * trials)) ** 2)
    return max(0.0, (centre - room) / (1 + _Z**2 / trials)), min(1.0, (centre + room) / (1 + _Z**2 / trials))


def rate_interval(values: "np.ndarray", clusters: "np.ndarray") -> tuple[float, float, str]:
    """Return the 95 % interval of a rate, and its method: Wilson's, over as many rows as the conversations are worth.

    The effective number is rate (1 - rate) / error², less for the degrees of freedom (Korn and Graubard 1998, Survey
    Methodology 24), at most rows / (1 + alike (Σ size² / rows - 1)), since a few misses, all in short conversations,
    make error² too small; `alike`, 0 to 1, is what the rows of a conversation have in common (Fleiss and Cuzick 1979,
    Applied Psychological Measurement 3). Where no row differs from another it is Kish's number of conversations,
    (Σ size)² / Σ size² (Survey Sampling 1965, 11.7): large ones beside small ones count for less.

    Args:
        values: 0 or 1 a row, shape (rows,).
        clusters: the conversation of each row as an integer from 0, shape (rows,).
    """
    rate, totals, sizes = float(values.mean()), *_by_conversation(values, clusters)
    rows, count = len(values), len(sizes)
    if count == rows:
        return *wilson(rate, count), "Wilson"
    trials = kish = rows**2 / float((sizes**2).sum())
    if count > 1 and (error := cluster_error(totals, sizes, rate)) > 1e-12:
        apart = float((totals * (1 - totals / sizes)).sum()) / ((rows - count) * rate * (1 - rate))
        worth = rows / (1 + max(0.0, 1 - apart) * (rows / kish - 1))
        trials = min(worth, rate * (1 - rate) / error**2) * (_Z / student(count - 1)) ** 2
    return *wilson(rate, trials), f"Wilson, {count} conversations worth {trials:.0f} rows"


def mean_interval(values: "np.ndarray", clusters: "np.ndarray") -> tuple[float, float, str]:
    """Return the 95 % interval of a mean, and its method.

    Args:
        values: one value per row, shape (rows,).
        clusters: the conversation of each row as an integer from 0, shape (rows,).
    """
    mean, totals, sizes = float(values.mean()), *_by_conversation(values, clusters)
    if (error := cluster_error(totals, sizes, mean)) < 1e-12:  # no conversation differs from another, or there is one
        slack = nothing_seen(sizes)
        return mean - slack, mean + slack, "nothing varied: exact bound by conversation"
    half = student(len(sizes) - 1) * error
    return mean - half, mean + half, f"Student's t by conversation, {len(sizes)}"


def difference_bounds(
    totals: "np.ndarray", sizes: "np.ndarray", lengths: Mapping[int, float] | None = None
) -> tuple[float, float, float]:
    """Return the 95 % interval of a paired difference in [-1, 1], and what it is surely above: what a release reads.

    Student's t knows of no total failure that it has not seen, so the interval is nowhere narrower than what such sizes
    without a loss still allow. A release adds both errors in squares, as those of independent sources: losses that
    nobody saw come on top of what varies; a row that is lost falls from the difference to -1.
    `benchmarks.gate_errors` shows how often the interval and a release so bound are wrong.

    Args:
        totals: the sum of the differences in each conversation, shape (conversations,).
        sizes: the rows of each conversation, shape (conversations,).
        lengths: as `nothing_seen` has it.
    """
    difference = float(totals.sum() / sizes.sum())
    seen = student(max(1, len(sizes) - 1)) * cluster_error(totals, sizes, difference)
    unseen = nothing_seen(sizes, lengths)
    low, high = difference - max(seen, unseen), difference + max(seen, unseen)
    surely_above = min(low, difference - hypot(seen, (1 + difference) * unseen))
    return max(-1.0, low), min(1.0, high), max(-1.0, surely_above)


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


def nothing_seen(sizes: "np.ndarray", lengths: Mapping[int, float] | None = None) -> float:
    """Return the largest share of rows that conversations of such sizes, none of which was lost, leave at 97.5 %.

    The share that may be lost, Σ weight·p, is largest under Π (1 - p) = 0.025 where weight·(1 - p) = c for each
    conversation of more weight than c, and p = 0 for the others (Lagrange): only the heavy ones fail, few as they are.
    A conversation weighs its share of the rows: with equal sizes it is Clopper and Pearson's bound of 0 in n, 0.071 for
    50, whatever their size. Where the source's lengths are known, those of one length share what it has of the source's
    rows, and a length that none of them has may be lost wholly.

    Args:
        sizes: the rows of each conversation, shape (conversations,).
        lengths: how many conversations of the source have so many rows, in any unit; None: as those that there are.
    """
    import numpy as np

    seen, which, times = np.unique(sizes, return_inverse=True, return_counts=True)
    known, total = dict(zip(seen.tolist(), (times / len(sizes)).tolist(), strict=True)), sum((lengths or {}).values())
    known |= {size: count / total for size, count in (lengths or {}).items()}
    rows = sum(size * chance for size, chance in known.items())
    share = np.array([size * known[size] / rows for size in seen.tolist()])
    falling = np.sort((share / times)[which])[::-1]
    count = np.arange(1, len(falling) + 1)
    left = np.exp((log(0.025) + np.cumsum(np.log(falling))) / count)
    last = int((left >= np.append(falling[1:], 0.0)).argmax())
    return float((falling[: last + 1] - left[last]).sum() + 1 - share.sum())


@lru_cache(maxsize=4)  # at most 16 MB each
def _resampling_weights(count: int, seed: int) -> Any:
    """Return how often each conversation is drawn, shape (RESAMPLES, count)."""
    import numpy as np

    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1.0 / count), size=RESAMPLES).astype(float)


def _by_conversation(values: "np.ndarray", clusters: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """Return the total and the rows of each conversation, shape (conversations,) each."""
    import numpy as np

    return np.bincount(clusters, weights=values), np.bincount(clusters).astype(float)


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


def conversations_needed(distance: float, deviation: float, *, unseen: float = 3.7, power: float = 0.8) -> int | None:
    """Return how many conversations in all show a one-sided distance at 97.5 % with the given power.

    n = ((z_0.975 + z_power) * deviation / distance)^2, the usual normal approximation; None where distance <= 0.
    `unseen` is `nothing_seen` times the conversations: 3.7 where all have one size, more where few are long.
    """
    from scipy.stats import norm

    if distance <= 0:
        return None
    least = ceil(unseen / distance)  # with no deviation seen, `nothing_seen` still has to fall below the distance
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
