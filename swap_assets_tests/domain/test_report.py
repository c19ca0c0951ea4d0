"""The report: what is there is shown, what is not is named, and foreign text stays text."""

from swap_assets.domain.contracts import Track
from swap_assets.domain.judging.gates import fine_tune, release
from swap_assets.domain.judging.policy import GatePolicy
from swap_assets.domain.predictions import PredictionRecord, Usage
from swap_assets.domain.report.markdown import cell, main_table, table, to_markdown
from swap_assets.domain.report.report import build_report
from swap_assets.domain.scoring.evaluation import Totals, not_evaluated, totals
from swap_assets_tests.domain.evaluations import FLEDGLING, LLM, PAPER, SLM, evaluation, shares

POLICY = GatePolicy()


def _report(evaluations, decisions=()):
    return build_report(
        evaluations,
        experiment="test",
        scale="small",
        llm_id=LLM.id,
        policy=POLICY,
        notices=["Made by a test."],
        decisions=decisions,
        criteria={},
        provenance={"code": "abc"},
    )


def test_absent_skipped_and_failed_candidates_are_named_with_their_reasons():
    text = to_markdown(
        _report(
            [
                evaluation(LLM, shares(80, 100)),
                not_evaluated(SLM, "absent", "slm_baseline has not been materialised"),
                not_evaluated(PAPER, "failed", "paper_adapter: out of memory"),
                not_evaluated(FLEDGLING, "skipped", "no training needed"),
            ]
        )
    )
    for words in ("slm_baseline has not been materialised", "out of memory", "no training needed"):
        assert words in text
    assert "No verdict: no small model has been measured" in text


def test_a_report_of_nothing_says_that_the_llm_was_not_measured():
    assert f"{LLM.id} has not been measured" in _report([not_evaluated(LLM, "absent", "not asked")]).verdict


def test_the_verdict_follows_the_best_candidate_and_its_interval():
    llm = evaluation(LLM, shares(80, 100))
    assert _report([llm, evaluation(PAPER, shares(100, 100))]).verdict.startswith("Promising")
    assert _report([llm, evaluation(PAPER, shares(20, 100))]).verdict.startswith("No small model can take over yet")
    assert _report([llm, evaluation(PAPER, shares(79, 100))]).verdict.startswith("Not shown yet")


def test_only_a_passed_release_decision_says_that_a_small_model_can_take_over():
    llm, paper = evaluation(LLM, shares(80, 100)), evaluation(PAPER, shares(100, 100))
    passed = release([paper], llm, POLICY, model="phi", scale="small", sealed=(paper, llm))
    assert _report([llm, paper], [passed]).verdict.startswith("A small model can take over.")


def test_the_main_table_has_a_line_for_each_candidate_of_the_track_only():
    report = _report(
        [
            evaluation(LLM, shares(80, 100)),
            evaluation(SLM, shares(40, 100)),
            evaluation(PAPER, shares(70, 100), track=Track.STRUCTURED),
        ]
    )
    lines = main_table(report, Track.TOOLCALL).splitlines()
    assert len(lines) == 2 + 2
    assert "+40.0" in lines[3]


def test_a_model_that_never_calls_is_shown_as_the_floor():
    rows = evaluation(LLM, shares(80, 100))
    assert _report([rows]).floor == 0.0


def test_real_and_synthetic_rows_are_reported_apart():
    rows = evaluation(LLM, shares(80, 100))
    assert [(row.label, row.rows) for row in _report([rows]).labels if row.split == "origin"] == [("real", 100)]


def test_decisions_stand_in_the_report_with_verdict_and_reason():
    llm, slm = evaluation(LLM, shares(80, 100)), evaluation(SLM, shares(10, 100))
    decision = fine_tune(slm, llm, POLICY)
    assert decision.reason.split(";")[0] in to_markdown(_report([llm, slm], [decision]))


def test_the_notice_comes_before_everything_but_the_title():
    lines = to_markdown(_report([evaluation(LLM, shares(1, 2))])).splitlines()
    assert lines[2] == "> Made by a test."


def test_time_and_cost_do_not_change_what_a_report_says():
    one = _report([evaluation(LLM, shares(80, 100))])
    row = one.rows[0].model_copy(update={"latency_p50_s": 9.9, "cost_per_thousand": 3.0})
    assert one.model_copy(update={"rows": (row,)}).content() == one.content()


def test_foreign_text_cannot_leave_its_cell_or_start_markup():
    assert cell("a|b\n<script>`x`\x00") == "a\\|b &lt;script>\\`x\\` "
    assert table(["a"], [["x|y"]]).count("|") == 2 + 2 + 3
    assert table(["a"], []) == ""


def _record(index, seconds, cost, finish_reason="stop"):
    return PredictionRecord(
        case_id=str(index), conversation_id=str(index), candidate_id=LLM.id, contract="hermes", request_hash="r",
        prompt_hash="p", finish_reason=finish_reason, usage=Usage(prompt_tokens=10, completion_tokens=2),
        latency_s=seconds, cost=cost,
    )  # fmt: skip


def test_totals_leave_out_answers_that_were_not_obtained():
    made = totals([_record(index, index / 10, 0.5) for index in range(1, 11)] + [_record(11, 60.0, None, "error")])
    assert made == Totals(
        answers=10, prompt_tokens=100, completion_tokens=20, cost=5.0, latency_p50_s=0.5, latency_p95_s=1.0,
        latency_p99_s=1.0,
    )  # fmt: skip


def test_totals_of_nothing_are_not_zero_but_unknown():
    assert totals([]).latency_p50_s is None
    assert totals([]).cost is None
