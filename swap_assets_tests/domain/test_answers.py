"""Reading answers: the law between rendering and reading, and what the tolerant reader accepts and refuses."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swap_assets.domain.formats.base import AnswerFormat, answer_formats
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.json_schema import JSON_SCHEMA
from swap_assets.domain.formats.literals import MAX_DEPTH, LiteralError, read_strict, read_tolerant
from swap_assets.domain.formats.openai import OPENAI
from swap_assets.domain.model import ToolCall
from swap_assets.domain.scoring.fields import fields_of

settings.register_profile("unhurried", deadline=None)  # the first call imports scipy
settings.load_profile("unhurried")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
names = texts.filter(lambda text: text.strip() != "")
calls = st.builds(ToolCall, name=names, arguments=st.dictionaries(texts, values, max_size=4))
many_calls = st.lists(calls, min_size=1, max_size=4).map(tuple)


@given(st.sampled_from(sorted(answer_formats().values(), key=str)), many_calls)
def test_what_a_format_writes_it_reads_back_to_the_letter(answer_format: AnswerFormat, written: tuple[ToolCall, ...]):
    expected = written[:1] if answer_format is JSON_SCHEMA else written
    parsed = answer_format.read(answer_format.write(written), function=written[0].name)
    assert parsed.compliant
    assert [call.key() for call in parsed.strict_calls] == [call.key() for call in expected]
    assert parsed.calls == parsed.strict_calls


@given(values)
def test_python_repr_of_any_json_value_reads_as_that_value(value):
    read = read_tolerant(repr(value)).value
    assert fields_of(ToolCall(name="f", arguments={"a": read})) == fields_of(ToolCall(name="f", arguments={"a": value}))


@given(values)
def test_json_of_any_value_reads_as_that_value_with_its_exact_types(value):
    assert json.dumps(read_strict(json.dumps(value)).value) == json.dumps(value)


@given(st.text(max_size=60), st.sampled_from(sorted(answer_formats().values(), key=str)))
def test_no_text_makes_the_reader_raise(text: str, answer_format: AnswerFormat):
    answer_format.read(text, function="f")


@given(many_calls, st.integers(min_value=0, max_value=400))
def test_of_a_cut_answer_nothing_is_read_that_the_whole_one_does_not_say(written: tuple[ToolCall, ...], kept: int):
    whole = HERMES.write(written)
    read = HERMES.read(whole[:kept]).calls
    assert len(read) <= len(written)
    for call, said in zip(read, written, strict=False):
        assert call.name == said.name
        assert fields_of(call).leaves.items() <= fields_of(said).leaves.items()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': True, 'b': None}", {"a": True, "b": None}),
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2, ]", [1, 2]),
        ("{a: 'x'}", {"a": "x"}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        (r'{"a": "it\'s"}', {"a": "it's"}),
        (r"{'a': '\x41\u00e9'}", {"a": "Aé"}),
        ('{"a": {"b": ["x"</tool_call>', {"a": {"b": ["x"]}}),
        ('{"a": {"b": ["x"', {"a": {"b": ["x"]}}),
        ("(1, 2)", [1, 2]),
        (r'{"a": "\ud83d\ude00"}', {"a": "😀"}),
        (r'{"a": "\ud83d"}', {"a": "�"}),
        ("{}", {}),
        ('{"a": .5, "b": 1., "c": +3}', {"a": 0.5, "b": 1.0, "c": 3}),
    ],
)
def test_near_json_is_read_as_what_it_means(text, value):
    assert read_tolerant(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a"',
        '{"a":',
        '{"a": 1',
        '{"a": "x',
        '{"a": 1,',
        "[1, 2",
        '{"a": 007}',
        "{'it's': 1}",
        "hi",
    ],
)
def test_what_cannot_be_read_without_guessing_is_refused(text: str):
    with pytest.raises(LiteralError):
        read_tolerant(text)


def test_deep_nesting_is_refused_by_both_readers_at_the_same_depth():
    fits, too_deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH, "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    assert read_strict(fits).value is not None
    assert read_tolerant(fits.replace("]", ",]", 1).replace("[,", "[1,")).value is not None
    for reader in (read_strict, read_tolerant):
        with pytest.raises(LiteralError, match="nested deeper"):
            reader(too_deep)


ADVERSARIAL = {
    "ten megabytes of letters": "a" * 10_000_000,
    "ten megabytes of braces": "{" * 10_000_000,
    "a megabyte of open lists": "[" * 900_000,
    "a hundred thousand levels in a tag": "<tool_call>" + '{"a":' * 100_000,
    "a hundred thousand tags": "<tool_call>" * 100_000,
    "a hundred thousand attributes": "<tool_call " + "a=1 " * 100_000,
    "half a megabyte of backslashes": '<tool_call name="' + "\\" * 500_000,
    "quotes without end": '{"a": "' * 50_000,
    "a million escapes": '<tool_call>{"name": "f", "arguments": {"a": "' + "\\u0041" * 100_000,
    "an integer of a million digits": '<tool_call>{"name": "f", "arguments": {"n": ' + "9" * 900_000 + "}}</tool_call>",
    "numbers without end": "[" + "1," * 400_000,
    "fences": "```" * 200_000,
    "tags without end": "<tool_call>" * 80_000,
    "a long list behind many brackets": "[" * 60 + "1," * 150_000 + "x",
    "ten megabytes of whole calls": '<tool_call>{"name": "f", "arguments": {}}</tool_call>' * 200_000,
}


@pytest.mark.parametrize("why", ADVERSARIAL)
def test_no_adversarial_answer_takes_longer_than_seconds(why: str):
    started = time.process_time()
    for answer_format in (HERMES, FLEDGLING_STRUCTURED):
        answer_format.read(ADVERSARIAL[why])
    assert time.process_time() - started < 8.0


def test_a_lone_surrogate_is_replaced_since_no_file_can_hold_it():
    parsed = HERMES.read('<tool_call>{"name": "f", "arguments": {"a": "\\ud800"}}</tool_call>\ud800')
    assert parsed.model_dump_json().encode("utf-8")
    assert parsed.calls[0].arguments == {"a": "�"}


def test_gold_is_read_leniently_and_an_unreadable_one_is_refused_and_never_taken_as_empty():
    assert HERMES.reference_calls(HERMES.read("<tool_call>{'name': 'f', 'arguments': {'a': None}}</tool_call>"))
    assert HERMES.reference_calls(HERMES.read("Just words.")) == ()
    with pytest.raises(ValueError, match="cannot be read"):
        HERMES.reference_calls(HERMES.read("<tool_call>{'name': 'f', 'argum</tool_call>"))
    with pytest.raises(ValueError, match="cannot be read"):
        FLEDGLING_STRUCTURED.reference_calls(FLEDGLING_STRUCTURED.read("Just words."))


def test_json_schema_gives_the_call_the_name_that_the_context_asked_for():
    parsed = JSON_SCHEMA.read('{"city": "Oslo"}', function="weather")
    assert parsed.calls == (ToolCall(name="weather", arguments={"city": "Oslo"}),)


def test_a_whole_call_where_only_arguments_were_asked_for_is_unwrapped():
    parsed = JSON_SCHEMA.read('It is {"name": "weather", "arguments": {"a": 1}}', function="weather")
    assert parsed.calls[0].arguments == {"a": 1}
    assert not parsed.compliant


def test_a_whole_chat_message_is_its_tool_calls_or_its_words():
    function = {"name": "f", "arguments": '{"a": 1}'}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": function}],
    }
    parsed = OPENAI.read(json.dumps(message))
    assert parsed.compliant and parsed.calls == (ToolCall(name="f", arguments={"a": 1}),)
    words = OPENAI.read(json.dumps({"role": "assistant", "content": "Which city?", "tool_calls": None}))
    assert words.compliant and words.calls == () and words.text == "Which city?"
