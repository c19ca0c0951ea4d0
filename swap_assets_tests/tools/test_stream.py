"""The pre-training stream: seeded, foreign to the demo, held out by entity, and with every symbol the demo needs."""

import json
import re
from collections import Counter
from random import Random

import pytest

from swap_assets.domain.model import content_hash
from swap_assets.domain.synthetic.tools import ALL_TOOLS
from tools.miniatures.formats import Parameter, Tool, draw_format, list_tools
from tools.miniatures.stages import SECOND_STAGE, THIRD_STAGE
from tools.miniatures.stream import PretrainingRow, pretraining_row, pretraining_rows
from tools.miniatures.values import Vocabulary, is_held_out

ROWS = 3000
STAGES = (0, SECOND_STAGE, THIRD_STAGE)


@pytest.fixture(scope="module")
def rows() -> list[PretrainingRow]:
    return list(pretraining_rows(7, SECOND_STAGE, SECOND_STAGE + ROWS))


def answers(rows: list[PretrainingRow]) -> list[str]:
    return [message["content"] for row in rows for message in row.messages if message["role"] == "assistant"]


def test_a_row_depends_on_seed_and_index_alone() -> None:
    assert pretraining_row(7, 41) == list(pretraining_rows(7, 40, 45))[1]
    assert pretraining_row(7, 41) != pretraining_row(8, 41)


def test_the_stream_has_not_moved_since_the_miniatures_were_made() -> None:
    seen = [
        pretraining_row(2718, index)
        for index in (*range(0, 40_000, 200), *range(SECOND_STAGE, SECOND_STAGE + 40_000, 200))
    ]
    assert content_hash([[row.kind, list(row.messages)] for row in seen]) == "5ef0502016e356e4"


def test_the_third_stage_has_not_moved_since_the_miniatures_were_made() -> None:
    seen = [pretraining_row(2718, index) for index in range(THIRD_STAGE, THIRD_STAGE + 14_000, 70)]
    assert content_hash([[row.kind, list(row.messages)] for row in seen]) == "8f30fbb22c9080a3"


def test_rows_of_the_third_stage_are_short_and_mostly_answer_in_json() -> None:
    third = [row for row in pretraining_rows(7, THIRD_STAGE, THIRD_STAGE + ROWS) if row.kind != "drill"]
    second = [row for row in pretraining_rows(7, SECOND_STAGE, SECOND_STAGE + ROWS) if row.kind != "drill"]

    def length(rows: list[PretrainingRow]) -> float:
        return sum(len(message["content"]) for row in rows for message in row.messages) / len(rows)

    called = [row.messages[-1]["content"] for row in third if row.kind == "single"]
    assert length(third) < 0.85 * length(second)
    assert sum('"' in text and ("{" in text or "[" in text) for text in called) > 0.75 * len(called)


def test_in_typed_drills_what_is_all_digits_is_a_number() -> None:
    drills = [row for row in pretraining_rows(7, THIRD_STAGE, THIRD_STAGE + ROWS) if row.kind == "drill"]
    assert len(drills) > 400
    assert not [row for row in drills if re.search(r'"\d+"', row.messages[-1]["content"])]


def test_no_held_out_word_is_ever_drawn_for_training() -> None:
    training, held_out = (Vocabulary(Random(3), held_out=side) for side in (False, True))
    for kind in ("word", "day", "code", "noise"):
        assert not any(is_held_out(getattr(training, kind)()) for _ in range(300))
        assert all(is_held_out(getattr(held_out, kind)()) for _ in range(300))
    numbers = [str(training.whole()) for _ in range(2000)]
    assert not any(is_held_out(number) for number in numbers if len(number) > 3)


def test_every_symbol_of_the_demos_formats_is_a_training_target(rows: list[PretrainingRow]) -> None:
    counts = Counter("".join(answers(rows)))
    assert all(counts[symbol] > 50 for symbol in '{}[]":,<>/_=\n')


