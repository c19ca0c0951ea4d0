"""The shape of a score: per row with its evidence, and a candidate's summary. Computing them lives in `scoring`.

A value that could not be computed is None and says so; it is never 0.
"""

from typing import Literal

from pydantic import Field

from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.metrics import Unit, field_of
from swap_assets.domain.model import Frozen, Origin, ToolCall

FailureClass = Literal[
    "none", "not_obtained", "refusal", "empty", "truncated", "unreadable", "called_when_it_should_not",
    "missing_call", "extra_call", "unknown_function", "wrong_function", "wrong_order",
    "missing_argument", "extra_argument", "wrong_type", "wrong_value",
]  # fmt: skip


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

    @property
    def calls_expected(self) -> bool:
        """Whether a call is right, which a row without an answer does not deny."""
        return self.no_call_correct is None

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
