import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.data import write_row
from swap_assets.domain.model import Conversation, Quarantined, ToolCall
from swap_assets.domain.reading.bfcl_rows import json_schema
from swap_assets.domain.reading.parsing import parse_row
from swap_assets_tests.domain.data_rows import TOOL, conversations, json_values, parsed, refused


@settings(max_examples=150, deadline=None)
@given(conversations())
def test_parsing_a_written_row_gives_the_conversation_back(conversation):
    again = parse_row(json.loads(json.dumps(write_row(conversation))), source="test")
    assert isinstance(again, Conversation), again
    assert again.turns == conversation.turns
    assert again.tools == conversation.tools
    assert again.id == conversation.id
    assert again.repairs == ()


@settings(max_examples=150, deadline=None)
@given(json_values)
def test_any_row_is_kept_or_quarantined_and_never_raises(value):
    for row in (value, {"conversations": value}, {"messages": value}, {"question": value, "function": value}):
        assert isinstance(parse_row(row, source="test"), Conversation | Quarantined)


@settings(max_examples=100, deadline=None)
@given(st.text(), json_values)
def test_any_answer_is_kept_or_quarantined_and_never_raises(text, tools):
    turns = [{"from": "human", "value": "x"}, {"from": "gpt", "value": f"<tool_call>{text}</tool_call>"}]
    assert isinstance(parse_row({"conversations": turns, "tools": tools}, source="test"), Conversation | Quarantined)


def _log(*messages: dict, **columns):
    return {"messages": [{"role": "user", "content": "Light on."}, *messages], "tools": [TOOL], **columns}


def _tool_call(arguments: str, identity: str = "c1"):
    return {"id": identity, "type": "function", "function": {"name": "set_light", "arguments": arguments}}


def test_an_openai_log_gives_calls_in_order_and_names_the_tool_responses():
    calls = [_tool_call('{"room": "hall"}', "c1"), _tool_call('{"room": "02139"}', "c2")]
    row = _log(
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": '{"ok": true}'},
        {"role": "tool", "tool_call_id": "c2", "content": "2139"},
        {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
    )
    conversation = parsed(row)
    assert [call.arguments["room"] for call in conversation.turns[1].calls] == ["hall", "02139"]
    assert [response.name for response in conversation.turns[2].responses] == ["set_light", "set_light"]
    assert [response.content for response in conversation.turns[2].responses] == [{"ok": True}, "2139"]
    assert conversation.turns[3].text == "Done."


def test_an_openai_log_keeps_its_system_prompt_and_reads_the_completion_beside_the_request():
    answer = {"role": "assistant", "tool_calls": [_tool_call('{"room": "hall"}')]}
    request = _log() | {"model": "gpt"}
    request["messages"].insert(0, {"role": "developer", "content": "Today is Monday."})
    conversation = parsed({"request": request, "response": {"choices": [{"message": answer}]}})
    assert conversation.system == "Today is Monday."
    assert conversation.turns[1].calls == (ToolCall(name="set_light", arguments={"room": "hall"}),)


def test_an_openai_log_of_the_old_kind_has_functions_and_a_function_call():
    row = _log({"role": "assistant", "function_call": {"name": "set_light", "arguments": "{}"}})
    row["functions"] = [row.pop("tools")[0]["function"]]
    assert parsed(row).turns[1].calls == (ToolCall(name="set_light"),)


def test_an_openai_log_with_an_image_or_a_strange_role_is_quarantined():
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {}}]}
    assert refused(_log(image)).reason == "turn_unreadable"
    assert refused(_log({"role": "robot", "content": ""})).reason == "unknown_role"
    assert refused(_log({"role": "assistant", "tool_calls": [_tool_call("{oops")]})).reason == "call_unreadable"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("dict", "object"), ("HashMap", "object"), ("float", "number"), ("tuple", "array"), ("String", "string")],
)
def test_trap_bfcl_types_are_not_json_schema(theirs, ours):
    schema = {"type": "dict", "properties": {"a": {"type": "array", "items": {"type": theirs}}}}
    assert json_schema(schema)["properties"]["a"]["items"] == {"type": ours}
    assert json_schema({"type": "any", "description": "d"}) == {"description": "d"}


@pytest.mark.parametrize(
    ("accepted", "read"),
    [
        (
            [[{"city": ["Oslo", "oslo"], "zip": ["", "0150"]}, {"city": ["Bergen"]}]],
            [{"city": "Oslo"}, {"city": "Bergen"}],
        ),
        ([{"at": [{"city": ["Oslo"]}], "days": [[1, 2]]}], {"at": {"city": "Oslo"}, "days": [1, 2]}),
        ([["Oslo", 3]], ["Oslo", 3]),
    ],
)
def test_the_accepted_values_inside_objects_and_lists_of_them_are_read_too(accepted, read):
    row = {
        "id": "simple_python_0",
        "question": [[{"role": "user", "content": "Book it"}]],
        "function": [{"name": "book", "parameters": {"type": "dict", "properties": {"stops": {"type": "any"}}}}],
        "ground_truth": [{"book": {"stops": accepted}}],
    }
    assert parsed(row).turns[-1].calls[0].arguments == {"stops": read}


def test_a_bfcl_row_gets_json_schema_types_and_the_first_accepted_values():
    parameters = {"type": "dict", "properties": {"a": {"type": "float"}, "b": {"type": "any"}, "c": {"type": "tuple"}}}
    row = {
        "id": "simple_0",
        "question": [[{"role": "user", "content": "go"}]],
        "function": [{"name": "m.f", "parameters": parameters}],
        "ground_truth": [{"m.f": {"a": [1.5, 2], "b": ["", "x"], "c": [{"d": ["y"]}]}}],
    }
    conversation = parsed(row)
    assert conversation.tools[0].parameters == {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {}, "c": {"type": "array"}},
    }
    assert conversation.turns[1].calls == (ToolCall(name="m.f", arguments={"a": 1.5, "c": {"d": "y"}}),)
    assert refused({key: value for key, value in row.items() if key != "ground_truth"}).reason == "no_assistant_turn"
    irrelevant = {key: value for key, value in row.items() if key != "ground_truth"} | {"id": "irrelevance_3"}
    assert parsed(irrelevant).turns[1].calls == ()
