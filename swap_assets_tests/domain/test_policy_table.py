"""The default policy as a table: this evidence, this verdict, this action. Right answers of so many rows."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.experiment.gate_policy import FineTuneRule, GatePolicy, ReleaseRule, ScaleUpRule
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.gates.replacement import may_be_asked, release
from swap_assets.domain.gates.scale_up import scale_up
from swap_assets.domain.judging.suggestions import suggest
from swap_assets.domain.statistics import conversations_needed
from swap_assets_tests.domain.evaluations import FLEDGLING, LLM, PAPER, SLM, evaluation, shares


@pytest.mark.parametrize(
    ("slm", "llm", "rows", "rule", "verdict", "action"),
    [
        (500, 500, 500, {}, "pass", "skip"),  # level on many rows
        (100, 100, 100, {}, "pass", "skip"),  # level on a hundred
        (50, 50, 50, {}, "pass", "skip"),  # fifty equal rows still allow 7 points
        (36, 36, 36, {}, "pass", "skip"),  # thirty-six allow 9.7
        (35, 35, 35, {}, "inconclusive", "train"),  # thirty-five allow 10.003
        (5, 5, 5, {}, "inconclusive", "train"),  # five rows tell nothing
        (100, 0, 100, {}, "pass", "skip"),  # far ahead
        (0, 0, 100, {}, "fail", "train"),  # both know nothing: nobody trails, and that is not enough
        (30, 20, 100, {}, "pass", "skip"),  # ahead of a weak LLM, and surely above the floor of 20 %
        (25, 20, 100, {}, "inconclusive", "train"),  # ahead, and not surely above the floor
        (95, 100, 100, {}, "pass", "skip"),  # 5 behind
        (470, 500, 500, {}, "pass", "skip"),  # 6 behind on many rows
        (45, 50, 50, {}, "inconclusive", "train"),  # 10 behind on few
        (440, 500, 500, {}, "inconclusive", "train"),  # 12 behind
        (380, 500, 500, {}, "fail", "train"),  # 24 behind
        (30, 50, 50, {}, "fail", "train"),  # 40 behind
        (90, 100, 100, {"when_inconclusive": "skip"}, "inconclusive", "skip"),  # the policy is asked
        (80, 100, 100, {"when_inconclusive": "skip"}, "fail", "train"),  # and only where it is open
        (95, 100, 100, {"trails_by_points": 0}, "fail", "train"),  # a stricter threshold
        (95, 100, 100, {"trails_by_points": 20}, "pass", "skip"),  # a milder one
    ],
)
def test_fine_tuning(slm, llm, rows, rule, verdict, action):
    policy = GatePolicy(fine_tune=FineTuneRule(**rule))
    decision = fine_tune(evaluation(SLM, shares(slm, rows)), evaluation(LLM, shares(llm, rows)), policy)
    assert (decision.verdict, decision.action) == (verdict, action)


@pytest.mark.parametrize(
    ("right", "llm", "rule", "following", "verdict", "action", "admitted"),
    [
        ([200], 200, {}, "large", "pass", "scale_up", 1),
        ([190], 200, {}, "large", "pass", "scale_up", 1),  # 95 % of the LLM
        ([180], 200, {}, "large", "inconclusive", "scale_up", 1),  # 90 %: not sure, and the next measurement is cheap
        ([170], 200, {}, "large", "fail", "iterate", 0),  # 85 % on 200 rows
        ([100], 200, {}, "large", "fail", "iterate", 0),
        ([180], 200, {"when_inconclusive": "iterate"}, "large", "inconclusive", "iterate", 0),
        ([200], 200, {"when_inconclusive": "iterate"}, "large", "pass", "scale_up", 1),
        ([168], 200, {"reaches_percent": 80}, "large", "inconclusive", "scale_up", 1),
        ([200], 200, {}, None, "pass", "wait", 1),  # no larger scale
        ([100], 200, {}, None, "fail", "iterate", 0),
        ([200, 198], 200, {}, "large", "pass", "scale_up", 2),  # both, and none clearly ahead
        ([200, 180], 200, {}, "large", "pass", "scale_up", 1),  # a clear winner
        ([185, 184], 200, {}, "large", "inconclusive", "scale_up", 2),
        ([190, 100], 200, {}, "large", "pass", "scale_up", 1),  # the other does not reach it at all
        ([0], 0, {}, "large", "fail", "iterate", 0),  # an LLM that scores 0 is soon reached,
        ([10], 0, {}, "large", "fail", "iterate", 0),  # and no candidate below the floor goes on
        ([80], 0, {}, "large", "pass", "scale_up", 1),
    ],
)
def test_scaling_up(right, llm, rule, following, verdict, action, admitted):
    candidates = [evaluation(who, shares(count, 200)) for who, count in zip((PAPER, FLEDGLING), right, strict=False)]
    policy = GatePolicy(scale_up=ScaleUpRule(**rule))
    decision = scale_up(candidates, evaluation(LLM, shares(llm, 200)), policy, scale="small", next_scale=following)
    assert (decision.verdict, decision.action, len(decision.candidates)) == (verdict, action, admitted)


@pytest.mark.parametrize(
    ("tested", "sealed", "llm", "rows", "rule", "verdict", "action"),
    [
        (100, 100, 100, 100, {}, "pass", "release"),  # the same answers
        (98, 100, 99, 100, {}, "pass", "release"),  # behind on the test rows, ahead on the sealed ones
        (200, 200, 150, 200, {}, "pass", "release"),  # superior
        (500, 495, 495, 500, {}, "pass", "release"),
        (100, None, 100, 100, {}, "inconclusive", "wait"),  # the sealed rows were not asked
        (60, None, 100, 100, {}, "fail", "wait"),  # and need not be
        (100, 99, 100, 100, {}, "inconclusive", "wait"),  # one behind
        (100, 95, 100, 100, {}, "fail", "wait"),
        (100, 80, 100, 100, {}, "fail", "wait"),  # lucky on the test rows
        (50, 50, 50, 50, {}, "inconclusive", "wait"),  # fifty equal rows do not rule out a loss of 5 points,
        (71, 71, 71, 71, {}, "inconclusive", "wait"),
        (72, 72, 72, 72, {}, "pass", "release"),  # seventy-two do
        (480, 490, 495, 500, {}, "fail", "wait"),  # one point behind, surely
        (480, 490, 495, 500, {"max_delta_points": 2}, "pass", "release"),  # and allowed
        (100, 100, 100, 100, {"max_delta_points": -1}, "inconclusive", "wait"),  # asked to be better
        (100, 100, 100, 100, {"margin_points": 3}, "inconclusive", "wait"),
    ],
)
def test_releasing(tested, sealed, llm, rows, rule, verdict, action):
    policy, bar = GatePolicy(release=ReleaseRule(**rule)), evaluation(LLM, shares(llm, rows))
    opened = None if sealed is None else (evaluation(PAPER, shares(sealed, rows)), bar)
    candidate = evaluation(PAPER, shares(tested, rows))
    decision = release([candidate], bar, policy, model="phi", scale="small", sealed=opened)
    assert (decision.verdict, decision.action) == (verdict, action)


def test_an_inconclusive_verdict_names_the_rows_that_would_settle_it():
    """Five points beyond the limit of ten, and a standard deviation of about 36 points."""
    decision = fine_tune(evaluation(SLM, shares(85, 100)), evaluation(LLM, shares(100, 100)), GatePolicy())
    assert decision.verdict == "inconclusive"
    (item, *_) = decision.contrasts
    assert decision.rows_needed == conversations_needed(0.05, item.deviation_points / 100) == pytest.approx(400, abs=10)


def test_a_settled_verdict_needs_no_further_rows():
    assert (
        fine_tune(evaluation(SLM, shares(10, 100)), evaluation(LLM, shares(99, 100)), GatePolicy()).rows_needed is None
    )


def test_a_decision_names_the_measurements_it_rests_on():
    decision = fine_tune(evaluation(SLM, shares(10, 100)), evaluation(LLM, shares(99, 100)), GatePolicy())
    assert {item.candidate_id: item.evidence_hash for item in decision.measured} == decision.hashes
    assert {(item.dataset_hash, item.artefact_hash) for item in decision.measured} == {("d", "a")}


@pytest.mark.parametrize("best", ["little--tiny--paper--greedy--adapter", "little--tiny--none--greedy--base"])
def test_what_is_suggested_can_be_pasted_into_the_experiment_file(experiment_data, best):
    experiment = parse_experiment(experiment_data)
    suggestions = suggest(experiment, best)
    assert [("rank" in one.text, "epochs" in one.text, "rows" in one.text).index(True) for one in suggestions] == (
        [0, 1, 2] if "paper" in best else [2]
    )
    for one in suggestions:
        experiment_data[one.section] |= yaml.safe_load(one.line)
        assert yaml.safe_load(one.entry) == {one.section: yaml.safe_load(one.line)}
    pasted = parse_experiment(experiment_data)
    assert pasted.scales["tiny-x3"].train == 3 * experiment.scales["tiny"].train
    if "paper" in best:
        assert pasted.approach_for("paper", model="little-r4b").lora.r == 4
        assert pasted.approach_for("paper", model="little-e2").training.epochs == 2


def test_a_candidate_of_packed_rows_is_varied_as_its_recipe_is_written(experiment_data):
    experiment_data["approaches"]["paper"]["training"]["packing"] = True
    experiment = parse_experiment(experiment_data)
    best = experiment.tuned_candidate("paper", model="little", scale="tiny")
    (rank, *_) = suggest(experiment, best.id)
    assert yaml.safe_load(rank.line) == {
        "little-r4b": {"extends": "little", "approaches": {"paper": {"lora": {"r": 4, "alpha": 8}}}}
    }


values = st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0])] * 3), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(rows=values)
def test_better_answers_never_turn_a_release_into_a_failure_nor_start_a_training(rows):
    """Each row: the LLM's value, and the worse and the better one of the two that the SLM is given."""
    llm = evaluation(LLM, [row[0] for row in rows])
    worse, better = ([pick(row[1:]) for row in rows] for pick in (min, max))
    policy = GatePolicy()
    if _release(worse, llm, policy).verdict == "pass":
        assert _release(better, llm, policy).verdict != "fail"
    if fine_tune(evaluation(SLM, worse), llm, policy).action == "skip":
        assert fine_tune(evaluation(SLM, better), llm, policy).action == "skip"


def _release(answers, llm, policy):
    candidate = evaluation(PAPER, answers)
    sealed = (candidate, llm) if may_be_asked([candidate], llm, policy) else None
    return release([candidate], llm, policy, model="phi", scale="small", sealed=sealed)


@pytest.mark.parametrize("rows", [2, 50, 71])
def test_a_hair_on_one_of_equal_rows_releases_nothing_that_equal_rows_do_not(rows):
    llm = evaluation(LLM, [0.9] * rows)
    for own in ([0.9] * rows, [0.9] * (rows - 1) + [0.9005]):
        decision = _release(own, llm, GatePolicy())
        assert (decision.verdict, decision.action) == ("inconclusive", "wait")
        assert "with room for what so few rows need not show" in decision.reason


def test_one_wrong_answer_never_looks_surer_than_none():
    """The interval of identical answers is wider than that of one difference in 35 rows; training must not follow."""
    llm = evaluation(LLM, shares(35, 35))
    one_wrong, none_wrong = (fine_tune(evaluation(SLM, shares(right, 35)), llm, GatePolicy()) for right in (34, 35))
    assert not (one_wrong.action == "skip" and none_wrong.action == "train")
