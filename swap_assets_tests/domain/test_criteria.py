"""The verdicts on the guide's table, and what they say to a manager."""

import pytest

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.judging.criteria import criteria_of, judge
from swap_assets.domain.judging.criteria_table import Criteria, CriterionResult, default_criteria
from swap_assets.domain.keys import hosted, tuned
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult, not_evaluated
from swap_assets.domain.scoring.scores import EvalSummary, Metric
from swap_assets.domain.statistics.intervals import PairedDifference

METRIC = Metric(value=0.9, low=0.85, high=0.95, n=100)


def summary(unscored: int = 0, **metrics: Metric) -> EvalSummary:
    single = {"exact_match": METRIC, "field_f1": METRIC}
    return EvalSummary(
        candidate_id="slm",
        answer_format=HERMES,
        track=Track.TOOLCALL,
        cases=100,
        scored=100 - unscored,
        unscored=unscored,
        metrics={"field_f1": METRIC} | metrics,
        by_label={"single_turn": {"all": single}},
    )


def paired(difference: float, low: float, high: float) -> PairedDifference:
    return PairedDifference(
        metric="field_f1", mean_a=0.8, mean_b=0.8 - difference, difference=difference, low=low, high=high,
        rows=100, conversations=100, left_out=0, only_a=0, only_b=0, mcnemar_p=1.0, conversation_deviation=0.1,
    )  # fmt: skip


def result(name: str, ours: EvalSummary, pair: PairedDifference | None = None, **kwargs) -> CriterionResult:
    return next(found for found in judge(ours, None, pair, **kwargs) if found.name == name)


def test_the_table_is_the_guides():
    asked = {demand.name: (demand.threshold, demand.unit) for demand in default_criteria().demands}
    assert asked == {
        "single_turn_exact_match": (70, "%"),
        "single_turn_field_f1": (0.80, "score"),
        "multi_turn_field_f1": (0.60, "score"),
        "multi_turn_name_match": (80, "%"),
        "json_valid": (90, "%"),
        "field_precision": (0.85, "score"),
        "field_recall": (0.85, "score"),
        "domain_deviation": (0.15, "score"),
        "domain_lowest": (0.50, "score"),
        "no_call_accuracy": (90, "%"),
        "llm_delta": (10, "points"),
        "release": (0, "points"),
    }


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict", "met", "certain"),
    [
        (0.95, 0.92, 0.97, "pass", True, True),
        (0.95, 0.88, 0.97, "inconclusive", True, False),
        (0.88, 0.80, 0.93, "inconclusive", False, False),
        (0.50, 0.40, 0.60, "fail", False, True),
        (0.90, 0.90, 0.90, "pass", True, True),
    ],
)
def test_a_verdict_is_certain_only_where_the_whole_interval_agrees(value, low, high, verdict, met, certain):
    found = result("json_valid", summary(valid_json=Metric(value=value, low=low, high=high, n=100, unit="rate")))
    assert (found.verdict, found.met, found.certain) == (verdict, met, certain)
    assert found.value == pytest.approx(100 * value) and found.unit == "%"


def test_what_no_row_tells_is_not_measured_and_never_failed():
    found = result("multi_turn_field_f1", summary())
    assert (found.verdict, found.met, found.value) == ("not_measured", False, None)
    assert found.sentence == "Not measured: no row tells about field F1, multi-turn."


def test_a_deviation_that_equals_the_limit_does_not_lie_below_it():
    at_limit = summary(domain_deviation=Metric(value=0.15, n=50, unit="deviation"))
    assert result("domain_deviation", at_limit).verdict == "fail"


def test_the_domain_rule_reads_the_raw_deviation_and_takes_its_certainty_from_the_corrected_one():
    ours = summary(
        domain_deviation=Metric(value=0.18, n=50, unit="deviation"),
        domain_deviation_corrected=Metric(value=0.02, low=0.0, high=0.14, n=50, unit="deviation"),
    )
    found = result("domain_deviation", ours)
    assert not found.met and found.verdict == "inconclusive"
    assert found.sentence.endswith("between 0 and 0.14 once sampling noise is taken out.")


