"""The shape of a score: per row with its evidence, a candidate's summary, and two candidates on identical rows.

A value that could not be computed is None and says so; it is never 0. Each row is read once however often it is
compared (a report compares twenty candidates in three metrics and two tracks). Scoring a row lives in `row_scoring`,
summaries in `aggregation`, intervals and tests in `statistics`.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.metrics import Unit, field_of
from swap_assets.domain.model import Frozen, Origin, ToolCall
from swap_assets.domain.statistics import cluster_error, cluster_numbers, difference_bounds, mcnemar_exact, nothing_seen

if TYPE_CHECKING:
    import numpy as np

FailureClass = Literal[
    "none", "not_obtained", "refusal", "empty", "truncated", "unreadable", "called_when_it_should_not",
    "missing_call", "extra_call", "unknown_function", "wrong_function", "wrong_order",
    "missing_argument", "extra_argument", "wrong_type", "wrong_value",
]  # fmt: skip
# Rows on which a call is right, rows on which none is; of the former, those that people made and those generated.
Part = Literal["all", "call", "no_call", "real", "synthetic"]


class RowScore(Frozen):
    """How one answer compares with its gold, and the evidence for it.

    Rates are 0.0 or 1.0 per row; `field_*` are in [0, 1]. None means "does not apply to this row" (for example
    `no_call_correct` on a row whose gold has calls). `scored` is False where no answer could be obtained.
    `predicted_fields` is what precision is divided by over many rows: an answer that gives no field is charged with as
    many as gold has, so that invalid output costs precision too.
    """

    case_id: str
    conversation_id: str
    labels: dict[str, str] = Field(default_factory=dict)
    splits: tuple[str, ...] = ()
    origin: Origin
    scored: bool = True
    format_compliant: float | None = None
    valid_json: float | None = None
    schema_valid: float | None = None
    name_match: float | None = None
    arguments_exact: float | None = None
    exact_match: float | None = None
    field_precision: float | None = None
    field_recall: float | None = None
    field_f1: float | None = None
    name_match_strict: float | None = None
    arguments_exact_strict: float | None = None
    exact_match_strict: float | None = None
    field_precision_strict: float | None = None
    field_recall_strict: float | None = None
    field_f1_strict: float | None = None
    true_positives: int = 0
    predicted_fields: int = 0
    gold_fields: int = 0
    true_positives_strict: int = 0
    predicted_fields_strict: int = 0
    extra_calls: int = 0
    missing_calls: int = 0
    no_call_correct: float | None = None
    extracted_calls: tuple[ToolCall, ...] = ()
    first_difference: str = ""
    failure: FailureClass = "none"
    values: dict[str, float | None] = Field(default_factory=dict, description="of metrics that compute their own")

    def value(self, metric: str) -> float | None:
        """Return a metric's value by its registered name, None where it does not apply to this row."""
        field = field_of(metric)
        return getattr(self, field) if field else self.values.get(metric)


class Metric(Frozen):
    """An aggregate with its 95 % interval; `n` is the number of rows it rests on, `unit` as `metrics` has it."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    unit: Unit = "score"
    method: str = ""


class EvalSummary(Frozen):
    """All aggregates of one candidate under one answer format, over the test rows of one scale.

    `by_label` maps a test split ("single_turn", "multi_turn", "domain", ...) to its labels and their metrics; the label
    "all" is all rows of the split. `by_origin` keeps real and synthetic rows apart; `micro` counts fields over all rows
    together. `failure_examples` holds the first case ids of each failure class.
    """

    candidate_id: str
    answer_format: AnswerFormat
    track: Track
    cases: int
    scored: int
    unscored: int
    metrics: dict[str, Metric]
    micro: dict[str, Metric] = Field(default_factory=dict)
    by_label: dict[str, dict[str, dict[str, Metric]]] = Field(default_factory=dict)
    by_origin: dict[str, dict[str, Metric]] = Field(default_factory=dict)
    failures: dict[str, int] = Field(default_factory=dict)
    failure_examples: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every case got an answer; an incomplete candidate is marked so wherever it is shown."""
        return self.unscored == 0 and self.scored == self.cases

    def value(self, metric: str) -> float | None:
        """Return a metric's value, None where it was not measured."""
        return self.metrics[metric].value if metric in self.metrics else None


