"""What answers without knowing passes no gate and no success criterion, however bad the LLM beside it is."""

import random

import pytest

from benchmarks.fooling_models import FOOLING, POLICY, ROWS, SOUND, answered, cases, experiment, passes, tally
from swap_assets.domain.experiment.gate_policy import CoreMetric, GatePolicy, NoCallRule, ReleaseRule
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.gates.replacement import release
from swap_assets.domain.gates.scale_up import scale_up
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec
from swap_assets.domain.scoring.row_scoring import score_answer
from swap_assets.domain.scoring.scores import RowScore
from swap_assets.domain.scoring.words import in_words
from swap_assets_tests.domain.evaluations import LLM, PAPER, SLM, evaluation, shares, with_origin, with_silence

_NO_CALL = next(case for case in cases() if not case.gold_calls)


@pytest.mark.campaign
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("model", FOOLING)
def test_no_fooling_model_passes_any_gate_or_criterion_in_two_hundred_experiments(model, rows):
    assert tally(model, rows, 200) == {}


@pytest.mark.parametrize("model", FOOLING)
def test_no_fooling_model_passes_beside_an_llm_that_is_always_wrong(model):
    generator = random.Random(model)
    asked, *_ = experiment(generator, 50)
    own, llm = ([answered(name)[place] for place in asked] for name in (model, "says nothing"))
    assert passes(own, llm) == set()
    assert tally(model, 50, 8) == {}


@pytest.mark.parametrize("added", [ToolCall(name="delete_everything", arguments={}), None])
@pytest.mark.parametrize(("right", "rows"), [(0.6, 50), (0.6, 200), (0.75, 500)])
def test_a_model_that_adds_a_call_to_every_right_answer_is_let_through_by_no_gate(added, right, rows):
    """It has 86 % of field F1, more than the LLM, and no answer that is wholly right."""
    generator = random.Random(rows)
    calling = [place for place, case in enumerate(cases()) if case.gold_calls]
    asked = generator.sample(calling, rows)
    own = [_with_a_call_more(cases()[place], added) for place in asked]
    llm = [
        score_answer(
            case, HERMES.read(HERMES.write(case.gold_calls) if generator.random() < right else "I do not know.")
        )
        for case in (cases()[place] for place in asked)
    ]
    gates = {"fine_tune", "scale_up", "sealed rows", "release"}
    assert passes(own, llm) & gates == set()
    only_field_f1 = POLICY.model_copy(update={"core_metrics": {"field_f1": CoreMetric(unit="score")}})
    assert rows == 50 or "scale_up" in passes(own, llm, only_field_f1)


def _answered(case: EvalCase, rightly: bool) -> RowScore:
    return score_answer(case, HERMES.read(HERMES.write(case.gold_calls) if rightly else "I do not know."))


def _with_a_call_more(case: EvalCase, added: ToolCall | None) -> RowScore:
    call = added or ToolCall(name=case.tools[0].name, arguments={})
    return score_answer(case, HERMES.read(HERMES.write((*case.gold_calls, call))))


def test_a_sound_model_passes_every_gate_on_five_hundred_rows():
    found = tally(SOUND, 500, 20)
    assert min(found[gate] for gate in ("fine_tune", "scale_up", "release")) > 5


@pytest.mark.parametrize(
    "text",
    ["Sure, which city?", "No.", "OK", "Done.", "No, no, no.", "You're welcome.", "You're welcome.<|im_end|>",
     "はい", "好的", "Да", "ได้ครับ", "It is 25°C.", "好的，您想去哪个城市？", "आपका शहर कौन सा है?", "أي مدينة؟",
     "<think>Hm.</think>\nYes.", "The total is $1,234.56 (12.5%).", "- **Paris:** 18 °C, sunny",
     "| Name | Price |\n|---|---|\n| Tea | 3.50 |", 'I have "get_weather" and "get_news".',
     "f(x) = x^2 is a parabola (see above)", "Paris (France)", "Note: done", "Action: Die Hard",
     "See [tools](http://a.b) for more.", "Ok :)", "<think>" + "I think. " * 900 + "</think>Sure.",
     "I can do the search(es) for you."],
)  # fmt: skip
def test_a_short_answer_in_any_language_is_words(text):
    assert in_words(text, ["get_weather", "search"])
    assert _scored(text).no_call_correct == 1.0