@pytest.mark.parametrize(
    ("difference", "low", "high", "delta", "release"),
    [
        (0.01, -0.02, 0.04, "pass", "pass"),
        (0.04, 0.01, 0.07, "pass", "pass"),
        (0.01, -0.06, 0.08, "pass", "inconclusive"),
        (-0.01, -0.03, 0.01, "pass", "inconclusive"),
        (-0.06, -0.09, -0.03, "pass", "fail"),
        (-0.09, -0.14, -0.04, "inconclusive", "fail"),
        (-0.30, -0.40, -0.20, "fail", "fail"),
    ],
)
def test_release_asks_for_no_measured_loss_and_for_a_large_one_to_be_ruled_out(difference, low, high, delta, release):
    pair = paired(difference, low, high)
    assert result("llm_delta", summary(), pair).verdict == delta
    assert result("release", summary(), pair).verdict == release
    assert result("llm_delta", summary(), pair).value == pytest.approx(-100 * difference)


def test_superiority_is_reported_beside_the_release():
    assert "surpasses the LLM beyond doubt" in result("release", summary(), paired(0.04, 0.01, 0.07)).sentence
    assert "surpasses" not in result("release", summary(), paired(0.01, -0.02, 0.04)).sentence


def test_the_margin_of_a_release_is_a_setting():
    pair = paired(0.01, -0.02, 0.04)
    assert result("release", summary(), pair, criteria=default_criteria(margin_points=1)).verdict == "inconclusive"


def test_without_identical_rows_the_delta_is_less_sure_and_no_release_is_judged():
    llm = summary().model_copy(update={"metrics": {"field_f1": Metric(value=0.92, low=0.87, high=0.97, n=90)}})
    results = {found.name: found for found in judge(summary(), llm, None)}
    assert results["llm_delta"].value == pytest.approx(2.0)
    assert results["llm_delta"].low == pytest.approx(2.0 - 100 * (0.05**2 + 0.05**2) ** 0.5)
    assert results["release"].verdict == "not_measured"


def test_sentences_say_what_was_asked_what_was_measured_and_how_sure_it_is():
    ours = summary(valid_json=Metric(value=0.897, low=0.8, high=0.95, n=97, unit="rate"))
    assert result("json_valid", ours).sentence == (
        "Missed, but not proven. Answers with valid JSON: 89.7 % on 97 rows, at least 90 % asked; "
        "the true value may lie anywhere between 80 % and 95 %."
    )
    assert result("release", summary(), paired(0.012, -0.02, 0.04)).sentence == (
        "Passed. The SLM is 1.2 points ahead of the LLM on 100 rows; in truth it is between 4.0 points ahead of the "
        "LLM and 2.0 points behind the LLM (95 % sure). A loss of 5 points or more is ruled out."
    )


def test_rows_without_an_answer_are_said_beside_the_figure():
    ours = summary(unscored=3, valid_json=METRIC)
    assert result("json_valid", ours).sentence.endswith("3 rows got no answer and are not in this figure.")


def test_strict_reading_judges_the_strict_figures():
    demands = {demand.name: demand.metric for demand in default_criteria(reads="strict").demands}
    assert demands["single_turn_exact_match"] == "exact_match_strict"
    assert demands["release"] == "field_f1_strict"
    assert demands["json_valid"] == "valid_json"


def test_an_evaluation_is_judged_per_track_and_json_quality_on_the_structured_one():
    slm = tuned("m", "s", "fledgling")
    tracks = {
        Track.TOOLCALL: TrackResult(summary=summary(valid_json=Metric(value=0.1, low=0.1, high=0.1, n=9)), rows=()),
        Track.STRUCTURED: TrackResult(summary=summary(valid_json=Metric(value=0.99, low=0.98, high=1.0, n=9)), rows=()),
    }
    llm = not_evaluated(hosted("llm", "s"), "absent", "not yet")
    found = {one.name: one for one in criteria_of(Evaluation(candidate=slm, results=tracks), llm, GatePolicy())}
    assert found["json_valid"].verdict == "pass"
    assert found["release"].verdict == "not_measured"


def test_what_was_not_evaluated_is_not_measured_in_any_criterion():
    absent = not_evaluated(tuned("m", "s", "paper"), "failed", "out of memory")
    found = criteria_of(absent, absent, GatePolicy())
    assert {one.verdict for one in found} == {"not_measured"}
    assert len(found) == len(default_criteria().demands)


def test_criteria_are_data_and_can_be_replaced():
    only = Criteria(demands=tuple(d for d in default_criteria().demands if d.name == "json_valid"))
    assert [found.name for found in judge(summary(valid_json=METRIC), None, None, only)] == ["json_valid"]
