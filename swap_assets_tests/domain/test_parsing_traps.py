"""One test for each trap of the Hermes format; each fails when the handling of its trap is taken out."""

import json

import pytest

from swap_assets.domain.model import ToolCall
from swap_assets.domain.reading.parsing import parse_row
from swap_assets.domain.reading.row_reading import QuarantineReason
from swap_assets.domain.splits.capabilities import has_repaired_gold
from swap_assets_tests.domain.data_rows import (
    CALL_SYSTEM,
    EXTRACTION_SYSTEM,
    EXTRACTOR,
    LIGHT_CALL,
    TOOL,
    call_text,
    extraction_row,
    hermes_row,
    nested,
    parsed,
    refused,
)


def test_trap_older_revision_writes_python_literals_and_has_no_tools_column():
    row = hermes_row("", system=CALL_SYSTEM.format(tools=repr([TOOL])))
    del row["tools"]
    arguments = {"room": 'it\'s "hall"', "on": True, "scene": None}
    row["conversations"][2]["value"] = (
        f"<tool_call>\n{{'arguments': {arguments!r}, 'name': 'set_light'}}\n</tool_call>\n"
    )
    conversation = parsed(row)
    assert conversation.turns[1].calls == (ToolCall(name="set_light", arguments=arguments),)
    assert conversation.tools[0].parameters == TOOL["function"]["parameters"]
    assert conversation.repairs == ()


def test_trap_both_revisions_of_a_row_are_one_conversation():
    current = hermes_row(call_text(LIGHT_CALL))
    older = hermes_row(f"<tool_call>\n{LIGHT_CALL!r}\n</tool_call>\n", system=CALL_SYSTEM.format(tools=repr([TOOL])))
    del older["tools"]
    assert parsed(older).id == parsed(current).id


@pytest.mark.parametrize("column", ["[]", "null", None, ""])
def test_trap_tools_column_is_empty_or_null_while_the_system_text_has_the_tools(column):
    row = hermes_row(call_text(LIGHT_CALL)) | {"tools": column}
    assert [tool.name for tool in parsed(row).tools] == ["set_light"]


def test_trap_rows_without_tools_keep_their_system_text_and_offer_nothing():
    row = hermes_row("Hello!", system="You are a helpful assistant.") | {"tools": "null"}
    conversation = parsed(row)
    assert conversation.tools == ()
    assert conversation.system == "You are a helpful assistant."


def test_trap_the_words_tools_tags_come_before_the_real_block():
    row = hermes_row(call_text(LIGHT_CALL))
    del row["tools"]
    assert [tool.name for tool in parsed(row).tools] == ["set_light"]


def test_trap_the_system_text_holds_an_example_tool_call():
    conversation = parsed(hermes_row("Which room do you mean?"))
    assert conversation.turns[1].calls == ()
    assert len(conversation.turns) == 2


def test_trap_extraction_answers_have_literal_newlines_a_nested_name_and_the_wrong_argument():
    conversation = parsed(extraction_row())
    expected = {"open_questions": ["Why do cats sleep?", "What's a cat?"]}
    assert conversation.turns[1].calls == (ToolCall(name="QAExtractor", arguments=expected),)
    assert set(conversation.repairs) == {"literal_newlines", "name_lifted", "argument_renamed"}
    assert has_repaired_gold(conversation)


def test_trap_an_argument_called_name_is_not_lifted_when_the_call_has_its_own_name():
    call = {"name": "set_light", "arguments": {"name": "hall"}}
    assert parsed(hermes_row(call_text(call))).turns[1].calls[0].arguments == {"name": "hall"}


def test_trap_the_tool_list_is_split_around_the_tag():
    before, after = json.dumps(EXTRACTOR).split('"parameters": ')
    before = before.replace("Extracts", "Extracts\r\n") + '"parameters": '
    system = EXTRACTION_SYSTEM.format(before=before, tools=f"[{after}]")
    conversation = parsed(extraction_row(tools_column="[]", system=system))
    assert conversation.tools[0].name == "QAExtractor"
    assert conversation.tools[0].description == "Extracts\r\n questions."
    assert conversation.tools[0].parameters == EXTRACTOR["function"]["parameters"]
    assert "tools_split_around_tag" in conversation.repairs


