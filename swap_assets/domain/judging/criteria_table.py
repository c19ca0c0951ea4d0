"""The success criteria as data.

`Criterion(name="single_turn_exact_match", split="single_turn_test", metric="exact_match", threshold=70, unit="%", ...)`
asks for 70 % whole answers on the rows of the single-turn test. Judging a candidate against them lives in `criteria`.
"""

from typing import Literal

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.metrics import METRICS, as_read
from swap_assets.domain.model import Frozen

Verdict = Literal["pass", "fail", "inconclusive", "not_measured"]
Unit = Literal["%", "score", "points", "% of the LLM"]


class Criterion(Frozen):
    """One demand; `threshold` is in `unit`.

    `split` names the test split whose rows count, "" for all rows; `label` is what its rows are labelled by, which
    alone decides where rows do not say which splits they serve. `compares` is "none" for a demand on the candidate
    alone, "delta" for LLM − SLM in points or in percent of the LLM's figure, "release" for LLM − SLM in points with the
    interval's bound beyond the margin. `below` means that the value may not even equal the threshold. `json_quality`
    demands are judged on the structured track where a candidate has one.
    """

    name: str
    description: str
    metric: str
    split: str = ""
    label: str = ""
    at_least: bool = True
    below: bool = False
    threshold: float
    unit: Unit
    compares: Literal["none", "delta", "release"] = "none"
    json_quality: bool = False


class CriterionResult(Frozen):
    """What was measured against a demand; `value`, `low`, `high` and `threshold` are in `unit`.

    `met` is the plain reading, `certain` whether the interval agrees with it; both are False where nothing was
    measured. `sentence` says it all in words.
    """

    name: str
    description: str
    value: float | None
    low: float | None = None
    high: float | None = None
    threshold: float
    unit: Unit
    rows: int = 0
    met: bool
    certain: bool
    verdict: Verdict
    sentence: str


def criteria_in_force(policy: GatePolicy) -> tuple[Criterion, ...]:
    """Return the guide's table as the experiment's policy reads it: its metric, its limits, lenient or strict."""
    demands = (*_ABILITY, *_QUALITY, *_of_metrics(), *_against_the_llm(policy))
    return tuple(demand.model_copy(update={"metric": as_read(demand.metric, policy.reads)}) for demand in demands)


def _of_metrics() -> tuple[Criterion, ...]:
    """Return a criterion for each metric that asks for one of its own."""
    return tuple(
        Criterion(name=name, description=entry.title, metric=name, threshold=entry.asked * 100, unit="%")
        if entry.unit == "rate"
        else Criterion(name=name, description=entry.title, metric=name, threshold=entry.asked, unit="score")
        for name, entry in METRICS.items()
        if entry.asked is not None
    )


_ABILITY = (
    Criterion(
        name="single_turn_exact_match", description="whole answers exactly right, single-turn",
        split="single_turn_test", label="single_turn", metric="exact_match", threshold=70, unit="%",
    ),
    Criterion(
        name="single_turn_field_f1", description="field F1, single-turn",
        split="single_turn_test", label="single_turn", metric="field_f1", threshold=0.80, unit="score",
    ),
    Criterion(
        name="multi_turn_field_f1", description="field F1, multi-turn",
        split="multi_turn_test", label="multi_turn", metric="field_f1", threshold=0.60, unit="score",
    ),
    Criterion(
        name="multi_turn_name_match", description="right functions called, multi-turn",
        split="multi_turn_test", label="multi_turn", metric="name_match", threshold=80, unit="%",
    ),
)  # fmt: skip
_QUALITY = (
    Criterion(
        name="json_valid", description="answers with valid JSON",
        metric="valid_json", threshold=90, unit="%", json_quality=True,
    ),
    Criterion(
        name="field_precision", description="field precision",
        metric="field_precision", threshold=0.85, unit="score", json_quality=True,
    ),
    Criterion(
        name="field_recall", description="field recall",
        metric="field_recall", threshold=0.85, unit="score", json_quality=True,
    ),
    Criterion(
        name="domain_deviation", description="standard deviation of field F1 over domains",
        split="domain_diverse_test", label="domain", metric="domain_deviation",
        at_least=False, below=True, threshold=0.15, unit="score",
    ),
    Criterion(
        name="domain_lowest", description="field F1 in the weakest domain",
        split="domain_diverse_test", label="domain", metric="domain_lowest", threshold=0.50, unit="score",
    ),
    Criterion(
        name="no_call_accuracy", description="no call made where none is right",
        split="no_call_test", label="no_call", metric="no_call_accuracy", threshold=90, unit="%",
    ),
)  # fmt: skip


def _against_the_llm(policy: GatePolicy) -> tuple[Criterion, ...]:
    metric, rule = policy.primary_metric, policy.llm_delta
    delta = Criterion(
        name="llm_delta", description="distance to the LLM (LLM − SLM)", metric=metric, at_least=False,
        threshold=rule.at_most, unit="points" if rule.unit == "points" else "% of the LLM", compares="delta",
    )  # fmt: skip
    release = Criterion(
        name="release", description="not worse than the LLM (LLM − SLM)", metric=metric, at_least=False,
        threshold=policy.release.max_delta_points, unit="points", compares="release",
    )  # fmt: skip
    return delta, release
