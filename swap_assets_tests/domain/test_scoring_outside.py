"""The published convention by hand, schemas that are broken, real rows against themselves, and a short fuzz."""

import json
import os
from pathlib import Path

import pytest

from benchmarks.scoring_fuzz import fuzz
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec
from swap_assets.domain.schemas import calls_fit_schemas
from swap_assets.domain.scoring.answer_files_report import published_figures
from swap_assets.domain.scoring.fields import uses_earlier_result
from swap_assets.domain.scoring.row_scoring import score_answer

STRUCTURED, TOOLCALL = FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL


def counts(answer_format: AnswerFormat, reference: str, prediction: str) -> tuple[int, int, int]:
    found = published_figures(answer_format, [(reference, prediction)])
    return found["true_positives"], found["false_positives"], found["false_negatives"]


def named(body: str) -> str:
    return f'<tool_call name="f">{body}</tool_call>'


@pytest.mark.parametrize(
    ("why", "answer_format", "reference", "prediction", "expected"),
    [
        (
            "all leaves of the object count",
            STRUCTURED,
            '{"query": "q", "tool_name": "t", "arguments": {"a": 1}}',
            '{"query": "q", "tool_name": "t", "arguments": {"a": 2}}',
            (2, 1, 1),
        ),
        (
            "an invalid output misses everything and adds nothing wrong",
            STRUCTURED,
            '{"a": 1, "b": 2}',
            "no JSON",
            (0, 0, 2),
        ),
        ("a fence is invalid", STRUCTURED, '{"a": 1}', '```json\n{"a": 1}\n```', (0, 0, 1)),
        ("a list around the object shifts every path", STRUCTURED, '{"a": 1, "b": 2}', '[{"a": 1, "b": 2}]', (0, 2, 2)),
        ("1 and 1.0 are two leaves", STRUCTURED, '{"a": 1}', '{"a": 1.0}', (0, 1, 1)),
        ("a dotted key is a path", STRUCTURED, '{"a.b": 1}', '{"a": {"b": 1}}', (1, 0, 0)),
        ("an empty object has no leaf", STRUCTURED, '{"a": {}}', '{"a": []}', (0, 0, 0)),
        ("a bare value is one leaf", STRUCTURED, "1", "1", (1, 0, 0)),
        (
            "arguments alone, whatever the function is called",
            TOOLCALL,
            named('{"a": 1}'),
            '<tool_call name="g">{"a": 1}</tool_call>',
            (1, 0, 0),
        ),
        (
            "blanks around the body are allowed",
            TOOLCALL,
            named('{"a": 1}'),
            "  " + named(' {"a": 1} ') + "\n",
            (1, 0, 0),
        ),
        ("two calls are no valid answer", TOOLCALL, named('{"a": 1}'), named('{"a": 1}') * 2, (0, 0, 1)),
        ("prose is no valid answer", TOOLCALL, named('{"a": 1}'), "Sure: " + named('{"a": 1}'), (0, 0, 1)),
        (
            "an attribute is no valid answer",
            TOOLCALL,
            named('{"a": 1}'),
            '<tool_call name="f" arguments={"a": 1} />',
            (0, 0, 1),
        ),
        (
            "a reference in Python repr is read, not dropped",
            STRUCTURED,
            "{'a': True, 'b': None}",
            '{"a": true}',
            (1, 0, 1),
        ),
        ("so is one in a fence", STRUCTURED, '```json\n{"a": 1}\n```', '{"a": 1}', (1, 0, 0)),
        ("a tag in Python repr is read too", TOOLCALL, named("{'a': 1, 'b': 2}"), "no call", (0, 0, 2)),
        (
            "the calls of a reference with several are compared at their places",
            TOOLCALL,
            named('{"a": 1}') + named('{"a": 2}'),
            named('{"a": 1}') + named('{"a": 3}'),
            (1, 1, 1),
        ),
        ("one call of two is half of the fields", TOOLCALL, named('{"a": 1}') * 2, named('{"a": 1}'), (1, 0, 1)),
        ("a reference in words holds no field", TOOLCALL, "Which city?", named('{"a": 1}'), (0, 0, 0)),
    ],
)
def test_the_published_convention_by_hand(why, answer_format, reference, prediction, expected):
    assert counts(answer_format, reference, prediction) == expected, why


