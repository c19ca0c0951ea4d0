"""BFCL's rule on cases worked by hand, and on the real ones where SWAP_REAL_DATA_DIR names them."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from swap_assets.domain.model import EvalCase, ToolCall
from swap_assets.domain.scoring.answer_files import given_rows, gold_rows, score_rows
from swap_assets.domain.scoring.bfcl import check_answer, score_bfcl, score_relevance
from swap_assets.domain.scoring.bfcl_answers import parse_bfcl_answer, python_calls

CASE = EvalCase(id="1", conversation_id="1", turn=0, tools=(), history=(), gold_calls=(), origin="real")
AREA = {
    "name": "area",
    "parameters": {
        "type": "dict",
        "properties": {
            "base": {"type": "integer"},
            "height": {"type": "float"},
            "unit": {"type": "string"},
            "points": {"type": "array", "items": {"type": "integer"}},
            "options": {"type": "dict"},
            "corners": {"type": "array", "items": {"type": "dict"}},
            "exact": {"type": "boolean"},
            "other": {"type": "any"},
        },
        "required": ["base"],
    },
}


def judge(accepted: dict[str, list[Any]], **given: Any) -> str:
    outcome = check_answer([AREA], [{"area": accepted}], [ToolCall(name="area", arguments=given)])
    return outcome.reason or "right"


@pytest.mark.parametrize(
    ("why", "accepted", "given", "expected"),
    [
        ("the accepted value", {"base": [10]}, {"base": 10}, "right"),
        ("one of several accepted values", {"base": [10, 12]}, {"base": 12}, "right"),
        ("none of the accepted values", {"base": [10]}, {"base": 11}, "wrong_value"),
        ("a float where a whole number is described", {"base": [10]}, {"base": 10.0}, "wrong_type"),
        (
            "a whole number where a float is described",
            {"base": [1], "height": [5.0]},
            {"base": 1, "height": 5},
            "right",
        ),
        ("true is no whole number", {"base": [1]}, {"base": True}, "wrong_type"),
        (
            "capitals, blanks and punctuation of a text",
            {"base": [1], "unit": ["sq-cm."]},
            {"base": 1, "unit": "SQ CM"},
            "right",
        ),
        ("an optional parameter left out", {"base": [1], "unit": ["cm", ""]}, {"base": 1}, "right"),
        ("a parameter that gold demands left out", {"base": [1], "unit": ["cm"]}, {"base": 1}, "missing_parameter"),
        ("a required parameter left out", {"base": ["", 1]}, {}, "missing_parameter"),
        ("a parameter that gold does not know", {"base": [1]}, {"base": 1, "unit": "cm"}, "unexpected_parameter"),
        ("a list in another order", {"base": [1], "points": [[1, 2]]}, {"base": 1, "points": [2, 1]}, "wrong_value"),
        (
            "a list with an item of another type",
            {"base": [1], "points": [[1, 2]]},
            {"base": 1, "points": [1, "2"]},
            "wrong_type",
        ),
        ("an empty list for an optional one", {"base": [1], "points": [[1], ""]}, {"base": 1, "points": []}, "right"),
        (
            "an object, each key with accepted values",
            {"base": [1], "options": [{"a": [1, 2], "b": ["x", ""]}]},
            {"base": 1, "options": {"a": 2}},
            "right",
        ),
        (
            "an object with an unknown key",
            {"base": [1], "options": [{"a": [1]}]},
            {"base": 1, "options": {"a": 1, "z": 1}},
            "wrong_value",
        ),
        (
            "an object without a demanded key",
            {"base": [1], "options": [{"a": [1], "b": [2]}]},
            {"base": 1, "options": {"a": 1}},
            "wrong_value",
        ),
        (
            "a list of objects in order",
            {"base": [1], "corners": [[{"x": [1]}, {"x": [2]}]]},
            {"base": 1, "corners": [{"x": 1}, {"x": 2}]},
            "right",
        ),
        (
            "a list of objects in another order",
            {"base": [1], "corners": [[{"x": [1]}, {"x": [2]}]]},
            {"base": 1, "corners": [{"x": 2}, {"x": 1}]},
            "wrong_value",
        ),
        ("a variable's name where gold has one", {"base": ["size"]}, {"base": "size"}, "right"),
        ("a variable's name in capitals is another variable", {"base": ["size"]}, {"base": "Size"}, "wrong_value"),
        ("any type takes what gold has", {"base": [1], "other": [3]}, {"base": 1, "other": 3}, "right"),
        ("a boolean", {"base": [1], "exact": [True]}, {"base": 1, "exact": False}, "wrong_value"),
        ("null", {"base": [1]}, {"base": None}, "wrong_type"),
        (
            "a whole number too large for a float",
            {"base": [1], "height": [5.0]},
            {"base": 1, "height": 10**400},
            "wrong_value",
        ),
    ],
)
def test_by_hand(why: str, accepted: dict[str, list[Any]], given: dict[str, Any], expected: str):
    assert judge(accepted, **given) == expected, why


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name=name, arguments=arguments)


def test_parallel_calls_may_come_in_any_order_and_each_is_used_once():
    gold = [{"area": {"base": [1]}}, {"area": {"base": [2]}}]
    assert check_answer([AREA], gold, [call("area", base=2), call("area", base=1)]).valid
    assert check_answer([AREA], gold, [call("area", base=1), call("area", base=1)]).reason == "wrong_value"
    assert check_answer([AREA], gold, [call("area", base=1)]).reason == "wrong_count"


def test_where_no_call_is_right_any_call_is_wrong():
    assert check_answer([AREA], [], []).valid
    assert not check_answer([AREA], [], [call("area", base=1)]).valid


def test_without_a_description_types_come_from_the_accepted_values():
    gold = [{"f": {"x": [2.0], "names": [["a"], ""]}}]
    assert check_answer([], gold, [call("f", x=2)]).valid
    assert check_answer([], gold, [call("f", x="2")]).reason == "wrong_type"
    assert check_answer([], gold, [call("f", x=2, names=["A"])]).valid


AS_TOLD = {"base": 10, "unit": {"name": {"of": "cm"}}, "points": "a[0]"}


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("[area(base=10, unit='cm')]", [("area", {"base": 10, "unit": "cm"})]),
        ("area(base=-1.5), now()", [("area", {"base": -1.5}), ("now", {})]),
        (
            "math.area(points=[1, (2, 3)], options={'a': None})",
            [("math.area", {"points": [1, [2, 3]], "options": {"a": None}})],
        ),
        ("```\n[area(base=size)]\n```", [("area", {"base": "size"})]),
        ("[area(base=2 * 5, unit=name(of='cm'), points=a[0])]", [("area", AS_TOLD)]),
        (
            "[area(base=4**1 + 2, unit='c' + 'm', points='ab' * 2)]",
            [("area", {"base": 6, "unit": "cm", "points": "abab"})],
        ),
        ("area(10)", [("area", {})]),
        ('[{"area": {"base": 10}}]', [("area", {"base": 10})]),
        ("[]", []),
        ('<tool_call>{"name": "area", "arguments": {"base": 1}}</tool_call>', [("area", {"base": 1})]),
    ],
)
def test_python_calls_decoded_json_and_tags_are_read(text: str, calls: list[tuple[str, dict[str, Any]]]):
    parsed = parse_bfcl_answer(text)
    assert [(one.name, one.arguments) for one in parsed.calls] == calls


@pytest.mark.parametrize(
    "text",
    [
        "f(x=not y)",
        "f(x=2**9999)",
        "f(x=2**-1)",
        "f(x='a' * 99999)",
        "f(x=size + 'a')",
        "f(x='a' + 1)",
        "f(x=1/0)",
        "f(x=lambda: 1)",
        "f(x=",
        "x = f()",
        "f()()",
        "f(x=" + "(" * 1000,
        "f(" + "-" * 19_000 + "1)",
        "f(x=" + "a." * 9_000 + "b)",
        "f(x=1)" * 9_999,
    ],
)
def test_what_is_no_list_of_keyword_calls_is_refused_and_harms_nothing(text: str):
    with pytest.raises((ValueError, SyntaxError, RecursionError, MemoryError)):
        python_calls(text)
    parse_bfcl_answer(text)


@pytest.mark.parametrize(
    ("text", "exact", "names", "failure"),
    [
        ("[area(base=10)]", 1.0, 1.0, "none"),
        ("area()", 1.0, 1.0, "none"),
        ("[area(base=10), volume(side=1)]", 1.0, 0.0, "none"),  # BFCL asks for a call, whichever it is
        ("None of the functions fits.", 0.0, 0.0, "missing_call"),
        ("[]", 0.0, 0.0, "missing_call"),
        ("", 0.0, 0.0, "missing_call"),
        ("<tool_call>{oops", 0.0, 0.0, "unreadable"),
    ],
)
def test_relevance_is_the_reverse_of_irrelevance(text: str, exact: float, names: float, failure: str):
    parsed = parse_bfcl_answer(text)
    found = score_relevance(CASE, [AREA], parsed)
    assert (found.exact_match, found.name_match, found.failure) == (exact, names, failure)
    assert (found.field_f1, found.no_call_correct) == (None, None)
    assert score_bfcl(CASE, [AREA], [], parsed).exact_match == 1.0 - exact


def test_a_row_is_of_relevance_by_its_id_and_without_accepted_values():
    questions = [{"id": name, "function": [AREA]} for name in ("live_relevance_3-3-0", "irrelevance_0")]
    known = {"id": "live_relevance_9", "function": [AREA], "ground_truth": [{"area": {"base": [10]}}]}
    gold = gold_rows(None, [*questions, known])
    assert [row.any_call for row in gold.values()] == [True, False, False]
    given = given_rows([{"id": name, "prediction": "[area(base=10)]"} for name in gold])
    assert [row.exact_match for row in score_rows(None, gold, given)] == [1.0, 0.0, 1.0]


def test_words_are_an_answer_without_calls():
    parsed = parse_bfcl_answer("None of these functions can do that.")
    assert parsed.calls == () and parsed.compliant
    assert score_bfcl(CASE, [AREA], [], parsed).exact_match == 1.0


def test_a_score_carries_fields_by_accepted_values_and_its_evidence():
    gold = [{"area": {"base": [10], "unit": ["cm", ""]}}]
    score = score_bfcl(CASE, [AREA], gold, parse_bfcl_answer("[area(base=10, unit='m')]"))
    assert (score.exact_match, score.field_precision, score.field_recall) == (0.0, 0.5, 0.5)
    assert score.first_difference == "wrong value: unit" and score.failure == "wrong_value"
    left_out = score_bfcl(CASE, [AREA], gold, parse_bfcl_answer("[area(base=10)]"))
    assert left_out.field_f1 == 1.0 and left_out.exact_match == 1.0


def test_an_unread_answer_is_wrong_and_charged():
    score = score_bfcl(CASE, [AREA], [{"area": {"base": [10]}}], parse_bfcl_answer("<tool_call>{oops"))
    assert (score.exact_match, score.failure, score.predicted_fields) == (0.0, "unreadable", 1)


RIGHT_ANSWERS = ("first accepted value of every parameter", "every optional parameter given")


def as_calls(answer: list[dict[str, dict[str, Any]]]) -> list[ToolCall]:
    return [ToolCall(name=name, arguments=arguments) for one in answer for name, arguments in one.items()]


def test_gold_of_every_real_case_is_right_and_without_its_calls_wrong():
    folder = Path(os.environ.get("SWAP_REAL_DATA_DIR", "")) / "bfcl_v4"
    if "SWAP_REAL_DATA_DIR" not in os.environ or not folder.is_dir():
        pytest.skip("SWAP_REAL_DATA_DIR names no folder with bfcl_v4 in it")
    from benchmarks.bfcl_pairs import answers, cases

    judged = 0
    for case in cases(folder):
        right = [as_calls(answer) for name, answer in answers(case) if name in RIGHT_ANSWERS]
        judge_case = partial(check_answer, case["functions"], case["accepted"])
        assert any(judge_case(calls).valid for calls in right), case["id"]
        assert not any(judge_case(calls[:-1]).valid for calls in right), case["id"]
        judged += 1
    assert judged == 1000
