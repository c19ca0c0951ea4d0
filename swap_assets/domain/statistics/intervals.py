"""Intervals and paired comparisons; how many rows a decision needs.

Rows of one conversation are not independent, so resampling draws whole conversations. scipy does what it has; it is
imported where it is used (0.7 s). All randomness comes from a seed.

Where every conversation says the same, resampling would give an interval without width; there the bound is what a rate
of 0 differing conversations in n still allows (Clopper-Pearson), so ten equal rows prove little and say so. With fewer
than ten conversations the interval is at least Student's t.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.scores import RowScore

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2_000
SEED = 42
FEW = 10  # conversations; below, resampling alone gives intervals that are too narrow
MAX_RESAMPLED = 1_000  # conversations; with more, the normal approximation is as good and needs no 2,000 x n numbers


class PairedDifference(Frozen):
    """How much better A answers than B on identical rows: `difference` is the mean of A − B, in the metric's unit.

    `low` and `high` bound it at 95 % (resampled by conversation). `only_a` and `only_b` count the conversations that
    one answers wholly right (every row exact) and the other does not; `mcnemar_p` is the exact two-sided test of
    whether these two counts differ by more than chance. `conversation_deviation` is the standard deviation of the
    difference from conversation to conversation, which says how many more are needed.
    """

    metric: str
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    rows: int
    conversations: int
    left_out: int
    only_a: int
    only_b: int
    mcnemar_p: float
    conversation_deviation: float


class NonInferiority(Frozen):
    """Whether A is worse than B by less than `margin` (in the metric's unit).

    `shown` where the interval's lower bound lies above −margin; `superior` where it lies above 0; `worse` where the
    upper bound lies below 0. `p_value` is one-sided, against "A is worse by the margin or more", from the difference
    and its interval taken as normal; `conversations_needed` in all for 80 % power, if the measured difference is the
    true one, and `further_conversations` beyond those measured; None where no number would do.
    """

    shown: bool
    superior: bool
    worse: bool
    margin: float
    p_value: float
    conversations_needed: int | None
    further_conversations: int | None


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


def paired_difference(
    scores_a: Sequence[RowScore], scores_b: Sequence[RowScore], metric: str = "field_f1", *, seed: int = SEED
) -> PairedDifference | None:
    """Compare two candidates on the rows where both have a value; other rows are counted in `left_out`.

    Returns:
        The comparison, None where no row has a value on both sides.

    Raises:
        ValueError: the two cover different cases.
    """
    import numpy as np

    pairs = _pair(scores_a, scores_b)
    both = [(a, b) for a, b in pairs if a.value(metric) is not None and b.value(metric) is not None]
    if not both:
        return None
    difference = np.array([a.value(metric) - b.value(metric) for a, b in both])
    clusters = cluster_numbers([a.conversation_id for a, _ in both])
    low, high, _ = mean_interval(difference, clusters, seed=seed)
    only_a, only_b = _discordant(both)
    totals = np.bincount(clusters, weights=difference)
    sizes = np.bincount(clusters).astype(float)
    error = cluster_error(totals, sizes, float(difference.mean()))
    return PairedDifference(
        metric=metric,
        mean_a=float(np.mean([a.value(metric) for a, _ in both])),
        mean_b=float(np.mean([b.value(metric) for _, b in both])),
        difference=float(difference.mean()),
        low=max(-1.0, low),
        high=min(1.0, high),
        rows=len(both),
        conversations=len(totals),
        left_out=len(pairs) - len(both),
        only_a=only_a,
        only_b=only_b,
        mcnemar_p=mcnemar_exact(only_a, only_b),
        conversation_deviation=error * float(np.sqrt(len(totals))),
    )


def cluster_numbers(conversations: Sequence[str]) -> "np.ndarray":
    """Return each row's conversation as an integer from 0 in the order of first appearance, shape (rows,)."""
    import numpy as np

    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in conversations], dtype=np.int64)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test: a fair coin over the discordant pairs."""
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def non_inferiority(difference: PairedDifference, margin: float) -> NonInferiority:
    """Judge A − B against a margin, both in the metric's unit (0.05 is 5 points).

    Raises:
        ValueError: the margin is not positive.
    """
    if margin <= 0:
        raise ValueError(f"a non-inferiority margin is positive, got {margin}")
    needed = conversations_needed(difference.difference + margin, difference.conversation_deviation)
    return NonInferiority(
        shown=difference.low > -margin,
        superior=difference.low > 0,
        worse=difference.high < 0,
        margin=margin,
        p_value=chance_of_passing(difference.difference + margin, low=difference.low, high=difference.high),
        conversations_needed=needed,
        further_conversations=None if needed is None else max(0, needed - difference.conversations),
    )


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
    from math import ceil

    from scipy.stats import norm

    if distance <= 0:
        return None
    least = ceil(3.7 / distance)  # with no deviation seen, `nothing_seen(n)` still has to fall below the distance
    return max(least, ceil(float((norm.ppf(0.975) + norm.ppf(power)) * deviation / distance) ** 2))


def _pair(scores_a: Sequence[RowScore], scores_b: Sequence[RowScore]) -> list[tuple[RowScore, RowScore]]:
    by_case = {score.case_id: score for score in scores_b}
    only_one_side = {score.case_id for score in scores_a} ^ by_case.keys()
    if only_one_side:
        raise ValueError(
            f"{len(only_one_side)} cases were scored for one candidate only, such as '{min(only_one_side)}': "
            "compare answers to identical rows"
        )
    return [(score, by_case[score.case_id]) for score in scores_a]


def _discordant(pairs: Sequence[tuple[RowScore, RowScore]]) -> tuple[int, int]:
    """Return how many conversations A alone, and B alone, answers wholly right."""
    whole: dict[str, tuple[bool, bool]] = {}
    for a, b in pairs:
        right_a, right_b = whole.get(a.conversation_id, (True, True))
        whole[a.conversation_id] = right_a and a.exact_match == 1.0, right_b and b.exact_match == 1.0
    outcomes = list(whole.values())
    return outcomes.count((True, False)), outcomes.count((False, True))