@pytest.mark.parametrize(
    "text",
    ["?!", "...", "🙂🙂", "x8$kQ@4", "a1b2c3d4 e5f6g7", "#+#+# ~~ ==", "\x00\x01", "1234567", "0 0 0 0", "1,2,3",
     "null", "Null.", "None", "[]", "Answer: []", "[[]]", '{"a": 1}', "```json\n```", "True", "<|im_end|>",
     "<|endoftext|><|endoftext|>", "<|im_start|>assistant", "assistant", "</s>", "[INST]", "<tool_response>",
     '<tool_response>{"a": 1}</tool_response>', "<think>I should say yes.</think>", "<think>I should say",
     "the the the the", "user user user user", "aaaa", "裁裁裁裁",
     "I can help. I can help. I can help. I can help."],
)  # fmt: skip
def test_symbols_values_tokens_and_the_same_again_are_no_answer_where_no_call_is_right(text):
    found = _scored(text)
    assert (found.no_call_correct, found.failure) == (0.0, "unreadable")


@pytest.mark.parametrize(
    "text",
    ["get_weather(city='Paris')", "[get_weather(city='Paris')]", "get_weather()", "get_weather",
     "get_weather: Paris", "get_weather city=Paris", 'get_weather{"city": "Paris"}', "Answer: get_weather(city)",
     "Sure! get_weather('Paris')", "```python\nget_weather(city='Paris')\n```", "[other_tool(a=1), another(b=2)]",
     "functions.f({'a': 1})", "await getWeather({city: 'Paris'});", '{"function": "get_weather", "city": "Pa',
     "<function=f>Paris</function>", 'Sure: {"name": "get_weather", "arguments": {"city"',
     '{"tool": "f", "parameters": {"a": "b', "Action: f\nAction Input: a", "Tool: get_weather", '[TOOL_CALLS] [{"x": 1',
     "<｜tool▁call▁begin｜>", "<|python_tag|>f.call"],
)  # fmt: skip
def test_a_call_that_was_attempted_in_any_syntax_is_no_answer_where_no_call_is_right(text):
    case = _NO_CALL.model_copy(update={"tools": (ToolSpec(name="get_weather"),)})
    assert score_answer(case, HERMES.read(text)).no_call_correct == 0.0


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("4", "4"),
        ("2 + 2 is 4.", "4"),
        ('{"root": {"name": "a"}', '{"root": {"name": "a"}'),
        ("It is true.", "true"),
        ("42", "Answer: 42"),
    ],
)
def test_what_gold_says_is_right_though_it_is_no_words(gold, text):
    case = _NO_CALL.model_copy(update={"gold_text": gold})
    assert score_answer(case, HERMES.read(text)).no_call_correct == 1.0
    assert score_answer(case, HERMES.read("5")).no_call_correct == 0.0


def test_no_gold_text_of_a_generated_row_is_refused():
    assert not [case.gold_text for case in cases() if not case.gold_calls and not _says(case)]


@pytest.mark.parametrize(
    ("said", "right"),
    [("stop", 1), ("eos", 1), ("end_turn", 1), ("FinishReason.STOP", 1), ("tool_calls", 1), ("", 1), ("length", 0),
     ("max_tokens", 0), ("MAX_TOKENS", 0), ("model_length", 0), ("content_filter", 0), ("SAFETY", 0),
     ("what nobody knows", 0)],
)  # fmt: skip
def test_an_answer_ended_by_itself_where_its_server_says_so_or_nothing(said, right):
    assert _scored("You're welcome.", finish=said).no_call_correct == right


def test_words_that_were_cut_at_the_limit_are_no_answer_where_no_call_is_right():
    found = _scored("Sure, which city do you", finish="length")
    assert (found.no_call_correct, found.failure) == (0.0, "truncated")


def test_a_call_that_was_made_before_the_limit_counts_where_one_is_right():
    case = next(case for case in cases() if len(case.gold_calls) == 1)
    assert score_answer(case, HERMES.read(HERMES.write(case.gold_calls)), finish_reason="length").exact_match == 1.0


def _says(case):
    return in_words(case.gold_text, (tool.name for tool in case.tools))


def _scored(text, finish="stop"):
    return score_answer(_NO_CALL, HERMES.read(text), finish_reason=finish)


