"""Two candidates on identical rows: the difference with its interval, and how many rows a decision needs.

Each row is read once however often it is compared (a report compares twenty candidates in three metrics and two
tracks). Intervals and tests live in `statistics`.
"""

from collections.abc import Sequence
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING

from swap_assets.domain.metrics import field_of
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.scores import RowScore
from swap_assets.domain.statistics import SEED, cluster_error, cluster_numbers, mcnemar_exact, mean_interval

if TYPE_CHECKING:
    import numpy as np


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


class Columns:
    """One candidate's rows as columns, one for each metric that is asked for."""

    def __init__(self, rows: Sequence[RowScore]) -> None:
        self.rows = rows
        self.cases = [row.case_id for row in rows]
        self.clusters = cluster_numbers([row.conversation_id for row in rows])
        self._columns: dict[str, np.ndarray] = {}

    def column(self, metric: str) -> "np.ndarray":
        """Return a metric's values, shape (rows,); NaN where a row has none."""
        import numpy as np

        if metric not in self._columns:
            field = field_of(metric)  # looked up once: a report reads 200 columns
            read = attrgetter(field) if field else methodcaller("value", metric)
            self._columns[metric] = np.array(list(map(read, self.rows)), dtype=float)
        return self._columns[metric]

    def against(self, other: "Columns", metric: str, *, seed: int = SEED) -> PairedDifference | None:
        """Compare with another candidate on the rows where both have a value; other rows are in `left_out`.

        Returns:
            The comparison as self − other; None where the two were asked different cases, or no row has a value on
            both sides: then nothing can be said.
        """
        import numpy as np

        order: slice | list[int] = slice(None)
        if self.cases != other.cases:
            places = {case: place for place, case in enumerate(other.cases)}
            if places.keys() != set(self.cases):
                return None
            order = [places[case] for case in self.cases]
        mine, theirs = self.column(metric), other.column(metric)[order]
        known = ~(np.isnan(mine) | np.isnan(theirs))
        if not known.any():
            return None
        a, b = mine[known], theirs[known]
        clusters = self.clusters if known.all() else cluster_numbers(self.clusters[known].tolist())
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
    rows_a: Sequence[RowScore], rows_b: Sequence[RowScore], metric: str = "field_f1", *, seed: int = SEED
) -> PairedDifference | None:
    """Compare two candidates once, as `Columns.against` does."""
    return Columns(rows_a).against(Columns(rows_b), metric, seed=seed)
