"""The verdicts on the guide's table, and what they say to a manager."""

import pytest

from swap_assets.domain.experiment.gate_policy import DistanceRule, GatePolicy, ReleaseRule
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.judging.criteria import Measured, criteria_of, judge
from swap_assets.domain.judging.criteria_table import Criterion, CriterionResult, criteria_in_force
from swap_assets.domain.keys import hosted, tuned
from swap_assets.domain.scoring.aggregation import summarise
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult, not_evaluated
from swap_assets.domain.scoring.scores import Metric, RowScore

SLM, LLM = tuned("m", "s", "fledgling"), hosted("llm", "s")
ABSENT = not_evaluated(LLM, "absent", "not yet")
STRICT_NAMES = ("field_f1_strict", "field_precision_strict", "field_recall_strict", "exact_match_strict",
                "name_match_strict")  # fmt: skip


def demand(name: str, policy: GatePolicy | None = None) -> Criterion:
    return next(found for found in criteria_in_force(policy or GatePolicy()) if found.name == name)


def judged(name: str, value: float, low: float | None = None, high: float | None = None, **options) -> CriterionResult:
    """Judge one figure in the criterion's own unit."""
    unscored = options.pop("unscored", 0)
    return judge(demand(name), Measured(Metric(value=value, low=low, high=high, n=100), unscored=unscored), **options)


def row(index: int, value: float | None = 1.0, **changes) -> RowScore:
    """Return a row whose field figures are `value` and whose other figures say whether that is 1."""
    exact = None if value is None else float(value == 1.0)
    fields = dict.fromkeys(("field_f1", "field_precision", "field_recall"), value)
    figures = {**fields, "exact_match": exact, "name_match": exact, "valid_json": 1.0}
    named = {"case_id": f"c{index}", "conversation_id": f"c{index}", "origin": "real"}
    labels = {"single_turn": "simple", "multi_turn": "sequential", "domain": ("weather", "finance")[index % 2]}
    return RowScore(**(named | figures | {"labels": labels} | changes))


def measured(rows: list[RowScore], structured: list[RowScore] | None = None, candidate=SLM) -> Evaluation:
    """Return an evaluation of tool calls, and of structured answers where there are some."""
    formats = {FLEDGLING_TOOLCALL: rows, FLEDGLING_STRUCTURED: structured}
    results = {
        written.track: TrackResult(summary=summarise(candidate.id, written, found), rows=tuple(found))
        for written, found in formats.items()
        if found is not None
    }
    return Evaluation(candidate=candidate, results=results)


def verdicts(slm: Evaluation, llm: Evaluation = ABSENT, policy: GatePolicy | None = None) -> dict[str, CriterionResult]:
    return {one.name: one for one in criteria_of(slm, llm, policy or GatePolicy())}


def test_the_table_is_the_guides():
    asked = {found.name: (found.threshold, found.unit) for found in criteria_in_force(GatePolicy())}
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
    found = judged("json_valid", 100 * value, 100 * low, 100 * high)
    assert (found.verdict, found.met, found.certain) == (verdict, met, certain)


def test_what_no_row_tells_is_not_measured_and_never_failed():
    found = verdicts(measured([row(index, labels={}) for index in range(9)]))["multi_turn_field_f1"]
    assert (found.verdict, found.met, found.value) == ("not_measured", False, None)
    assert found.sentence == "Not measured: no row tells about field F1, multi-turn."


def test_a_deviation_that_equals_the_limit_does_not_lie_below_it():
    assert judged("domain_deviation", 0.15).verdict == "fail"