def _gates(own, theirs, policy=None):
    """Return the verdicts of the three gates on values of rows where a call is right."""
    policy = policy or GatePolicy()
    slm, trained, llm = own(SLM), own(PAPER), theirs(LLM)
    return (
        fine_tune(slm, llm, policy),
        scale_up([trained], llm, policy, scale="small", next_scale="large"),
        release([trained], llm, policy, model="phi", scale="small", sealed=(trained, llm)),
    )


def _answers(right, of, *, silent=(0, 0)):
    """Return what makes an evaluation: so many right where a call is right, and so many where none is."""
    return lambda candidate: with_silence(evaluation(candidate, shares(right, of)), *silent)


def test_a_model_that_calls_where_no_call_is_right_passes_nothing_however_good_its_calls_are():
    for decision in _gates(_answers(200, 200, silent=(5, 40)), _answers(180, 200, silent=(40, 40))):
        assert decision.verdict == "fail"
        assert "on the 40 rows where no call is right it makes none in 12 %, below the 50 % asked" in decision.reason
        assert [item.part for item in decision.slices][:1] == ["no_call"]


def test_a_model_that_may_be_too_far_behind_where_no_call_is_right_passes_nothing_and_does_not_fail():
    for decision in _gates(_answers(200, 200, silent=(33, 40)), _answers(180, 200, silent=(40, 40))):
        assert decision.verdict == "inconclusive"
        assert "17.5 points behind the LLM, 10 allowed" in decision.reason


@pytest.mark.parametrize(
    ("silent", "told"),
    [((0, 0), "no row tells how it does where no call is right"), ((0, 9), "on the 9 rows where no call is right")],
)
def test_few_rows_without_a_call_are_told_and_block_nothing(silent, told):
    for decision in _gates(_answers(200, 200, silent=silent), _answers(180, 200, silent=(silent[1], silent[1]))):
        assert decision.verdict == "pass"
        assert told in decision.reason


def test_how_many_rows_without_a_call_are_enough_is_a_setting():
    policy = GatePolicy(no_call=NoCallRule(rows=5))
    for decision in _gates(_answers(200, 200, silent=(0, 9)), _answers(180, 200, silent=(9, 9)), policy):
        assert decision.verdict == "fail"


def test_being_ahead_of_a_weak_llm_is_not_enough_and_the_sentence_says_so():
    for decision in _gates(_answers(20, 200), _answers(4, 200)):
        assert decision.verdict == "fail"
        assert "its own field_f1 there is 10.0 %, below the 20 % asked of any candidate" in decision.reason
    for decision in _gates(_answers(46, 200), _answers(4, 200)):
        assert decision.verdict == "inconclusive"
        assert "not surely the 20 % asked of any candidate" in decision.reason
    assert [one.verdict for one in _gates(_answers(80, 200), _answers(4, 200))] == ["pass"] * 3


@pytest.mark.parametrize(
    ("generated", "share", "verdict"), [(0, 0.5, "pass"), (100, 0.5, "pass"), (101, 0.5, "inconclusive"),
                                        (200, 0.5, "inconclusive"), (200, 0.0, "pass"), (1, 1.0, "inconclusive")],
)  # fmt: skip
def test_a_release_says_what_share_of_its_rows_is_real_and_waits_for_enough(generated, share, verdict):
    def answers(candidate):
        return with_origin(evaluation(candidate, shares(200, 200)), "synthetic", generated)

    policy = GatePolicy(release=ReleaseRule(real_share=share))
    *_, decision = _gates(answers, answers, policy)
    assert decision.verdict == verdict
    assert f"{200 - generated} of th" in decision.reason
    assert ("gates.release.real_share" in decision.reason) == (verdict == "inconclusive")
    assert sum(item.rows for item in decision.slices if item.part == "real") == 200 - generated


def test_sealed_rows_on_which_no_call_is_right_release_nothing():
    quiet = [with_silence(evaluation(who, []), 30, 30) for who in (PAPER, LLM)]
    tested = evaluation(PAPER, shares(200, 200)), evaluation(LLM, shares(200, 200))
    decision = release([tested[0]], tested[1], GatePolicy(), model="phi", scale="small", sealed=(quiet[0], quiet[1]))
    assert (decision.verdict, decision.action) == ("inconclusive", "wait")
    assert "the sealed rows hold none where a call is right" in decision.reason
