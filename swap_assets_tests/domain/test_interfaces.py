"""Asking natively: names and schemas as services take them, answers read back, and the choice of an interface."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from swap_assets.domain.formats.base import Interface, PromptStyle, Track
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.native_interface import (
    NotStrictError,
    calls_text,
    listed_calls,
    native_question,
    own_name,
    strict_schema,
    wire_names,
    without_added_nulls,
)
from swap_assets.domain.formats.openai import OPENAI
from swap_assets.domain.judging.interface_choice import InterfaceScore, choose
from swap_assets.domain.model import EvalCase, ToolCall, ToolResponse, ToolSpec, Turn

BOOK = ToolSpec(
    name="tables.book now",
    description="d" * 2000,
    parameters={
        "type": "dict",
        "properties": {
            "city": {"type": "string", "pattern": "^[A-Z]"},
            "guests": {"type": "integer", "minimum": 1, "default": 2},
            "where": {"type": "object", "properties": {"floor": {"type": "int"}, "smoking": {"type": "boolean"}}},
        },
        "required": ["city"],
    },
)


def case(*history: Turn, tools: tuple[ToolSpec, ...] = (BOOK,)) -> EvalCase:
    turns = history or (Turn(role="user", text="a table in Oslo"),)
    return EvalCase(
        id="1", conversation_id="1", turn=len(turns), tools=tools, history=turns, gold_calls=(), origin="synthetic"
    )


def ask(track: Track, asked: EvalCase, *, strict: bool = True) -> dict[str, Any]:
    return native_question(asked, track, style=PromptStyle.HERMES, strict=strict)


@given(st.lists(st.text(min_size=1, max_size=90), max_size=8))
def test_names_go_out_as_services_take_them_and_come_back_as_they_were(names: list[str]) -> None:
    sent = wire_names(names)
    assert len(set(sent.values())) == len(set(names))
    for name, wire in sent.items():
        assert 1 <= len(wire) <= 64 and all(sign.isascii() and (sign.isalnum() or sign in "_-") for sign in wire)
        assert own_name(wire, sent) == name


def test_a_name_that_may_be_sent_stays_whatever_else_is_there() -> None:
    assert wire_names(["a.b", "a_b"]) == {"a_b": "a_b", "a.b": "a_b_2"}
    assert own_name("invented", {"a.b": "a_b"}) == "invented"


def test_tools_go_out_with_names_types_and_descriptions_that_a_service_takes() -> None:
    (tool,) = ask(Track.TOOLCALL, case())["tools"]
    assert tool["function"]["name"] == "tables_book_now"
    assert len(tool["function"]["description"]) == 1024
    assert tool["function"]["parameters"]["type"] == "object"
    Draft202012Validator.check_schema(tool["function"]["parameters"])
    assert "tools" not in ask(Track.TOOLCALL, case(tools=()))


def test_every_call_of_the_history_has_exactly_one_response() -> None:
    calls = tuple(ToolCall(name="tables.book now", arguments={"city": city}) for city in ("Oslo", "Riga"))
    messages = ask(
        Track.TOOLCALL,
        case(
            Turn(role="user", text="two tables"),
            Turn(role="assistant", calls=calls),
            Turn(role="tool", responses=(ToolResponse(name="tables.book now", content={"ok": True}),)),
            Turn(role="user", text="and now?"),
        ),
    )["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "tool", "user"]
    sent = [call["id"] for call in messages[2]["tool_calls"]]
    assert [message["tool_call_id"] for message in messages[3:5]] == sent
    assert messages[3]["content"] == '{"ok": true}'
    assert messages[2]["tool_calls"][0]["function"]["name"] == "tables_book_now"


def test_a_response_to_no_call_is_told_by_the_user() -> None:
    history = (Turn(role="user", text="x"), Turn(role="tool", responses=(ToolResponse(name="f", content="y"),)))
    assert ask(Track.TOOLCALL, case(*history))["messages"][-1] == {"role": "user", "content": "f: y"}


def test_native_calls_are_compliant_in_the_openai_format_under_the_tools_own_names() -> None:
    text = calls_text(case(), [("tables_book_now", '{"city": "Oslo"}')])
    parsed = OPENAI.read(text)
    assert parsed.compliant and parsed.calls == (ToolCall(name="tables.book now", arguments={"city": "Oslo"}),)
    broken = OPENAI.read(calls_text(case(), [("f", '{"city": ')]))
    assert not broken.compliant and (broken.unread or not broken.calls or broken.calls[0].arguments == {})


def test_the_structured_answer_loses_its_wrapper_and_the_nulls_that_strict_mode_added() -> None:
    call = {"tool_name": "tables.book now", "arguments": {"city": "Oslo", "guests": None, "where": {"floor": None}}}
    text = listed_calls(case(), json.dumps({"calls": [call]}))
    parsed = FLEDGLING_STRUCTURED.read(text)
    assert parsed.compliant
    assert parsed.calls == (ToolCall(name="tables.book now", arguments={"city": "Oslo", "where": {}}),)
    assert listed_calls(case(), '{"calls": []}') == "[]"
    for unlike_a_call in ("no json", '{"calls": "no list"}', "[]"):
        assert listed_calls(case(), unlike_a_call) == unlike_a_call
    assert listed_calls(case(), '{"calls": [1, {"tool_name": "x"}]}') == '[1, {"tool_name": "x"}]'


def test_a_strict_schema_requires_everything_and_closes_every_object() -> None:
    schema = strict_schema(BOOK.parameters)
    assert schema["required"] == ["city", "guests", "where"] and schema["additionalProperties"] is False
    assert schema["properties"]["guests"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    inner = schema["properties"]["where"]["anyOf"][0]
    assert inner["required"] == ["floor", "smoking"] and inner["additionalProperties"] is False
    assert strict_schema({}) == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "object"}, {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
        {}, {"type": "array"}, {"$ref": "#/x"}, {"allOf": [{"type": "string"}]}, {"type": ["object", "string"]},
        {"type": "any"},
    ],
)  # fmt: skip
def test_what_has_no_strict_form_is_asked_with_the_same_schema_but_not_strict(inner: dict[str, Any]) -> None:
    tool = ToolSpec(name="f", parameters={"type": "object", "properties": {"a": inner}})
    with pytest.raises(NotStrictError):
        strict_schema(tool.parameters)
    wanted = ask(Track.STRUCTURED, case(tools=(tool,)))["response_format"]["json_schema"]
    assert wanted["strict"] is False
    Draft202012Validator.check_schema(wanted["schema"])


def test_a_strict_question_takes_exactly_the_answers_of_its_tools() -> None:
    wanted = ask(Track.STRUCTURED, case())["response_format"]["json_schema"]
    fits = Draft202012Validator(wanted["schema"]).is_valid
    arguments = {"city": "Oslo", "guests": None, "where": None}
    assert wanted["strict"] is True
    assert fits({"calls": []}) and fits({"calls": [{"tool_name": "tables.book now", "arguments": arguments}]})
    assert not fits({"calls": [{"tool_name": "other", "arguments": arguments}]})
    assert ask(Track.STRUCTURED, case(), strict=False)["response_format"]["json_schema"]["strict"] is False


def test_a_null_that_the_tool_knows_stays() -> None:
    schema = {"properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}, "c": {"type": "string"}},
              "required": ["c"]}  # fmt: skip
    assert without_added_nulls({"a": None, "b": None, "c": None, "d": None}, schema) == {
        "a": None,
        "c": None,
        "d": None,
    }


def score(interface: Interface, value: float | None) -> InterfaceScore:
    return InterfaceScore(interface=interface, value=value, rows=10, unscored=0)


def test_the_better_interface_counts_and_at_the_same_value_the_first() -> None:
    text, native = Interface.TEXT, Interface.NATIVE
    assert choose([score(text, 0.5), score(native, 0.6)], "field_f1").interface is native
    assert choose([score(text, 0.5), score(native, 0.5)], "field_f1").interface is text
    one = choose([score(text, None), score(native, 0.1)], "field_f1")
    assert one.interface is native and "no answers through text" in one.reason
    with pytest.raises(ValueError, match="no validation row"):
        choose([score(text, None), score(native, None)], "field_f1")
