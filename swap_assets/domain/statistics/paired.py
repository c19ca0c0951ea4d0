"""Two candidates on identical rows: the difference with its interval, and how many rows a decision needs.

Rows come as anything with an id, a conversation and values by metric; each is read once however often it is compared
(a report compares twenty candidates in three metrics and two tracks). Intervals live in `intervals`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from swap_assets.domain.model import Frozen
from swap_assets.domain.statistics.intervals import SEED, cluster_error, cluster_numbers, mean_interval

if TYPE_CHECKING:
    import numpy as np


class Row(Protocol):
    """A scored row as far as comparisons read it."""

    @property
    def case_id(self) -> str:
        """The case that was answered."""
        ...

    @property
    def conversation_id(self) -> str:
        """The conversation that the case is of; rows of one are not independent."""
        ...

    def value(self, metric: str) -> float | None:
        """A metric's value, None where it does not apply."""
        ...


class PairedDifference(Frozen):
    """How much better A answers than B on identical rows: `difference` is the mean of A − B, in the metric's unit.

    `low` and `high` bound it at 95 % (resampled by conversation). `only_a` and `only_b` count the conversations that
    one answers wholly right (every row exact) and the other does not. `conversation_deviation` is how far the
    difference varies from conversation to conversation (standard deviation), which says how many more are needed.
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
    conversation_deviation: float

    @property
    def mcnemar_p(self) -> float:
        """The exact two-sided test of whether `only_a` and `only_b` differ by more than chance."""
        return mcnemar_exact(self.only_a, self.only_b)


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


class Columns:
    """One candidate's rows as columns, one for each metric that is asked for."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.cases = [row.case_id for row in rows]
        self._columns: dict[str, np.ndarray] = {}

    def column(self, metric: str) -> "np.ndarray":
        """Return a metric's values, shape (rows,); NaN where a row has none."""
        import numpy as np

        if metric not in self._columns:
            self._columns[metric] = np.array([row.value(metric) for row in self.rows], dtype=float)
        return self._columns[metric]

    def against(self, other: "Columns", metric: str, *, seed: int = SEED) -> PairedDifference | None:
        """Compare with another candidate on the rows where both have a value; other rows are in `left_out`.

        Returns:
            The comparison as self − other; None where the two were asked different cases, or no row has a value on
            both sides: then nothing can be said.
        """
        import numpy as np

        places = {case: place for place, case in enumerate(other.cases)}
        if places.keys() != set(self.cases):
            return None
        order = [places[case] for case in self.cases]
        mine, theirs = self.column(metric), other.column(metric)[order]
        known = ~(np.isnan(mine) | np.isnan(theirs))
        if not known.any():
            return None
        a, b = mine[known], theirs[known]
        clusters = cluster_numbers([self.rows[place].conversation_id for place in np.flatnonzero(known).tolist()])
        low, high, _ = mean_interval(a - b, clusters, seed=seed)
        totals, sizes = np.bincount(clusters, weights=a - b), np.bincount(clusters).astype(float)
        error = cluster_error(totals, sizes, float((a - b).mean()))
        whole_a, whole_b = (
            np.bincount(clusters, weights=right[known] != 1.0) == 0
            for right in (self.column("exact_match"), other.column("exact_match")[order])
        )
        return PairedDifference(
            metric=metric,
            mean_a=float(a.mean()),
            mean_b=float(b.mean()),
            difference=float((a - b).mean()),
            low=max(-1.0, low),
            high=min(1.0, high),
            rows=len(a),
            conversations=len(totals),
            left_out=len(mine) - len(a),
            only_a=int((whole_a & ~whole_b).sum()),
            only_b=int((whole_b & ~whole_a).sum()),
            conversation_deviation=error * float(np.sqrt(len(totals))),
        )


def paired_difference(
    rows_a: Sequence[Row], rows_b: Sequence[Row], metric: str = "field_f1", *, seed: int = SEED
) -> PairedDifference | None:
    """Compare two candidates once, as `Columns.against` does."""
    return Columns(rows_a).against(Columns(rows_b), metric, seed=seed)


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


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for several candidates in one decision (Holm 1979), in the given order."""
    import numpy as np
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return []
    _, adjusted, *_ = multipletests(p_values, method="holm")
    return np.asarray(adjusted, dtype=float).tolist()