class PairedDifference(Frozen):
    """How much better A answers than B on identical rows: `difference` is the mean of A − B, in the metric's unit.

    `low` and `high` bound it at 95 %, `surely_above` leaves more room for total failures that nobody saw; it is what a
    release reads (`statistics.difference_bounds`). `only_a` and `only_b` count the conversations that one answers
    wholly right (every row exact) and the other does not. `conversation_deviation` is how far the difference varies
    from conversation to conversation (standard deviation), which says how many more are needed.
    """

    metric: str
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    surely_above: float
    rows: int
    conversations: int
    left_out: int
    only_a: int
    only_b: int
    conversation_deviation: float
    unseen: float = Field(default=3.7, description="conversations times the share of rows that may fail unseen")

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

    def against(
        self, other: "Columns", metric: str, *, part: Part = "all", lengths: Mapping[int, float] | None = None
    ) -> PairedDifference | None:
        """Compare as self − other on a part's rows; None where the cases differ, or no row has both values.

        `lengths` of the source's conversations bound what nobody saw (`statistics.nothing_seen`).
        """
        import numpy as np

        order = self._places_in(other)
        if order is None:
            return None
        mine, theirs, chosen = self.column(metric), other.column(metric)[order], self._in_part(other, order, part)
        known = chosen & ~(np.isnan(mine) | np.isnan(theirs))
        if not known.any():
            return None
        right = [column[known] == 1.0 for column in (self.column("exact_match"), other.column("exact_match")[order])]
        clusters = self.clusters if known.all() else cluster_numbers(self.clusters[known].tolist())
        found = compared(metric, mine[known], theirs[known], right, clusters, lengths)
        return found.model_copy(update={"left_out": int(chosen.sum()) - found.rows})

    def _places_in(self, other: "Columns") -> slice | list[int] | None:
        """Return where the other candidate's rows are, in the order of these; None where the cases differ."""
        if self.cases == other.cases:
            return slice(None)
        places = {case: place for place, case in enumerate(other.cases)}
        return [places[case] for case in self.cases] if places.keys() == set(self.cases) else None

    def _in_part(self, other: "Columns", order: slice | list[int], part: Part) -> "np.ndarray":
        """Return a part's rows, shape (rows,); for a missing answer the other one says whether a call is right."""
        import numpy as np

        if part == "all":
            return np.ones(len(self.rows), dtype=bool)
        quiet = ~np.isnan(self.column("no_call_accuracy")) | ~np.isnan(other.column("no_call_accuracy")[order])
        if part == "no_call":
            return quiet
        generated = np.array([row.origin == "synthetic" for row in self.rows], dtype=bool)
        return ~quiet & {"call": True, "real": ~generated, "synthetic": generated}[part]


def compared(
    metric: str, a: "np.ndarray", b: "np.ndarray", right: Sequence["np.ndarray"], clusters: "np.ndarray",
    lengths: Mapping[int, float] | None = None,
) -> PairedDifference:  # fmt: skip
    """Compare two candidates' values, shape (rows,) each; `right` says for each which of its rows are exact."""
    import numpy as np

    totals, sizes = np.bincount(clusters, weights=a - b), np.bincount(clusters).astype(float)
    low, high, surely_above = difference_bounds(totals, sizes, lengths)
    difference = float((a - b).mean())
    whole_a, whole_b = (np.bincount(clusters, weights=~exact) == 0 for exact in right)
    return PairedDifference(
        metric=metric, mean_a=float(a.mean()), mean_b=float(b.mean()), difference=difference, low=low, high=high,
        surely_above=surely_above, rows=len(a), conversations=len(totals), left_out=0,
        only_a=int((whole_a & ~whole_b).sum()), only_b=int((whole_b & ~whole_a).sum()),
        conversation_deviation=cluster_error(totals, sizes, difference) * float(np.sqrt(len(totals))),
        unseen=nothing_seen(sizes, lengths) * len(sizes),
    )  # fmt: skip


def paired_difference(
    rows_a: Sequence[RowScore], rows_b: Sequence[RowScore], metric: str = "field_f1", *, part: Part = "all",
    lengths: Mapping[int, float] | None = None,
) -> PairedDifference | None:  # fmt: skip
    """Compare two candidates once, as `Columns.against` does."""
    return Columns(rows_a).against(Columns(rows_b), metric, part=part, lengths=lengths)
