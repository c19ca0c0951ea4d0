"""The gates: which evidence leads to which verdict and action."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.gates.replacement import may_be_asked, release, release_refusal
from swap_assets.domain.gates.scale_up import scale_up
from swap_assets.domain.judging.contrasts import clear_winner, contrast, rivalries
from swap_assets.domain.judging.decisions import Override
from swap_assets.domain.keys import tuned
from swap_assets.domain.scoring.evaluation import not_evaluated
from swap_assets_tests.domain.evaluations import FLEDGLING, LLM, PAPER, SLM, evaluation, shares
from swap_assets_tests.domain.states import state_with

POLICY = GatePolicy()
N = 200


def _llm(right=160):
    return evaluation(LLM, shares(right, N))


@pytest.mark.parametrize(
    ("slm_right", "verdict", "action"),
    [
        (160, "pass", "skip"),  # level with the LLM
        (200, "pass", "skip"),  # far ahead
        (158, "pass", "skip"),  # one point behind
        (144, "inconclusive", "train"),  # eight points behind: the interval crosses ten
        (138, "inconclusive", "train"),  # eleven points behind: so it does here
        (100, "fail", "train"),  # thirty points behind
        (0, "fail", "train"),
    ],
)
def test_fine_tuning_is_decided_by_the_distance_and_how_sure_it_is(slm_right, verdict, action):
    decision = fine_tune(evaluation(SLM, shares(slm_right, N)), _llm(), POLICY)
    assert (decision.verdict, decision.action) == (verdict, action)
    assert decision.candidates == (SLM.id,)
    assert {item.metric for item in decision.contrasts} == set(POLICY.core_metrics)


def test_fine_tuning_without_the_llm_trains_and_says_what_is_missing():
    decision = fine_tune(evaluation(SLM, shares(100, N)), not_evaluated(LLM, "absent", "not asked"), POLICY)
    assert (decision.verdict, decision.action) == ("inconclusive", "train")
    assert decision.missing


def _scale_up(*candidates, llm=None, next_scale="large"):
    return scale_up(candidates, llm or _llm(), POLICY, scale="small", next_scale=next_scale)


def test_scaling_up_takes_every_candidate_that_may_reach_its_share():
    decision = _scale_up(evaluation(PAPER, shares(158, N)), evaluation(FLEDGLING, shares(60, N)))
    assert (decision.verdict, decision.action) == ("pass", "scale_up")
    assert decision.candidates == (PAPER.id,)


def test_a_clear_winner_goes_on_alone():
    decision = _scale_up(evaluation(PAPER, shares(165, N)), evaluation(FLEDGLING, shares(145, N)))
    assert (decision.winner, decision.candidates) == (PAPER.id, (PAPER.id,))
    assert [item.rival_id for item in decision.rivalries] == [FLEDGLING.id]
    assert "clearly ahead" in decision.reason


def test_without_a_clear_winner_all_that_may_reach_the_share_go_on():
    decision = _scale_up(evaluation(PAPER, shares(160, N)), evaluation(FLEDGLING, shares(157, N)))
    assert (decision.winner, decision.candidates) == ("", tuple(sorted((PAPER.id, FLEDGLING.id))))
    assert "none clearly ahead" in decision.reason


def test_without_a_clear_winner_who_is_clearly_behind_the_best_stays():
    weak = tuned("weaker", "small", "paper")
    decision = _scale_up(
        evaluation(PAPER, shares(160, N)), evaluation(FLEDGLING, shares(157, N)), evaluation(weak, shares(140, N))
    )
    assert (decision.winner, decision.candidates) == ("", tuple(sorted((PAPER.id, FLEDGLING.id))))
    assert f"{weak.id} clearly behind the best, so" in decision.reason


def test_a_lead_that_is_clear_over_one_rival_is_not_over_several():
    """Six discordant rows alone give p = 0.03; as the smallest of four that is 0.12."""
    rows = {"best": evaluation(PAPER, shares(156, N)).results[Track.TOOLCALL].rows}
    rival = evaluation(FLEDGLING, shares(150, N)).results[Track.TOOLCALL].rows
    alone = rivalries({**rows, "a": rival}, "best", "exact_match")
    among = rivalries({**rows, **dict.fromkeys("abcd", rival)}, "best", "exact_match")
    assert clear_winner(alone, 1) and not clear_winner(among, 4)
    assert alone[0].p_value == among[0].p_value == pytest.approx(2 * 0.5**6)


def test_who_is_behind_on_whole_conversations_is_no_winner_however_the_rows_fall():
    ours = evaluation(PAPER, [1.0] * 40 + [0.0] * 60).results[Track.TOOLCALL].rows
    theirs = evaluation(FLEDGLING, [0.0] * 40 + [1.0] * 60).results[Track.TOOLCALL].rows
    assert rivalries({"ours": ours, "theirs": theirs}, "ours", "exact_match")[0].p_adjusted == 1.0


def test_of_several_candidates_a_pass_has_to_survive_holm():
    """Alone each lies within the limit for sure, just so; of four, that may be luck."""
    five_wrong = [0.0] * 5 + [1.0] * 95
    llm = evaluation(LLM, [1.0] * 100)
    several = [tuned(f"m{index}", "small", "paper") for index in range(4)]
    alone = _scale_up(evaluation(PAPER, five_wrong), llm=llm)
    among = _scale_up(*[evaluation(one, five_wrong) for one in several], llm=llm)
    assert (alone.verdict, among.verdict) == ("pass", "inconclusive")
    assert (alone.action, among.action) == ("scale_up", "scale_up")


def test_one_hopeless_candidate_does_not_make_an_open_question_a_failure():
    decision = _scale_up(evaluation(PAPER, shares(142, N)), evaluation(FLEDGLING, shares(20, N)))
    assert (decision.verdict, decision.action) == ("inconclusive", "scale_up")


def test_nobody_near_enough_means_iterate():
    decision = _scale_up(evaluation(PAPER, shares(60, N)), evaluation(FLEDGLING, shares(80, N)))
    assert (decision.verdict, decision.action) == ("fail", "iterate")
    assert decision.candidates == ()


def test_after_the_last_scale_there_is_nothing_to_scale_up_to():
    decision = _scale_up(evaluation(PAPER, shares(160, N)), next_scale=None)
    assert (decision.verdict, decision.action) == ("pass", "wait")


def test_scaling_up_names_who_was_skipped_failed_or_absent_and_does_not_crash():
    decision = _scale_up(
        not_evaluated(PAPER, "failed", "paper_adapter: out of memory"), evaluation(FLEDGLING, shares(160, N))
    )
    assert decision.action == "scale_up"
    assert decision.missing == (f"{PAPER.id}: failed, paper_adapter: out of memory",)


def test_scaling_up_with_no_evidence_at_all_iterates():
    decision = scale_up([], not_evaluated(LLM, "absent", "not asked"), POLICY, scale="small", next_scale="large")
    assert (decision.verdict, decision.action) == ("fail", "iterate")


def _release(*candidates, llm=None, sealed=True):
    """Decide a release in which the sealed rows say just what the test rows say of the best candidate."""
    llm = llm or _llm()
    best, opened = may_be_asked(candidates, llm, POLICY), None
    if sealed and best:
        opened = (next(item for item in candidates if item.candidate.id == best.candidate_id), llm)
    return release(candidates, llm, POLICY, model="phi", scale="small", sealed=opened)


@pytest.mark.parametrize(
    ("right", "verdict", "action"),
    [
        (200, "pass", "release"),  # superior
        (160, "pass", "release"),  # the same answers, row by row
        (157, "inconclusive", "wait"),  # a little behind: the guide asks for delta <= 0
        (100, "fail", "wait"),
    ],
)
def test_a_release_needs_a_delta_of_at_most_zero_and_an_interval_within_the_margin(right, verdict, action):
    decision = _release(evaluation(PAPER, shares(right, N)))
    assert (decision.verdict, decision.action) == (verdict, action)


def test_level_means_on_few_disagreeing_rows_release_nothing():
    ours = [1.0] * 10 + [0.0] * 10
    decision = _release(evaluation(PAPER, ours), llm=evaluation(LLM, ours[::-1]))
    assert decision.contrasts[0].delta_points == pytest.approx(0.0)
    assert (decision.verdict, decision.action) == ("inconclusive", "wait")


def test_the_best_candidate_is_the_one_named():
    decision = _release(evaluation(PAPER, shares(150, N)), evaluation(FLEDGLING, shares(170, N)))
    assert decision.candidates == (FLEDGLING.id,)


def test_nothing_is_released_on_the_test_rows_alone():
    decision = _release(evaluation(PAPER, shares(200, N)), sealed=False)
    assert (decision.verdict, decision.action) == ("inconclusive", "wait")
    assert "sealed release rows have not been asked" in decision.reason


def test_the_sealed_rows_have_the_last_word():
    lucky, llm = evaluation(PAPER, shares(170, N)), _llm()
    sealed = (evaluation(PAPER, shares(100, N)), llm)
    decision = release([lucky], llm, POLICY, model="phi", scale="small", sealed=sealed)
    assert (decision.verdict, decision.action) == ("fail", "wait")
    assert [item.on for item in decision.contrasts] == ["test", "release_test"]
    assert "sealed rows" in decision.reason


def test_a_release_waits_where_the_sealed_rows_lack_the_longest_conversations_of_the_source():
    """One conversation in fifty has five answers that call: none is among these rows, and each may be lost."""
    level = (evaluation(PAPER, shares(160, N)), _llm())
    known = {"model": "phi", "scale": "small", "sealed": level}
    assert release([level[0]], level[1], POLICY, **known, lengths={1: 98}).verdict == "pass"
    waiting = release([level[0]], level[1], POLICY, **known, lengths={1: 98, 5: 2})
    assert waiting.verdict == "inconclusive" and waiting.rows_needed > N
    assert "with room for what so few rows need not show" in waiting.reason


def test_the_sealed_rows_stay_sealed_for_a_candidate_that_is_worse_for_sure():
    assert not may_be_asked([evaluation(PAPER, shares(60, N))], _llm(), POLICY)
    assert may_be_asked([evaluation(PAPER, shares(157, N))], _llm(), POLICY)
    assert not may_be_asked([], _llm(), POLICY)


def test_an_answer_that_could_not_be_obtained_blocks_a_release():
    decision = _release(evaluation(PAPER, [*shares(199, N - 1), None]))
    assert (decision.verdict, decision.action) == ("inconclusive", "wait")
    assert "1 of 200 answers could not be obtained" in decision.reason


def test_candidates_asked_different_rows_are_not_compared():
    assert contrast(evaluation(SLM, shares(5, 10)), evaluation(LLM, shares(5, 20)), "field_f1") is None
    assert contrast(evaluation(SLM, shares(5, 10)), _llm(), "field_f1", track=Track.STRUCTURED) is None


def test_the_same_evidence_decides_the_same_thing_under_the_same_hash():
    first, second = (_release(evaluation(PAPER, shares(160, N))) for _ in range(2))
    later = second.model_copy(update={"decided_at": "2030-01-01", "decided_by": "somebody"})
    assert first.content() == later.content()
    assert first.content() != _release(evaluation(PAPER, shares(161, N))).content()


def test_merging_is_refused_without_a_pass_unless_somebody_overrides_it_by_name():
    weak, strong = evaluation(PAPER, shares(100, N)), evaluation(PAPER, shares(180, N))
    waiting = _release(weak)
    assert "says wait" in release_refusal(waiting, None, state_with(weak, _llm()))
    assert release_refusal(waiting, Override(reason="a pilot for ten users", by="Ada"), state_with(weak, _llm())) == ""
    assert release_refusal(_release(strong), None, state_with(strong, _llm(), approval="none")) == ""
    assert "Waiting for a person" in release_refusal(_release(strong), None, state_with(strong, _llm()))
    assert "is stale" in release_refusal(_release(strong), None, state_with(weak, _llm(), approval="none"))


def test_nothing_to_merge_is_refused_even_with_an_override():
    empty = _release(not_evaluated(PAPER, "absent", "not trained"))
    assert "names no candidate" in release_refusal(empty, Override(reason="anyway", by="Ada"), state_with())


@settings(max_examples=40, deadline=None)
@given(right=st.integers(0, 60), better=st.integers(0, 60))
def test_better_evidence_never_turns_a_release_into_a_wait_nor_starts_a_training(right, better):
    low, high = sorted((right, better))
    llm = evaluation(LLM, shares(40, 60))
    worse, improved = (evaluation(PAPER, shares(count, 60)) for count in (low, high))
    if _release(worse, llm=llm).action == "release":
        assert _release(improved, llm=llm).action == "release"
    if fine_tune(worse, llm, POLICY).action == "skip":
        assert fine_tune(improved, llm, POLICY).action == "skip"
