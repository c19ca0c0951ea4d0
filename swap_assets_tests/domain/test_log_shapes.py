"""Rows as services, proxies and data sets write them: read whole, or set aside with the name of what nobody reads."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swap_assets.domain.model import Conversation
from swap_assets.domain.reading.parsing import parse_row
from swap_assets_tests.domain.data_rows import refused

FUNCTION = {"name": "brew", "description": "Brews tea.", "parameters": {
    "type": "object", "required": ["leaf"],
    "properties": {"leaf": {"type": "string"}, "cups": {"type": "integer"}}}}  # fmt: skip
TOOLS = [{"type": "function", "function": FUNCTION}]
ASKED = [{"role": "system", "content": "You run a tea house."}, {"role": "user", "content": "A green one."}]
ARGUMENTS = {"leaf": "green", "cups": 1}


def message(arguments=ARGUMENTS):
    return {"role": "assistant", "content": None, "tool_calls": [
        {"id": "k1", "type": "function", "function": {"name": "brew", "arguments": json.dumps(arguments)}},
    ]}  # fmt: skip


def completion(arguments=ARGUMENTS):
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message(arguments)}]}


REQUEST = {"model": "big", "messages": ASKED, "tools": TOOLS}
SYSTEM, PLAIN = ASKED[0]["content"], ASKED[1]["content"]
WRITERS = {
    "chat": lambda a: REQUEST | {"messages": [*ASKED, message(a)]},
    "chat twice": lambda a: REQUEST | {"messages": [*ASKED, message(a)], "response": completion(a)},
    "answer as text": lambda a: REQUEST | {"response": json.dumps(completion(a))},
    "batch response": lambda a: REQUEST | {"response": {"status_code": 200, "body": completion(a)}},
    "helicone": lambda a: {"request_body": REQUEST, "response_body": completion(a)},
    "litellm": lambda a: {"messages": {}, "proxy_server_request": REQUEST, "response": completion(a)},
    "langfuse": lambda a: {"type": "GENERATION", "input": REQUEST, "output": message(a)},
    "langfuse as text": lambda a: {"input": json.dumps(REQUEST), "output": json.dumps(message(a))},
    "responses": lambda a: {
        "object": "response", "instructions": SYSTEM, "tools": [{"type": "function", **FUNCTION}], "input": PLAIN,
        "output": [{"type": "reasoning", "summary": []},
                   {"type": "function_call", "call_id": "k1", "name": "brew", "arguments": json.dumps(a)}]},
    "anthropic": lambda a: {
        "system": SYSTEM, "tools": [{"name": "brew", "input_schema": FUNCTION["parameters"]}],
        "messages": [ASKED[1], {"role": "assistant", "content": [
            {"type": "tool_use", "id": "k1", "name": "brew", "input": a}]}]},
    "spans": lambda a: {"attributes": {
        "gen_ai.system_instructions": [{"type": "text", "text": SYSTEM}], "gen_ai.tool.definitions": json.dumps(TOOLS),
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": PLAIN}]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [
            {"type": "tool_call", "id": "k1", "name": "brew", "arguments": a}]}])}},
    "system column": lambda a: {"system": SYSTEM, "tools": json.dumps(TOOLS), "conversations": [
        {"from": "human", "value": PLAIN},
        {"from": "function_call", "value": json.dumps({"name": "brew", "arguments": a})}]},
}  # fmt: skip
VALUES = st.recursive(st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
                      lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
                      max_leaves=5)  # fmt: skip
OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8")), VALUES, max_size=4)


def read(row) -> Conversation:
    result = parse_row(row, source="test")
    assert isinstance(result, Conversation), result
    return result


@pytest.mark.parametrize("shape", WRITERS)
@settings(max_examples=25, deadline=None)
@given(arguments=OBJECTS)
def test_every_shape_gives_back_what_was_written(shape, arguments):
    row = read(json.loads(json.dumps(WRITERS[shape](arguments))))
    assert row.system == SYSTEM
    assert [tool.name for tool in row.tools] == ["brew"]
    assert row.tools[0].parameters == FUNCTION["parameters"]
    assert [turn.role for turn in row.turns] == ["user", "assistant"]
    assert row.turns[0].text == PLAIN
    assert [call.arguments for call in row.turns[1].calls] == [arguments]


@pytest.mark.parametrize("shape", WRITERS)
@pytest.mark.parametrize("value", [{"tools": TOOLS}, {"deep": {"messages": ASKED}}, [message()], json.dumps(REQUEST)])
def test_a_key_that_nobody_reads_and_that_holds_an_agents_words_is_named(shape, value):
    result = refused(WRITERS[shape](ARGUMENTS) | {"extra_body": value})
    assert (result.reason, "`extra_body`" in result.detail) == ("unread_key", True)


def test_two_keys_of_tools_are_not_read_as_one():
    assert "`functions`" in refused(WRITERS["chat"](ARGUMENTS) | {"functions": [FUNCTION]}).detail


def test_an_answer_beside_that_differs_from_the_last_message_is_refused():
    row = WRITERS["chat"](ARGUMENTS) | {"response": completion({"leaf": "black"})}
    assert "another answer" in refused(row).detail


def test_a_turn_of_weight_0_and_a_greeting_are_context_only():
    wrong = message({"leaf": "mud"}) | {"weight": 0}
    hello = {"role": "assistant", "content": "Welcome!"}
    row = read(REQUEST | {"messages": [ASKED[0], hello, ASKED[1], wrong, {"role": "tool", "content": "no"}, message()]})
    assert row.assistant_turns() == [4]
    assert [turn.context_only for turn in row.turns] == [True, False, True, False, False]


def test_a_refusal_is_an_answer_in_words_and_a_built_in_tool_is_left_out_and_counted():
    refusal = {"role": "assistant", "content": None, "refusal": "Not that."}
    row = read({"messages": [*ASKED, refusal], "tools": [*TOOLS, {"type": "web_search"}]})
    assert (row.turns[-1].text, len(row.tools), row.repairs) == ("Not that.", 1, ("tool_left_out",))


def test_nulls_that_a_table_filled_in_are_dropped_and_those_of_a_text_are_kept():
    call = {"id": "k", "function": {"name": "brew", "arguments": {"leaf": "green", "cups": None, "of_another": None}}}
    row = read(REQUEST | {"messages": [*ASKED, {"role": "assistant", "tool_calls": [call]}]})
    assert row.turns[-1].calls[0].arguments == {"leaf": "green"}
    assert row.repairs == ("padding_dropped",)
    kept = {"leaf": "green", "cups": None}
    assert read(WRITERS["chat"](kept)).turns[-1].calls[0].arguments == kept


@pytest.mark.parametrize("text", [
    '<tool_call>\n{"name": "brew", "arguments": {"leaf": "green", "cups": 1}}\n</tool_call>',
    "<think>A <tool_call> to brew.</think>\n"
    '<tool_call>{"name": "brew", "arguments": {"leaf": "green", "cups": 1}}</tool_call>',
    '[brew(leaf="green", cups=1)]',
])  # fmt: skip
def test_a_call_left_in_the_content_is_read(text):
    row = read(REQUEST | {"messages": [*ASKED, {"role": "assistant", "content": text, "tool_calls": []}]})
    assert [call.arguments for call in row.turns[-1].calls] == [ARGUMENTS]


def test_a_call_left_in_the_content_that_cannot_be_read_sets_the_row_aside():
    answer = {"role": "assistant", "content": '[TOOL_CALLS][{"name": "brew"'}
    assert refused(REQUEST | {"messages": [*ASKED, answer]}).reason == "call_unreadable"


def test_xlam_and_toolace_rows_are_read():
    table = [{"name": "brew", "parameters": {"leaf": {"type": "str"}, "cups": {"type": "int, optional"}}}]
    row = read(
        {"query": PLAIN, "tools": json.dumps(table), "answers": json.dumps([{"name": "brew", "arguments": ARGUMENTS}])}
    )
    assert row.tools[0].parameters["required"] == ["leaf"]
    assert row.turns[-1].calls[0].arguments == ARGUMENTS
    listed = [{"name": "Brew Tea", "description": "", "parameters": {"type": "dict", "properties": {}}}]
    turns = [{"from": "user", "value": PLAIN}, {"from": "assistant", "value": '[Brew Tea(leaf="green")]'}]
    row = read({"system": f"You pour.\n{json.dumps(listed)}", "conversations": turns})
    assert (row.system, row.tools[0].parameters["type"]) == ("You pour.", "object")
    assert row.turns[-1].calls[0].name == "Brew Tea"