def test_trap_one_function_is_called_several_times_and_two_calls_are_identical():
    conversation = parsed(hermes_row(call_text(LIGHT_CALL) * 2 + call_text({**LIGHT_CALL, "arguments": {"room": "x"}})))
    assert [call.arguments["room"] for call in conversation.turns[1].calls] == ["hall", "hall", "x"]


def test_trap_calls_that_fail_their_own_schema_are_kept_as_they_are():
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"mode": {"enum": [None]}}}}
    call = {"name": "f", "arguments": {"mode": None, "ref": "$functions.g.result"}}
    assert parsed(hermes_row(call_text(call), tools=[tool])).turns[1].calls[0].arguments == call["arguments"]


def test_trap_tool_turns_hold_tagged_responses_that_are_json_python_or_plain_text():
    row = hermes_row(call_text(LIGHT_CALL))
    bodies = ['{"name": "set_light", "content": {"ok": true}}', "{'name': 'set_light', 'content': None}", "it broke"]
    text = "\n".join(f"<tool_response>\n{body}\n</tool_response>" for body in bodies)
    row["conversations"] += [{"from": "tool", "value": text}, {"from": "gpt", "value": "Done."}]
    conversation = parsed(row)
    assert [response.content for response in conversation.turns[2].responses] == [{"ok": True}, None, "\nit broke\n"]
    assert conversation.repairs == ("response_kept_as_text",)
    assert not has_repaired_gold(conversation)


def test_trap_json_mode_rows_have_a_schema_column_and_answer_with_an_object():
    schema = {"title": "Film", "type": "object", "properties": {"year": {"type": "integer"}}}
    system = f"You answer in JSON. Here's the json schema:\n<schema>\n{schema!r}\n</schema>\n"
    row = hermes_row('{"year": 2014}', system=system) | {"schema": json.dumps(schema), "__index_level_0__": 7}
    del row["tools"]
    conversation = parsed(row)
    assert conversation.turns[1].calls == (ToolCall(name="Film", arguments={"year": 2014}),)
    assert conversation.tools[0].parameters == schema
    del row["schema"]
    assert parsed(row).id == conversation.id


def test_trap_rows_say_conversations_and_singleturn_is_one_request_and_one_answer():
    assert [turn.role for turn in parsed(hermes_row(call_text(LIGHT_CALL))).turns] == ["user", "assistant"]


def test_trap_arguments_keep_their_exact_types():
    arguments = {"zip": "02139", "flag": "true", "day": "2024-05-01", "n": 3, "x": 3.0, "gone": None}
    read = parsed(hermes_row(call_text({"name": "set_light", "arguments": arguments}))).turns[1].calls[0].arguments
    assert json.dumps(read) == json.dumps(arguments)


def test_trap_a_closing_tag_inside_an_argument_does_not_cut_the_call_short():
    call = {"name": "set_light", "arguments": {"room": "</tool_call>", "on": True}}
    assert parsed(hermes_row(call_text(call))).turns[1].calls[0].arguments == call["arguments"]


def test_trap_glaive_rows_of_the_hub_have_a_prompt_of_their_own_and_prose_before_calls():
    tools = json.dumps([TOOL])
    system = (
        "You are a function calling AI model. You are provided with function signatures within <tools></tools> XML "
        f"tags.Here are the available tools:<tools>\n{tools}\n</tools>Use the following pydantic model json schema: "
        "{'title': 'FunctionCall'}For each function call return a json object as follows:\n<tool_call>\n{tool_call}\n"
        "</tool_call>"
    )
    answer = f"Sure, one moment.\n<tool_call>\n{LIGHT_CALL!r}\n</tool_call>"
    row = hermes_row(answer, system=system) | {"tools": "null"}
    row["conversations"].append({"from": "tool", "value": '<tool_response>\n{"status": "on"}\n</tool_response>'})
    conversation = parsed(row)
    assert conversation.turns[1].text == "Sure, one moment."
    assert conversation.turns[1].calls == (ToolCall.model_validate(LIGHT_CALL),)
    assert conversation.turns[2].responses[0].content == {"status": "on"}


