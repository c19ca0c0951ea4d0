"""The report: what is there is shown, what is not is named, and the verdict says no more than was measured."""

import re
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.gates.replacement import release
from swap_assets.domain.judging.contrasts import contrast
from swap_assets.domain.judging.decisions import Approval, Suggestion
from swap_assets.domain.keys import tuned
from swap_assets.domain.predictions import PredictionRecord, Usage
from swap_assets.domain.report.comparison import build_report, with_previous
from swap_assets.domain.report.endings import whose_answers_do_not_end
from swap_assets.domain.report.figures import Figure, by_key
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.layout import lay_out, to_markdown
from swap_assets.domain.report.verdict import cautions, surpasses, within
from swap_assets.domain.scoring.aggregation import summarise
from swap_assets.domain.scoring.evaluation import Totals, TrackResult, not_evaluated, totals
from swap_assets_tests.domain.evaluations import FLEDGLING, LLM, PAPER, SLM, evaluation, shares

POLICY = GatePolicy()
_VALUE = st.sampled_from([None, 0.0, 0.25, 0.5, 1.0])


def _report(evaluations, decisions=(), **more):
    return build_report(
        ReportInputs(
            experiment="test", scale="small", evaluations=evaluations, llm_id=LLM.id, policy=POLICY,
            notices=["Made by a test."], decisions=decisions, **more,
        )
    )  # fmt: skip


def _text(report):
    return to_markdown(lay_out(report))


def test_absent_skipped_and_failed_candidates_are_named_with_their_reasons():
    report = _report(
        [
            evaluation(LLM, shares(80, 100)),
            not_evaluated(SLM, "absent", "no baseline has been materialised"),
            not_evaluated(PAPER, "failed", "the adapter ran out of memory"),
            not_evaluated(FLEDGLING, "skipped", "no training needed"),
        ]
    )
    for words in ("no baseline has been materialised", "the adapter ran out of memory", "no training needed"):
        assert words in _text(report)
        assert any(words in limit.why for limit in report.limits)
    assert "no small model has been measured" in report.verdict.sentence


def test_a_report_of_nothing_says_that_the_llm_was_not_measured_and_can_be_written():
    report = _report([not_evaluated(LLM, "absent", "not asked")])
    assert "gpt (hosted LLM) has not been measured" in report.verdict.sentence
    assert "not measured" in _text(report).casefold()


def test_the_verdict_follows_the_best_candidate_and_its_interval():
    llm = evaluation(LLM, shares(80, 100))
    kinds = [_report([llm, evaluation(PAPER, shares(right, 100))]).verdict.kind for right in (100, 20, 79)]
    assert kinds == ["promising", "no", "not shown"]


def test_the_best_of_several_promises_only_what_survives_holm_and_is_said_to_be_the_best_of_several():
    """Level with the LLM within 4.5 points, as often ahead as behind: enough for one, luck for the best of four."""
    llm = evaluation(LLM, shares(200, 400))
    level = [0.0] * 42 + [1.0] * 200 + [0.0] * 158
    alone = _report([llm, evaluation(PAPER, level)]).verdict
    four = [evaluation(tuned(f"m{number}", "small", "paper"), level) for number in range(4)]
    among = _report([llm, *four]).verdict
    assert (alone.kind, among.kind) == ("promising", "not shown")
    assert "best of" not in alone.how_sure and "the best of 4 on these rows" in among.how_sure


def test_only_a_passed_release_decision_says_that_a_small_model_can_take_over():
    llm, paper = evaluation(LLM, shares(80, 100)), evaluation(PAPER, shares(100, 100))
    passed = release([paper], llm, POLICY, model="phi", scale="small", sealed=(paper, llm))
    found = _report([llm, paper], [passed]).verdict
    assert found.kind == "yes"
    assert found.sentence.startswith("A small model can take over: phi (paper adapter) is 20.0 points ahead of")
    assert "sealed rows" in found.how_sure and "never shown in training" not in found.how_sure


def test_a_yes_says_what_it_is_worth_on_tools_that_were_never_shown_in_training():
    llm = _asked_for_unseen_tools(evaluation(LLM, [1.0] * 10 + shares(70, 90)), 10)
    paper = _asked_for_unseen_tools(evaluation(PAPER, [0.0] * 10 + [1.0] * 90), 10)
    passed = release([paper], llm, POLICY, model="phi", scale="small", sealed=(paper, llm))
    assert passed.action == "release"
    told = _report([llm, paper], [passed]).verdict.how_sure
    assert "On the 10 test rows that ask for tools never shown in training it has 0.0, the LLM 100.0" in told


def test_the_rows_that_a_caution_names_are_those_that_its_figure_rests_on():
    """Of twelve rows for unseen tools one asks for none of them, and the rate is over the eleven others."""
    figures = [
        Figure(candidate_id=name, metric=metric, value=value, n=rows, track="toolcall", split="tools", label="unseen")
        for name, share in (("slm", 0.0), ("llm", 6 / 11))
        for metric, value, rows in (("rows", 12, 0), (POLICY.primary, share, 11))
    ]
    told = cautions(figures, SimpleNamespace(policy=POLICY, llm_id="llm"))
    assert [each[:20] for each in told.values()] == [" On the 11 test rows"]


