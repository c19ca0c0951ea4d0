"""The native format: chat messages with calls and tools for a template, answers in the families' own syntaxes."""

import json

import pytest

from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.native import NATIVE
from swap_assets.domain.formats.prompts import PROBE, render_messages, tool_schema
from swap_assets.domain.model import ToolCall, ToolResponse, Turn

HERMES_CALL = '<tool_call>\n{"name": "%s", "arguments": %s}\n</tool_call>'
LLAMA_CALL = '{"name": "%s", "parameters": %s}'
CALLS = (
    ToolCall(name="weather", arguments={"city": 'Þórshöfn "x"', "days": [1, 2.5, None], "at": {"zip": "02139"}}),
    ToolCall(name="now"),
)


def test_tools_calls_and_responses_are_messages_of_their_own_with_one_id():
    told = render_messages(*PROBE, answer_format=NATIVE, style=PromptStyle.HERMES, system="Today is Monday.")
    assert told[0] == {"role": "system", "content": "Today is Monday.", "tools": [tool_schema(PROBE[0][0])]}
    assert [message["role"] for message in told[1:]] == ["user", "assistant", "tool", "assistant"]
    first, second = told[2]["tool_calls"]
    assert first["function"] == {"name": "f", "arguments": {"a": "x", "b": [1]}}
    assert first["id"] == told[3]["tool_call_id"] != second["id"] and len(first["id"]) == 9
    assert json.loads(told[3]["content"]) == {"k": "é"} and "tool_calls" not in told[4]


def test_a_text_is_told_as_it_is_and_more_responses_than_calls_are_all_told():
    turns = (Turn(role="user"), Turn(role="tool", responses=(ToolResponse(content="a"), ToolResponse(content="b"))))
    assert [message["content"] for message in NATIVE.own_messages("", (), turns) or ()] == ["", "", "a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            f'<tool_call>\n{{"name": "{c.name}", "arguments": {json.dumps(c.arguments)}}}\n</tool_call>' for c in CALLS
        ),
        "; ".join(f'{{"name": "{c.name}", "parameters": {json.dumps(c.arguments)}}}' for c in CALLS),
    ],
    ids=["hermes", "llama 3"],
)
def test_calls_in_a_familys_own_syntax_are_read_to_the_letter(text: str):
    read = NATIVE.read(text)
    assert read.compliant and [call.key() for call in read.strict_calls] == [call.key() for call in CALLS]


FENCED = '```tool_code\nprint(weather(city="Oslo"))\n```'
OWN = {
    "python tag, JSON": '<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}',
    "python tag, code": '<|python_tag|>weather.call(city="Oslo")',
    "Phi-4-mini": '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}]<|/tool_call|>',
    "Mistral": '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}, "id": "call00000"}]',
    "Mistral since v11": '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
    "Mistral with an id": '[TOOL_CALLS]weather[CALL_ID]call00000[ARGS]{"city": "Oslo"}',
    "Gemma 3, code": FENCED, "Gemma 3, list": '[weather(city="Oslo")]',
    "gpt-oss by its template": ' to=functions.weather<|channel|>commentary json<|message|>{"city": "Oslo"}<|call|>',
    "gpt-oss": '<|channel|>analysis<|message|>Hm, 1 < 2.<|end|><|start|>assistant<|channel|>commentary '
               'to=functions.weather <|constrain|>json<|message|>{"city": "Oslo"}',
    "DeepSeek V3": '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n'
                   '{"city": "Oslo"}\n```<｜tool▁call▁end｜>',
    "DeepSeek V3.1": '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Oslo"}'
                     '<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_each_familys_own_syntax_is_read_to_the_letter_and_cut_it_is_a_call_that_was_begun(name: str):
    read = NATIVE.read(OWN[name])
    assert read.compliant and [(one.name, one.arguments) for one in read.calls] == [("weather", {"city": "Oslo"})]
    cut = NATIVE.read(OWN[name].partition("Oslo")[0])
    assert not cut.compliant and (cut.unread or cut.calls)


def test_what_gpt_oss_says_is_without_its_channel():
    read = NATIVE.read(
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>"
    )
    assert read.compliant and read.text == "Hello."


@pytest.mark.parametrize(
    "text",
    ['{"name": "now", "parameters": {}} Done.',
     '{"name": "now", "parameters": {}};', '{"name": "now", "arguments": {}}',
     '{"name": "now", "parameters": {}}\n{"name": "now", "parameters": {}}', '{"name": "now", "parameters": []}',
     'Sure: {"name": "now", "parameters": {}}'],
)  # fmt: skip
def test_what_is_in_no_familys_syntax_is_not_compliant(text: str):
    read = NATIVE.read(text)
    assert not read.compliant and (read.calls or read.unread)


def test_words_are_words():
    read = NATIVE.read("Which city do you mean?")
    assert read.compliant and read.calls == ()