def test_the_published_figures_are_micro_averages_with_rates_over_all_rows():
    found = published_figures(
        TOOLCALL, [(named('{"a": 1, "b": 2}'), named('{"a": 1, "b": 3}')), (named('{"c": 1}'), "")]
    )
    assert (found["field_precision"], found["field_recall"]) == (0.5, pytest.approx(1 / 3))
    assert (found["valid_rate"], found["name_match_rate"], found["exact_match_rate"]) == (0.5, 0.5, 0.0)


def test_references_that_had_to_be_repaired_and_those_in_words_are_counted():
    found = published_figures(
        TOOLCALL, [(named("{'a': 1}"), named('{"a": 1}')), ("Where?", "Where?"), (named('{"a": 1}'), named('{"a": 1}'))]
    )
    assert (found["rows"], found["references_repaired"], found["references_without_call"]) == (3, 1, 1)
    assert found["field_f1"] == 1.0


def test_no_results_were_published_in_other_formats():
    with pytest.raises(ValueError, match="hermes"):
        published_figures(HERMES, [])


def fits(parameters: dict, **arguments) -> bool | None:
    return calls_fit_schemas((ToolCall(name="f", arguments=arguments),), (ToolSpec(name="f", parameters=parameters),))


def test_a_broken_schema_says_nothing_about_a_call():
    assert fits({"type": "object", "properties": {"a": {"type": "string", "minLength": "x"}}}, a="y") is None
    assert calls_fit_schemas((ToolCall(name="f"),), ()) is None


def test_a_value_may_fit_any_of_several_schemas():
    either = {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}
    assert fits(either, a=None) is True and fits(either, a=1) is False


def test_types_that_json_schema_does_not_know_are_mapped_and_patterns_are_never_run():
    assert fits({"type": "dict", "properties": {"a": {"type": "float"}}}, a="x") is False
    assert fits({"type": "object", "properties": {"a": {"type": "any"}}}, a="x") is True
    hangs = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert fits(hangs, a="a" * 60 + "!") is True


def test_a_remote_reference_is_not_fetched_and_one_in_circles_harms_nothing():
    assert fits({"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}}, a=1) is None
    assert fits({"$ref": "#"}, a=1) is True


@pytest.mark.parametrize(
    ("value", "refers"),
    [*((value, True) for value in (
        "$functions.search.result", "$search.id", "{{search.output}}", "${search}", "<search.result>", "search_result",
        "{{ search.items }}", "the result of search", "<result of call 1>", "$0.id", "$call_1", "#E1",
        "$functions.search(q='x').result", "${functions.search.response}",
    )), *((value, False) for value in (
        "$functions.lookup.result", "$1.50", "#E1E1E1", "search results", "research_result", "$searching", "result",
        "the search", "$5",
    ))],
)  # fmt: skip
def test_a_call_that_refers_to_an_earlier_result_makes_the_order_count(value, refers):
    search, book = (
        ToolCall(name="search", arguments={"q": "x"}),
        ToolCall(name="book", arguments={"id": [{"of": value}]}),
    )
    assert uses_earlier_result((search, book)) == refers
    assert not uses_earlier_result((book, search))


def real_rows(name: str) -> list[dict]:
    folder = Path(os.environ.get("SWAP_REAL_DATA_DIR", "")) / "hermes"
    if "SWAP_REAL_DATA_DIR" not in os.environ or not folder.is_dir():
        pytest.skip("SWAP_REAL_DATA_DIR names no folder with hermes in it")
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").split("\n") if line.strip()]


@pytest.mark.parametrize("revision", ["revision_2024", "current_shape"])
def test_gold_of_every_real_row_is_read_and_perfect_against_itself(revision: str):
    rows = real_rows(f"func_calling_singleturn.{revision}.jsonl")
    compliant = 0
    for row in rows:
        answer = row["conversations"][2]["value"]
        gold = HERMES.reference_calls(HERMES.read(answer))
        assert gold, row["id"]
        case = EvalCase(
            id=row["id"], conversation_id=row["id"], turn=0, tools=(), history=(), gold_calls=gold, origin="real"
        )
        score = score_answer(case, HERMES.read(answer))
        assert score.exact_match == score.field_f1 == score.name_match == 1.0
        compliant += score.format_compliant == 1.0
    calls = [row for row in rows if "extraction" not in row["conversations"][0]["value"][:80]]
    assert compliant == (0 if revision == "revision_2024" else len(calls))


def test_five_seconds_of_fuzz_find_no_exception():
    assert fuzz(5.0, seed=7) == 0
