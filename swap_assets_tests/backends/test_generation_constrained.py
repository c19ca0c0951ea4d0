"""Constrained decoding: whatever a model would rather say, its calls fit the schemas of the tools on offer."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines import generate
from swap_assets.backends.engines.constrained import ConstraintError, Grammars
from swap_assets.backends.engines.generation import read_rows, write_rows
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import GenerateResult, GenerateSpec, Weights
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.json_schema import JSON_SCHEMA
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec, Turn
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.schemas import calls_fit_schemas

pytestmark = pytest.mark.slow

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 6}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
}
MODE = {"type": "dict", "properties": {"mode": {"type": "str", "enum": ["eco", "fast"]}}, "required": ["mode"]}
HOSTILE_NAMES = (
    'a"b',
    "back\\slash",
    "line\nbreak",
    "</tool_call>",
    "größe",
    "a/b",
    "%json {}",
    "x\u2028y",
    "{}",
    "a'b",
)
ODD = {
    "a word for a type": {"type": "object", "properties": {"x": {"type": "any"}}, "required": ["x"]},
    "required without properties": {"type": "object", "required": ["q"]},
    "nothing at all": {},
    "a null among types": {"type": ["object", "null"], "properties": {"x": {"type": "float"}}, "required": ["x"]},
    "a pattern that looks ahead": {"type": "object", "properties": {"x": {"type": "string", "pattern": "(?=a)"}}},
    "closed branches": {
        "allOf": [{"properties": {"x": {"type": "integer"}}}, {"properties": {"y": {"type": "integer"}}}]
    },
}
UNUSABLE = {
    "not an object": {"type": "string"},
    "not": {"type": "object", "properties": {"a": {"not": {"type": "string"}}}},
    "a reference to nowhere": {"type": "object", "properties": {"a": {"$ref": "#/x"}}},
    "what nothing satisfies": {
        "type": "object", "properties": {"a": {"type": "number", "minimum": 5, "maximum": 1}}, "required": ["a"],
    },
    "properties that are a list": {"type": "object", "properties": ["a"]},
}  # fmt: skip
FORMATS = (HERMES, FLEDGLING_TOOLCALL, FLEDGLING_STRUCTURED)


def case(number: int, *tools: ToolSpec) -> EvalCase:
    return EvalCase(
        id=f"c{number}", conversation_id=f"c{number}", turn=1, tools=tools, gold_calls=(), gold_text="no",
        origin="synthetic",
        history=(Turn(role="user", text=f"question {number} " + "x" * number),),
    )  # fmt: skip


def tool(name: str, parameters: dict[str, Any]) -> ToolSpec:
    return ToolSpec(name=name, parameters=parameters)


def answered(tiny: Weights, folder: Path, cases: list[EvalCase], answer_format: AnswerFormat, **changes: Any):
    write_rows(folder / "cases.jsonl", cases)
    fields = {
        "candidate_id": "tiny--s--paper--constrained--adapter", "weights": tiny,
        "cases_files": [folder / "cases.jsonl"], "answer_format": answer_format, "prompt_style": PromptStyle.COMPACT,
        "max_new_tokens": 300, "constrained": True,
        "output": folder / f"{answer_format.name}.jsonl",
    }  # fmt: skip
    spec = GenerateSpec.model_validate({**fields, **changes})
    result = generate(spec, reporter=Reporter(write=lambda _: None))
    return result, read_rows(spec.output, PredictionRecord)


def whole_calls(text: str, answer_format: AnswerFormat) -> str:
    """Return an answer that the limit has cut without its last, unfinished call; "" where none was finished."""
    last = "}}" if answer_format.track is Track.STRUCTURED else "</tool_call>"
    kept = text[: text.rfind(last) + len(last)] if last in text else ""
    return f"{kept}]" if kept and answer_format.track is Track.STRUCTURED else kept


def assert_to_the_letter(cases: list[EvalCase], records: list[PredictionRecord], answer_format: AnswerFormat) -> None:
    """Hold every answer to its answer format and the schemas."""
    for asked, record in zip(cases, records, strict=True):
        text = record.text if record.finish_reason == "stop" else whole_calls(record.text, answer_format)
        if not text:
            continue
        read = answer_format.read(text)
        assert read.compliant, record.text
        assert not read.calls or calls_fit_schemas(read.strict_calls, asked.tools), record.text


@pytest.mark.parametrize("answer_format", FORMATS)
def test_a_model_that_knows_nothing_answers_to_the_letter(
    tiny: Weights, tmp_path: Path, answer_format: AnswerFormat
) -> None:
    cases = [case(n, tool("weather", CITY), tool("drive", MODE)) for n in range(12)]
    _, free = answered(tiny, tmp_path, cases, answer_format, constrained=False, output=tmp_path / "free.jsonl")
    assert (
        not all(answer_format.read(record.text).compliant for record in free) or answer_format.track is Track.TOOLCALL
    )
    result, records = answered(tiny, tmp_path, cases, answer_format)
    assert isinstance(result, GenerateResult) and (result.loose_tools, result.given_up) == (0, 0)
    assert_to_the_letter(cases, records, answer_format)
    assert [record.text for record in records] != [record.text for record in free]


def tokens_of(text: str, tokenizer: Any) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def allows(grammars: Grammars, asked: EvalCase, text: str, tokenizer: Any) -> bool:
    """Whether a whole text, and its end, can be said token by token."""
    import torch

    follower = grammars.start(grammars.of(asked), [tokenizer.eos_token_id])()
    for token in tokens_of(text, tokenizer):
        if follower.allow(torch.zeros(len(tokenizer)))[token] != 0:
            return False
        follower.take(token)
    return bool(follower.allow(torch.zeros(len(tokenizer) + 5))[tokenizer.eos_token_id] == 0)


@pytest.mark.parametrize("answer_format", FORMATS)
@pytest.mark.parametrize("name", ["weather", *HOSTILE_NAMES])
def test_calls_as_they_are_rendered_can_be_said_whatever_the_tool_is_called(
    tokenizer: Any, answer_format: AnswerFormat, name: str
) -> None:
    asked, grammars = case(1, tool(name, CITY), tool("drive", MODE)), Grammars(tokenizer, answer_format)
    good = ToolCall(name=name, arguments={"city": 'Łó"dź', "days": 3})
    other = ToolCall(name="drive", arguments={"mode": "eco"})
    for calls in ((good,), (good, other), (other, good, good)):
        assert allows(grammars, asked, answer_format.write(calls), tokenizer)
    for bad in ({"city": "Oslo"}, {"city": "Oslo", "days": 10}, {"city": "Oslo", "days": 3, "more": 1}):
        call = ToolCall(name=name, arguments=bad)
        assert not allows(grammars, asked, answer_format.write((call,)), tokenizer)
    assert not allows(grammars, asked, answer_format.write((ToolCall(name="other"),)), tokenizer)
    assert not allows(grammars, asked, answer_format.write((good,))[:-3], tokenizer)


@pytest.mark.parametrize("answer_format", FORMATS)
def test_calls_said_at_random_fit_the_schemas(tokenizer: Any, answer_format: AnswerFormat) -> None:
    import torch

    grammars, asked = Grammars(tokenizer, answer_format), case(1, tool("weather", CITY), tool("drive", MODE))
    begun, named = answer_format.write((ToolCall(name="weather"),)).split("weather")[0], set()
    for seed in range(12):
        follower = grammars.start(grammars.of(asked), [tokenizer.eos_token_id])()
        draw, said = torch.Generator().manual_seed(seed), tokens_of(begun, tokenizer)
        for token in said:
            follower.take(token)
        while (token := int(follower.allow(torch.rand(len(tokenizer), generator=draw)).argmax())) != 2 and len(
            said
        ) < 900:
            said.append(token)
            follower.take(token)
        read = answer_format.read(whole_calls(tokenizer.decode(said), answer_format))
        assert read.compliant and calls_fit_schemas(read.strict_calls, asked.tools)
        named |= {call.name for call in read.strict_calls}
    assert named == {"weather", "drive"}


@pytest.mark.parametrize("answer_format", [HERMES, FLEDGLING_TOOLCALL])
def test_words_are_possible_and_never_half_a_call(tokenizer: Any, answer_format: AnswerFormat) -> None:
    grammars, asked = Grammars(tokenizer, answer_format), case(1, tool("weather", CITY))
    for words in ("It is 5 < 6 in Łódź.\nBye", "Which city? [Oslo]", "name: x", "<b>bold</b>", case(1).gold_text):
        assert allows(grammars, asked, words, tokenizer) and answer_format.read(words).compliant
        assert allows(grammars, case(2), words, tokenizer)
    for marked in ("", " \n", "<tool_call>", "</tool_call>", "[tool_call]", 'a "name" : 1', '{"tool": "f"}', "a <to"):
        assert not allows(grammars, asked, marked, tokenizer)


def test_the_structured_format_may_say_that_nothing_is_to_be_called(tokenizer: Any) -> None:
    grammars = Grammars(tokenizer, FLEDGLING_STRUCTURED)
    for asked in (case(1), case(1, tool("weather", CITY))):
        assert allows(grammars, asked, "[]", tokenizer)
        assert not allows(grammars, asked, "no", tokenizer)


def test_the_json_format_takes_the_arguments_of_any_tool_on_offer(tokenizer: Any) -> None:
    grammars, asked = Grammars(tokenizer, JSON_SCHEMA), case(1, tool("weather", CITY), tool("drive", MODE))
    assert allows(grammars, asked, '{"city": "Oslo", "days": 3}', tokenizer)
    assert allows(grammars, asked, '{"mode": "eco"}', tokenizer)
    assert not allows(grammars, asked, '{"mode": "slow"}', tokenizer)
    assert allows(grammars, case(2), '{"anything": [1]}', tokenizer)


@pytest.mark.parametrize("name", ODD)
def test_odd_schemas_are_still_constrained(tokenizer: Any, name: str) -> None:
    grammars = Grammars(tokenizer, HERMES)
    grammars.of(case(1, tool("f", ODD[name])))
    assert grammars.loose_tools == 0


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_schema_that_cannot_be_compiled_allows_any_object_and_is_counted(tokenizer: Any, name: str) -> None:
    grammars, asked = Grammars(tokenizer, HERMES), case(1, tool("f", UNUSABLE[name]), tool("drive", MODE))
    assert allows(grammars, asked, HERMES.write((ToolCall(name="f", arguments={"q": [1]}),)), tokenizer)
    slow = ToolCall(name="drive", arguments={"mode": "slow"})
    assert not allows(grammars, asked, HERMES.write((slow,)), tokenizer)
    assert grammars.loose_tools == 2  # one tool, asked about twice


def test_the_result_shows_how_many_tools_are_loose(tiny: Weights, tmp_path: Path) -> None:
    cases = [case(n, tool("f", UNUSABLE["not"]), tool("drive", MODE)) for n in range(3)]
    result, records = answered(tiny, tmp_path, cases, FLEDGLING_STRUCTURED, max_new_tokens=40)
    assert (result.loose_tools, len(records)) == (3, 3)


def test_a_row_that_outgrows_the_grammar_goes_on_and_is_counted(tokenizer: Any) -> None:
    import torch

    grammars = Grammars(tokenizer, HERMES)
    follower = grammars.start(grammars.of(case(1, tool("drive", MODE))), [tokenizer.eos_token_id])()
    for token in tokens_of("<tool_call>!", tokenizer):  # what no row is allowed to say brings llguidance to its end
        follower.take(token)
    logits = torch.zeros(len(tokenizer))
    assert follower.allow(logits) is logits and follower.allow(logits) is logits
    assert grammars.given_up == 1


def test_another_tool_of_the_same_prompt_is_another_request(tiny: Weights, tmp_path: Path) -> None:
    answer_format = FLEDGLING_STRUCTURED
    first, _ = answered(tiny, tmp_path, [case(1, tool("drive", MODE))], answer_format)
    again, _ = answered(tiny, tmp_path, [case(1, tool("drive", MODE))], answer_format)
    free, _ = answered(tiny, tmp_path, [case(1, tool("drive", MODE))], answer_format, constrained=False)
    closed = {**MODE, "additionalProperties": True}
    other, _ = answered(tiny, tmp_path, [case(1, tool("drive", closed))], answer_format)
    assert [item.asked for item in (first, again, free, other)] == [1, 0, 1, 1]


def test_without_the_package_one_sentence_says_what_to_install(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance.hf", None)
    with pytest.raises(ConstraintError, match=re.escape("pip install 'swap-assets[constrained]'")):
        Grammars(tokenizer, HERMES)