def test_the_domain_rule_reads_the_raw_deviation_and_takes_its_certainty_from_the_corrected_one():
    hard = {"weather": (0.0, 1.0, 1.0), "finance": (0.0, 0.0, 1.0)}
    rows = [row(index, hard[name][index % 3], labels={"domain": name}) for index in range(9) for name in hard]
    rows = [found.model_copy(update={"case_id": str(place), "conversation_id": str(place)})
            for place, found in enumerate(rows)]  # fmt: skip
    found = verdicts(measured(rows))["domain_deviation"]
    assert found.value == pytest.approx(0.2357, abs=1e-4) and not found.met and found.verdict == "inconclusive"
    assert found.sentence.endswith("once sampling noise is taken out.")


@pytest.mark.parametrize(
    ("delta", "low", "high", "distance", "release"),
    [
        (-1, -4, 2, "pass", "pass"),
        (-4, -7, -1, "pass", "pass"),
        (-1, -8, 6, "pass", "inconclusive"),
        (1, -1, 3, "pass", "inconclusive"),
        (6, 3, 9, "pass", "fail"),
        (9, 4, 14, "inconclusive", "fail"),
        (30, 20, 40, "fail", "fail"),
    ],
)
def test_release_asks_for_no_measured_loss_and_for_a_large_one_to_be_ruled_out(delta, low, high, distance, release):
    assert judged("llm_delta", delta, low, high).verdict == distance
    assert judged("release", delta, low, high).verdict == release


def test_superiority_is_reported_beside_the_release():
    assert "surpasses the LLM beyond doubt" in judged("release", -4, -7, -1).sentence
    assert "surpasses" not in judged("release", -1, -4, 2).sentence


def test_the_margin_of_a_release_is_a_setting():
    assert judged("release", -1, -4, 2, margin_points=1).verdict == "inconclusive"


def test_without_identical_rows_the_delta_is_less_sure_and_no_release_is_judged():
    ours, theirs = measured([row(index) for index in range(40)]), [row(index) for index in range(39)]
    found = verdicts(ours, measured([*theirs, row(77, 0.0)], candidate=LLM))
    assert found["llm_delta"].value == pytest.approx(-2.5)
    assert found["llm_delta"].high - found["llm_delta"].low > 10
    assert found["release"].verdict == "not_measured"


def test_sentences_say_what_was_asked_what_was_measured_and_how_sure_it_is():
    assert judged("json_valid", 89.7, 80, 95).sentence == (
        "Missed, but not proven. Answers with valid JSON: 89.7 % on 100 rows, at least 90 % asked; "
        "the true value may lie anywhere between 80 % and 95 %."
    )
    assert judged("release", -1.2, -4, 2).sentence == (
        "Passed. The SLM is 1.2 points ahead of the LLM on 100 rows; in truth it is between 4.0 points ahead of the "
        "LLM and 2.0 points behind the LLM (95 % sure). A loss of 5 points or more is ruled out."
    )


def test_rows_without_an_answer_are_said_beside_the_figure():
    assert judged("json_valid", 95, 91, 99, unscored=3).sentence.endswith(
        "3 rows got no answer and are not in this figure."
    )


def test_structured_answers_that_are_mostly_no_json_fail_whatever_the_tool_calls_are():
    calls = [row(index, valid_json=float(index > 0)) for index in range(100)]
    structured = [row(index, valid_json=float(index < 30), field_precision=0.4) for index in range(100)]
    found = verdicts(measured(calls, structured))
    assert (found["json_valid"].value, found["json_valid"].verdict) == (30.0, "fail")
    assert found["field_precision"].value == pytest.approx(0.4)
    assert found["single_turn_exact_match"].value == 100.0
    assert verdicts(measured(calls))["json_valid"].value == 99.0


def test_a_strict_reading_passes_nothing_that_is_right_only_leniently():
    strict = [row(index, **dict.fromkeys(STRICT_NAMES, float(index < 30))) for index in range(100)]
    lenient = verdicts(measured(strict))
    found = verdicts(measured(strict), policy=GatePolicy(reads="strict"))
    changed = {name for name in found if (lenient[name].verdict, found[name].verdict) == ("pass", "fail")}
    assert changed == {
        "single_turn_exact_match", "single_turn_field_f1", "multi_turn_field_f1", "multi_turn_name_match",
        "field_precision", "field_recall", "domain_lowest",
    }  # fmt: skip
    assert found["single_turn_exact_match"].value == 30.0
    assert demand("release", GatePolicy(reads="strict")).metric == "field_f1_strict"


