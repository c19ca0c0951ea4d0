"""Comparing many candidates on identical rows, in several metrics, with each row read once.

The same figures as `statistics.paired_difference` gives, to the last digit; a report compares twenty candidates in
three metrics and two tracks, and pairing 5,000 rows anew for each takes most of its time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from swap_assets.domain.scoring.scores import RowScore
from swap_assets.domain.statistics.intervals import cluster_error, cluster_numbers, mean_interval

if TYPE_CHECKING:
    import numpy as np


class Paired(NamedTuple):
    """The mean of A − B over the rows that have both, its 95 % interval, and both means; all in the metric's unit.

    `deviation` is the standard deviation of the difference from conversation to conversation.
    """

    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    rows: int
    conversations: int
    deviation: float


class Columns:
    """One candidate's rows of a track as columns, one for each metric that is asked for."""

    def __init__(self, rows: Sequence[RowScore]) -> None:
        self.rows = rows
        self.cases = [row.case_id for row in rows]
        self.clusters = cluster_numbers([row.conversation_id for row in rows])
        self._columns: dict[str, np.ndarray] = {}

    def column(self, metric: str) -> "np.ndarray":
        """Return a metric's values, shape (rows,); NaN where a row has none."""
        import numpy as np

        if metric not in self._columns:
            self._columns[metric] = np.array([row.value(metric) for row in self.rows], dtype=float)
        return self._columns[metric]

    def against(self, other: "Columns", metric: str) -> Paired | None:
        """Compare with another candidate; None where the cases differ or no row has both values."""
        import numpy as np

        theirs = self._aligned(other, metric)
        if theirs is None:
            return None
        mine = self.column(metric)
        known = ~(np.isnan(mine) | np.isnan(theirs))
        if not known.any():
            return None
        a, b = mine[known], theirs[known]
        clusters = _renumbered(self.clusters[known])
        low, high, _ = mean_interval(a - b, clusters)
        totals, sizes = np.bincount(clusters, weights=a - b), np.bincount(clusters).astype(float)
        error = cluster_error(totals, sizes, float((a - b).mean()))
        return Paired(
            mean_a=float(a.mean()),
            mean_b=float(b.mean()),
            difference=float((a - b).mean()),
            low=max(-1.0, low),
            high=min(1.0, high),
            rows=len(a),
            conversations=len(totals),
            deviation=error * float(np.sqrt(len(totals))),
        )

    def _aligned(self, other: "Columns", metric: str) -> "np.ndarray | None":
        if self.cases == other.cases:
            return other.column(metric)
        places = {case: place for place, case in enumerate(other.cases)}
        if places.keys() != set(self.cases):
            return None
        return other.column(metric)[[places[case] for case in self.cases]]


def _renumbered(clusters: "np.ndarray") -> "np.ndarray":
    """Number clusters from 0 in the order in which they first appear; resampling draws them by number."""
    import numpy as np

    _, first, place = np.unique(clusters, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[place]
