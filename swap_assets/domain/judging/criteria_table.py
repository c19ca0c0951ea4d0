"""The success criteria as data.

`Criterion(name="single_turn_exact_match", split="single_turn_test", metric="exact_match", threshold=70, unit="%", ...)`
asks for 70 % whole answers on the rows of the single-turn test. Judging a candidate against them lives in `criteria`.
"""

from typing import Literal, NamedTuple

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.metrics import METRICS, as_read
from swap_assets.domain.model import Frozen

Verdict = Literal["pass", "fail", "inconclusive", "not_measured"]
Unit = Literal["%", "score", "points", "% of the LLM"]


class Criterion(NamedTuple):
    """One demand; `threshold` is in `unit`.

    `split` names the test split whose rows count, "" for all rows. `compares` is "none" for a demand on the candidate
    alone, "delta" for LLM − SLM in points or in percent of the LLM's figure, "release" for LLM − SLM in points with the
    interval's bound beyond the margin. `below` means that the value may not even equal the threshold. `json_quality`
    demands are judged on the structured track where a candidate has one.
    """

    name: str
    description: str
    metric: str
    threshold: float
    unit: Unit
    split: str = ""
    at_least: bool = True
    below: bool = False
    compares: Literal["none", "delta", "release"] = "none"
    json_quality: bool = False

    @property
    def label(self) -> str:
        """What the split's rows are labelled by; it alone decides where rows do not say which splits they serve."""
        return {"domain_diverse_test": "domain"}.get(self.split, self.split.removesuffix("_test"))


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
    demands = (*_GUIDE, *_of_metrics(), *_against_the_llm(policy))
    return tuple(demand._replace(metric=as_read(demand.metric, policy.reads)) for demand in demands)


def _of_metrics() -> list[Criterion]:
    """Return a criterion for each metric that asks for one of its own."""
    return [
        Criterion(name, entry.title, name, 100 * entry.asked, "%")
        if entry.unit == "rate"
        else Criterion(name, entry.title, name, entry.asked, "score")
        for name, entry in METRICS.items()
        if entry.asked is not None
    ]


_SINGLE, _MULTI, _DOMAIN = "single_turn_test", "multi_turn_test", "domain_diverse_test"
_GUIDE = (
    Criterion("single_turn_exact_match", "whole answers exactly right, single-turn", "exact_match", 70, "%",
              split=_SINGLE),
    Criterion("single_turn_field_f1", "field F1, single-turn", "field_f1", 0.80, "score", split=_SINGLE),
    Criterion("multi_turn_field_f1", "field F1, multi-turn", "field_f1", 0.60, "score", split=_MULTI),
    Criterion("multi_turn_name_match", "right functions called, multi-turn", "name_match", 80, "%", split=_MULTI),
    Criterion("json_valid", "answers with valid JSON", "valid_json", 90, "%", json_quality=True),
    Criterion("field_precision", "field precision", "field_precision", 0.85, "score", json_quality=True),
    Criterion("field_recall", "field recall", "field_recall", 0.85, "score", json_quality=True),
    Criterion("domain_deviation", "standard deviation of field F1 over domains", "domain_deviation", 0.15, "score",
          split=_DOMAIN, at_least=False, below=True),
    Criterion("domain_lowest", "field F1 in the weakest domain", "domain_lowest", 0.50, "score", split=_DOMAIN),
    Criterion("no_call_accuracy", "no call made where none is right", "no_call_accuracy", 90, "%",
              split="no_call_test"),
)  # fmt: skip


def _against_the_llm(policy: GatePolicy) -> tuple[Criterion, ...]:
    metric, rule = policy.primary_metric, policy.llm_delta
    unit: Unit = "points" if rule.unit == "points" else "% of the LLM"
    allowed = policy.release.max_delta_points
    return (
        Criterion("llm_delta", "distance to the LLM (LLM − SLM)", metric, rule.at_most, unit,
              at_least=False, compares="delta"),
        Criterion("release", "not worse than the LLM (LLM − SLM)", metric, allowed, "points",
              at_least=False, compares="release"),
    )  # fmt: skip