@pytest.mark.parametrize(
    ("allowed", "right", "verdict"), [(3, 880, "pass"), (0, 880, "fail"), (-3, 900, "fail"), (-3, 940, "pass")]
)
def test_how_far_behind_a_release_may_measure_is_what_the_policy_says(allowed, right, verdict):
    llm = measured([row(index, float(index < 900)) for index in range(1000)], candidate=LLM)
    slm = measured([row(index, float(index < right)) for index in range(1000)])
    policy = GatePolicy(release=ReleaseRule(max_delta_points=allowed, margin_points=5))
    found = verdicts(slm, llm, policy)["release"]
    assert found.value == pytest.approx((900 - right) / 10)
    assert (found.verdict, found.threshold) == (verdict, allowed)


def test_each_criterion_counts_the_rows_of_its_own_split_alone():
    kinds = {"single_turn_test": 1.0, "multi_turn_test": 0.5, "domain_diverse_test": 0.25, "no_call_test": 0.0}
    rows = [
        row(100 * place + index, value, splits=(split,), no_call_correct=1.0 if split == "no_call_test" else None)
        for place, (split, value) in enumerate(kinds.items())
        for index in range(20 + 10 * place)
    ]
    found = verdicts(measured(rows))
    assert (found["single_turn_exact_match"].value, found["single_turn_exact_match"].rows) == (100.0, 20)
    assert "on 20 rows of single_turn_test" in found["single_turn_exact_match"].sentence
    assert (found["multi_turn_field_f1"].value, found["multi_turn_field_f1"].rows) == (0.5, 30)
    assert (found["domain_lowest"].value, found["domain_deviation"].rows) == (0.25, 40)
    assert (found["no_call_accuracy"].value, found["no_call_accuracy"].rows) == (100.0, 50)
    assert found["field_recall"].rows == 90, "a figure that reads calls is over the rows on which one is right"


def test_rows_of_no_domain_are_not_a_domain():
    rows = [row(index, 0.9) for index in range(20)] + [row(20, 0.0, labels={"domain": "other"})]
    found = verdicts(measured(rows))
    assert (found["domain_lowest"].value, found["domain_deviation"].rows) == (pytest.approx(0.9), 20)


def test_the_guides_ten_percent_are_points_or_percent_of_the_llm_as_the_experiment_file_says():
    llm = measured([row(index, float(index < 80)) for index in range(100)], candidate=LLM)
    slm = measured([row(index, float(index < 71)) for index in range(100)])
    in_points = verdicts(slm, llm)["llm_delta"]
    in_percent = verdicts(slm, llm, GatePolicy(llm_delta=DistanceRule(at_most=10, unit="percent")))["llm_delta"]
    assert (in_points.value, in_points.met) == (pytest.approx(9.0), True)
    assert (in_percent.value, in_percent.met) == (pytest.approx(11.25), False)
    assert "9.0 points behind the LLM on 100 rows, at most 10 points behind allowed" in in_points.sentence
    assert "11.2 % of the LLM's figure behind it on 100 rows, at most 10 % of the LLM's figure" in in_percent.sentence


def test_what_was_not_evaluated_is_not_measured_in_any_criterion_and_says_why():
    absent = not_evaluated(tuned("m", "s", "paper"), "failed", "out of memory")
    found = criteria_of(absent, absent, GatePolicy())
    assert {one.verdict for one in found} == {"not_measured"}
    assert found[0].sentence == "Not measured: the candidate was not evaluated (out of memory)."
    assert len(found) == len(criteria_in_force(GatePolicy()))