def _asked_for_unseen_tools(item, count):
    result = item.results[Track.TOOLCALL]
    rows = tuple(
        row.model_copy(update={"labels": {**row.labels, "tools": "unseen" if place < count else "seen"}})
        for place, row in enumerate(result.rows)
    )
    remade = TrackResult(summary=summarise(item.candidate.id, HERMES, rows), rows=rows)
    return item.model_copy(update={"results": {Track.TOOLCALL: remade}})


def test_a_candidate_that_never_calls_is_no_candidate_however_bad_the_llm_is():
    llm, slm = evaluation(LLM, shares(2, 100)), evaluation(SLM, shares(0, 100))
    report = _report([_without_calls(llm, 30), _without_calls(slm, 30)])
    assert report.verdict.kind == "no"
    assert "Its own field_f1 there is 0.0 %, below the 20 % asked of any candidate" in report.verdict.how_sure
    assert "the same 70 test rows on which a call is right" in report.verdict.how_sure


def _without_calls(item, count):
    """Say that no call is right on the last rows, and that none was made."""
    result = item.results[Track.TOOLCALL]
    rows = [row.model_copy(update={"no_call_correct": 1.0}) if place >= len(result.rows) - count else row
            for place, row in enumerate(result.rows)]  # fmt: skip
    return item.model_copy(update={"results": {Track.TOOLCALL: result.model_copy(update={"rows": tuple(rows)})}})


def test_the_main_table_has_a_line_for_each_candidate_of_the_track_only():
    report = _report(
        [
            evaluation(LLM, shares(80, 100)),
            evaluation(SLM, shares(40, 100)),
            evaluation(PAPER, shares(70, 100), track=Track.STRUCTURED),
        ]
    )
    table = lay_out(report).section("candidates").tables[0]
    assert [row[0] for row in table.rows] == ["gpt (hosted LLM)", "phi (untouched)"]
    assert table.rows[1][-2].startswith("+40.0")


def test_within_ten_points_and_surpassing_are_told_by_the_interval_alone():
    llm = evaluation(LLM, shares(50, 100))
    found = {right: _report([llm, evaluation(PAPER, shares(right, 100))]).comparisons[0] for right in (100, 50, 45, 10)}
    assert (within(found[100]), surpasses(found[100])) == ("yes", "yes")
    assert (within(found[50]), surpasses(found[50])) == ("yes", "cannot be told")
    assert surpasses(found[45]) == "no"
    assert (within(found[10]), surpasses(found[10])) == ("no", "no")


@settings(deadline=None)  # the first report of a process loads libraries
@given(st.lists(st.tuples(_VALUE, _VALUE, st.integers(0, 4)), min_size=1, max_size=30), st.randoms())
def test_a_comparison_in_the_report_is_the_gates_own_to_the_last_digit(rows, shuffle):
    slm, llm = (_in_conversations(item, rows, place) for place, item in enumerate((PAPER, LLM)))
    result = llm.results[Track.TOOLCALL]
    mixed = tuple(shuffle.sample(result.rows, len(result.rows)))
    llm = llm.model_copy(update={"results": {Track.TOOLCALL: result.model_copy(update={"rows": mixed})}})
    found = _report([llm, slm]).comparisons
    assert list(found) == [
        made for name in ("field_f1", "exact_match", "name_match") if (made := contrast(slm, llm, name, part="call"))
    ]


def _in_conversations(candidate, rows, place):
    item = evaluation(candidate, [row[place] for row in rows])
    result = item.results[Track.TOOLCALL]
    told = tuple(score.model_copy(update={"conversation_id": str(row[2])})
                 for score, row in zip(result.rows, rows, strict=True))  # fmt: skip
    return item.model_copy(update={"results": {Track.TOOLCALL: result.model_copy(update={"rows": told})}})


def test_candidates_that_were_asked_other_rows_are_not_compared():
    report = _report([evaluation(LLM, shares(5, 10)), evaluation(PAPER, shares(5, 11))])
    assert report.comparisons == ()
    assert "no small model has been measured" in report.verdict.sentence


def test_real_and_synthetic_rows_are_reported_apart():
    rows = evaluation(LLM, shares(80, 100))
    figures = by_key(_report([rows]).figures)
    assert figures[LLM.id, Track.TOOLCALL, "origin", "real", "rows"].value == 100
    assert figures[LLM.id, Track.TOOLCALL, "origin", "real", "field_f1"].value == 0.8


def test_decisions_stand_in_the_report_with_verdict_and_reason():
    llm, slm = evaluation(LLM, shares(80, 100)), evaluation(SLM, shares(10, 100))
    decision = fine_tune(slm, llm, POLICY)
    (row,) = lay_out(_report([llm, slm], [decision])).section("decisions").tables[0].rows
    assert row[2] == "fail"
    assert "phi (untouched) is 70.0 points behind gpt (hosted LLM) on field F1" in row[4]
    assert not {SLM.id, LLM.id, "field_f1", "exact_match"} & set(re.findall(r"[\w-]+", row[4]))


