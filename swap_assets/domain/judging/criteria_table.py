"""The success criteria as data.

`Criterion(name="single_turn_exact_match", split="single_turn", metric="exact_match", threshold=70, unit="%", ...)`
asks for 70 % whole answers on the single-turn rows. Judging a candidate against them lives in `criteria`.
"""

from typing import Literal

from swap_assets.domain.model import Frozen

Verdict = Literal["pass", "fail", "inconclusive", "not_measured"]
Unit = Literal["%", "score", "points"]
STRICT_SUFFIX = "_strict"
_READ_STRICTLY = frozenset(
    {"exact_match", "name_match", "arguments_exact", "field_f1", "field_precision", "field_recall"}
)


class Criterion(Frozen):
    """One demand. `split` names the test split whose rows count, "" for all rows; `threshold` is in `unit`.

    `compares` is "none" for a demand on the candidate alone, "delta" for LLM − SLM in points, "release" for the same
    with the interval's bound beyond the margin. `below` means that the value may not even equal the threshold.
    `json_quality` demands are judged on the structured track where a candidate has one.
    """

    name: str
    description: str
    metric: str
    split: str = ""
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


class Criteria(Frozen):
    """The demands of one experiment; `margin_points` is how much worse than the LLM a release may be at most."""

    demands: tuple[Criterion, ...]
    margin_points: float = 5.0


def default_criteria(
    *, metric: str = "field_f1", margin_points: float = 5.0, release_delta: float = 0.0, reads: str = "lenient"
) -> Criteria:
    """Return the guide's table.

    Args:
        metric: the one in which SLM and LLM are compared.
        margin_points: of the release, in points.
        release_delta: the largest LLM − SLM that may be released, in points.
        reads: "lenient" judges what could be recovered from the answers, "strict" what is to the letter.
    """
    demands = (*_ABILITY, *_QUALITY, *_against_the_llm(metric, release_delta))
    if reads == "strict":
        demands = tuple(_strictly(demand) for demand in demands)
    return Criteria(demands=demands, margin_points=margin_points)


def _strictly(demand: Criterion) -> Criterion:
    if demand.metric not in _READ_STRICTLY:
        return demand
    return demand.model_copy(update={"metric": demand.metric + STRICT_SUFFIX})


_ABILITY = (
    Criterion(
        name="single_turn_exact_match", description="whole answers exactly right, single-turn",
        split="single_turn", metric="exact_match", threshold=70, unit="%",
    ),
    Criterion(
        name="single_turn_field_f1", description="field F1, single-turn",
        split="single_turn", metric="field_f1", threshold=0.80, unit="score",
    ),
    Criterion(
        name="multi_turn_field_f1", description="field F1, multi-turn",
        split="multi_turn", metric="field_f1", threshold=0.60, unit="score",
    ),
    Criterion(
        name="multi_turn_name_match", description="right functions called, multi-turn",
        split="multi_turn", metric="name_match", threshold=80, unit="%",
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
        metric="domain_deviation", at_least=False, below=True, threshold=0.15, unit="score",
    ),
    Criterion(
        name="domain_lowest", description="field F1 in the weakest domain",
        metric="domain_lowest", threshold=0.50, unit="score",
    ),
    Criterion(
        name="no_call_accuracy", description="no call made where none is right",
        metric="no_call_accuracy", threshold=90, unit="%",
    ),
)  # fmt: skip


def _against_the_llm(metric: str, release_delta: float) -> tuple[Criterion, ...]:
    delta = Criterion(
        name="llm_delta", description="distance to the LLM (LLM − SLM)",
        metric=metric, at_least=False, threshold=10, unit="points", compares="delta",
    )  # fmt: skip
    release = Criterion(
        name="release", description="not worse than the LLM (LLM − SLM)",
        metric=metric, at_least=False, threshold=release_delta, unit="points", compares="release",
    )  # fmt: skip
    return delta, release