def test_trap_glaive_rows_have_function_calls_and_observations_as_turns_of_their_own():
    turns = [
        {"from": "human", "value": "Area of a square of 7?"},
        {"from": "gpt", "value": "Let me see."},
        {"from": "function_call", "value": '{"name": "area", "arguments": "{\\"side\\": 7}"}'},
        {"from": "observation", "value": '{"area": 49}'},
        {"from": "gpt", "value": "It is 49."},
    ]
    conversation = parsed({"conversations": turns, "tools": '[{"name": "area", "parameters": {}}]'})
    assert [turn.role for turn in conversation.turns] == ["user", "assistant", "tool", "assistant"]
    assert conversation.turns[1].text == "Let me see."
    assert conversation.turns[1].calls == (ToolCall(name="area", arguments={"side": 7}),)
    assert conversation.turns[2].responses[0].content == {"area": 49}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1], QuarantineReason.NOT_AN_OBJECT),
        ({"text": "hello"}, QuarantineReason.UNKNOWN_SHAPE),
        ({"conversations": None}, QuarantineReason.TURN_UNREADABLE),
        ({"conversations": [{"from": "human"}]}, QuarantineReason.TURN_UNREADABLE),
        ({"conversations": [{"from": "robot", "value": ""}]}, QuarantineReason.UNKNOWN_ROLE),
        ({"conversations": [{"from": "human", "value": "hi"}]}, QuarantineReason.NO_ASSISTANT_TURN),
        ({"conversations": [{"from": "gpt", "value": "hi"}]}, QuarantineReason.NO_REQUEST),
        (hermes_row(""), QuarantineReason.EMPTY_ANSWER),
        (hermes_row("<tool_call>\n{oops}\n</tool_call>"), QuarantineReason.CALL_UNREADABLE),
        (hermes_row("<tool_call>\n{}"), QuarantineReason.CALL_UNREADABLE),
        (hermes_row(call_text({"arguments": {}})), QuarantineReason.CALL_UNREADABLE),
        (hermes_row(call_text({"name": "set_light", "arguments": [1]})), QuarantineReason.CALL_UNREADABLE),
        (hermes_row(call_text({"name": "other", "arguments": {}})), QuarantineReason.CALL_TO_UNOFFERED_TOOL),
        (hermes_row("hi", tools=[{"description": "nameless"}]), QuarantineReason.TOOLS_UNREADABLE),
        (hermes_row("[1]") | {"schema": '{"type": "array"}'}, QuarantineReason.ANSWER_NOT_AN_OBJECT),
        (hermes_row(call_text({"name": "set_light", "arguments": nested(150)})), QuarantineReason.NESTED_TOO_DEEP),
        (hermes_row(call_text({"name": "set_light", "arguments": nested(700)})), QuarantineReason.NESTED_TOO_DEEP),
        ({"conversations": [], "tools": [nested(5000)]}, QuarantineReason.TOOLS_UNREADABLE),
        ({"messages": [], "tools": [{"name": "f", "parameters": nested(5000)}]}, QuarantineReason.NESTED_TOO_DEEP),
        (hermes_row("half an emoji \ud83d"), QuarantineReason.BROKEN_UNICODE),
        (hermes_row("hi", tools=[{"name": "half \ud83d"}]), QuarantineReason.BROKEN_UNICODE),
        (hermes_row("<tool_call>" + "[" * 100_000 + "</tool_call>"), QuarantineReason.CALL_UNREADABLE),
    ],
)
def test_a_row_that_cannot_be_read_comes_back_with_its_reason_and_never_as_an_exception(row, reason):
    result = refused(row)
    assert result.reason == reason
    assert result.detail
    assert result.raw.encode().decode() == result.raw


def test_trap_repeated_rows_have_ids_of_their_own_and_are_set_aside():
    from swap_assets.domain.reading.parsing import set_duplicates_aside

    rows = [parse_row(hermes_row(call_text(LIGHT_CALL), id=str(index)), source="s", index=index) for index in range(3)]
    kept, repeats = set_duplicates_aside(rows)  # type: ignore[arg-type]
    assert [row.provenance.row for row in kept] == [0]
    assert [row.row for row in repeats] == [1, 2]
    assert all("row 0" in row.detail for row in repeats)