def test_formats_of_the_demo_never_occur(rows: list[PretrainingRow]) -> None:
    text = "\n".join(message["content"] for row in rows for message in row.messages)
    assert not [tool.name for tool in ALL_TOOLS if re.search(rf"\b{tool.name}\b", text)]
    for foreign in ("tool_call", "tool_name", '"arguments"', '"name"', "tool_response", "get_weather"):
        assert foreign not in text


def test_a_fifth_are_drills_and_a_share_answers_in_words(rows: list[PretrainingRow]) -> None:
    shares = {kind: count / ROWS for kind, count in Counter(row.kind for row in rows).items()}
    assert 0.17 < shares["drill"] < 0.23
    assert 0.04 < shares["nothing_fits"] + shares["asks_back"] < 0.10
    dialogues = ("tool_turn", "told", "corrected", "chained", "closed")
    assert all(shares[kind] > 0.02 for kind in dialogues)
    assert 0.18 < sum(shares[kind] for kind in dialogues) < 0.30
    assert shares["several"] > 0.12


def test_a_stream_begins_with_many_drills() -> None:
    kinds = Counter(row.kind for row in pretraining_rows(7, 0, 1000))
    assert 0.75 < kinds["drill"] / 1000 < 0.85


def test_a_corrected_call_names_the_same_tool_and_mostly_another_value(rows: list[PretrainingRow]) -> None:
    pairs = [
        [each["content"] for each in row.messages if each["role"] == "assistant" and each["content"] != "So it is."]
        for row in rows
        if row.kind == "corrected"
    ]
    changed = [first != again for first, again in pairs]
    assert sum(changed) / len(changed) > 0.8
    assert all(set(re.findall("[a-z]+", first)) & set(re.findall("[a-z]+", again)) for first, again in pairs)


def test_the_value_of_a_chained_call_comes_from_the_tool_alone(rows: list[PretrainingRow]) -> None:
    chained = [row for row in rows if row.kind == "chained"]
    results = [json.loads(next(each["content"] for each in row.messages if each["role"] == "tool")) for row in chained]
    for row, result in zip(chained, results, strict=True):
        value = list(result.values())[1]
        if isinstance(value, str) and len(value) > 8:
            assert value not in row.messages[1]["content"]
            assert value in row.messages[-1]["content"]


def test_conversations_begin_with_the_tools_and_end_with_the_assistant(rows: list[PretrainingRow]) -> None:
    for row in rows:
        roles = [message["role"] for message in row.messages]
        assert roles[0] == ("user" if row.kind == "drill" else "system")
        assert roles[-1] == "assistant"
        assert all(message["content"] for message in row.messages)


def test_string_values_of_an_answer_stand_in_the_conversation() -> None:
    for row in pretraining_rows(11, SECOND_STAGE, SECOND_STAGE + 600):
        if row.kind != "single":
            continue
        said = row.messages[1]["content"]
        for value in re.findall(r'"([A-Za-z]+@[a-z.]+)"', row.messages[-1]["content"]):
            assert value in said


def test_json_formats_write_json_that_reads_back() -> None:
    arguments = {"owner": 'Dru"sa', "tally": 4, "urgent": True, "tags": ["a", "b"]}
    seen = set()
    for seed in range(200):
        answer_format = draw_format(Random(seed))
        text = answer_format.write([("mend_barrel", arguments)])
        seen.add(answer_format.name)
        if answer_format.name.startswith("json"):
            assert arguments["owner"] in json.dumps(json.loads(text), ensure_ascii=False).replace('\\"', '"')
    assert len(seen) >= 11


def test_no_listing_reads_like_the_demos_compact_signature() -> None:
    tool = Tool("mend_barrel", "mend the barrel", (Parameter("owner", "person"), Parameter("tally", "whole")))
    listings = {list_tools(Random(seed), [tool]) for seed in range(100)}
    assert len(listings) > 10
    assert "mend_barrel(owner: string, tally: integer)" not in listings