def test_what_a_decision_suggests_can_be_copied_with_its_indents():
    llm, slm = evaluation(LLM, shares(80, 100)), evaluation(SLM, shares(10, 100))
    entry = "models:\n  phi-r32: {extends: phi}"
    decision = fine_tune(slm, llm, POLICY).model_copy(
        update={"suggestions": (Suggestion(text="more rank", entry=entry),)}
    )
    section = lay_out(_report([llm, slm], [decision])).section("decisions")
    assert section.groups[0].tables[0].caption == "more rank"
    assert section.groups[0].tables[0].rows[0][1] == entry
    assert "more rank" not in section.tables[0].rows[0][4]


def test_an_open_decision_says_how_many_rows_would_settle_it():
    llm, slm = evaluation(LLM, shares(80, 100)), evaluation(SLM, shares(72, 100))
    decision = fine_tune(slm, llm, POLICY)
    section = lay_out(_report([llm, slm], [decision])).section("decisions")
    assert decision.verdict == "inconclusive" and decision.rows_needed
    assert f"About {decision.rows_needed:,} rows in all would settle it" in section.tables[0].rows[0][4]


def test_a_persons_word_is_shown_and_is_void_once_the_decision_is_another():
    llm, slm = evaluation(LLM, shares(80, 100)), evaluation(SLM, shares(10, 100))
    decision = release([slm], llm, POLICY, model="phi", scale="small")
    word = Approval(model="phi", scale="small", verdict="approved", by="Ada", reason="fine", evidence_hash="old")
    words = [word, word.model_copy(update={"evidence_hash": decision.content()})]
    section = lay_out(_report([llm, slm], [decision], approvals=words)).section("decisions")
    assert [row[-1] for row in section.tables[1].rows] == ["no: the evidence is another one by now", "yes"]
    assert section.tables[1].rows[0][2] == "Ada"


def test_the_notice_is_the_first_line():
    assert _text(_report([evaluation(LLM, shares(1, 2))])).splitlines()[0] == "> Made by a test."


def test_the_sections_stand_in_the_order_that_a_decision_needs():
    assert [section.id for section in lay_out(_report([evaluation(LLM, shares(1, 2))])).sections] == [
        "candidates", "criteria", "llm", "decisions", "single-turn", "multi-turn", "json", "domains", "splits",
        "no-call", "tracks", "wins", "failures", "learning", "latency", "cost", "leakage", "changes", "provenance",
        "limits",
    ]  # fmt: skip


def test_time_and_cost_do_not_change_what_a_report_says():
    one = _report([evaluation(LLM, shares(80, 100))])
    effort = [item.model_copy(update={"value": 3.0}) if item.split == "effort" else item for item in one.figures]
    other = one.model_copy(update={"figures": tuple(effort), "generated_at": "2030-01-01"})
    assert other.figures != one.figures
    assert (other.content(), other.evidence()) == (one.content(), one.evidence())


def test_what_changed_since_the_previous_report_is_named_by_its_hashes():
    before = _report([evaluation(LLM, shares(80, 100))], facts={"settings": "a", "code": "1"}, generated_at="yesterday")
    now = _report([evaluation(LLM, shares(70, 100))], facts={"settings": "b", "code": "1"})
    found = with_previous(now, before).changes
    assert [(cause.what, cause.before, cause.now) for cause in found.causes] == [("settings", "a", "b")]
    assert [(item.before, item.now) for item in found.movements] == [(0.8, 0.7)]
    assert found.previous_at == "yesterday"


def test_other_decisions_on_the_same_figures_are_not_other_evidence():
    llm, slm = evaluation(LLM, shares(80, 100)), evaluation(SLM, shares(10, 100))
    undecided, decided = _report([llm, slm]), _report([llm, slm], [fine_tune(slm, llm, POLICY)])
    assert undecided.evidence() == decided.evidence()
    assert undecided.content() != decided.content()


def _record(index, seconds, cost, finish_reason="stop"):
    return PredictionRecord(
        case_id=str(index), conversation_id=str(index), candidate_id=LLM.id, answer_format="hermes", request_hash="r",
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


def test_answers_that_do_not_end_are_counted_by_reason_and_told_from_one_in_ten_on():
    def notice(*cut):
        records = [_record(index, 1.0, None) for index in range(len(cut), 20)]
        made = totals(records + [_record(index, 1.0, None, why) for index, why in enumerate(cut)])
        one = evaluation(SLM, shares(80, 20))
        results = {track: result.model_copy(update={"totals": made}) for track, result in one.results.items()}
        return whose_answers_do_not_end([one.model_copy(update={"results": results})])

    assert notice("length", "second_turn") == []
    (told,) = notice("length", "repetition", "repetition")
    assert "3 of 20 answers in" in told and "1 ran to the limit, 2 repeated themselves, 0 began another turn" in told
