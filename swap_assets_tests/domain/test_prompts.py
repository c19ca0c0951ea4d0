"""The one renderer: what each style says, and a hash that moves when the prompt does."""

import json

import pytest

from swap_assets.domain.formats.base import PromptStyle, Track, answer_formats, named_format
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.native import NATIVE
from swap_assets.domain.formats.native_interface import native_prompt_hash
from swap_assets.domain.formats.prompts import prompt_hash, render_messages, signature
from swap_assets.domain.model import ToolCall, ToolResponse, ToolSpec, Turn

TOOL = ToolSpec(
    name="book_table",
    description="Book a table.",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "guests": {"type": "integer"},
            "room": {"type": "string", "enum": ["inside", "garden"]},
            "dishes": {"type": "array", "items": {"type": "string"}},
            "at": {"type": "object", "properties": {"day": {"type": "string"}}},
        },
        "required": ["city", "guests"],
    },
)


def test_a_signature_marks_what_is_optional_and_lists_choices():
    assert signature(TOOL) == (
        "book_table(city: string, guests: integer, room?: inside|garden, dishes?: string[], at?: {day: string})"
    )


def test_a_tool_without_a_schema_still_has_a_signature():
    assert signature(ToolSpec(name="now")) == "now()"
    assert signature(ToolSpec(name="f", parameters={"properties": {"x": True}})) == "f(x?: any)"


def _system(answer_format, style):
    return render_messages((TOOL,), (), answer_format=answer_format, style=style)[0]["content"]


def test_the_hermes_style_holds_the_schema_as_json_between_tools_tags():
    text = _system(HERMES, PromptStyle.HERMES)
    body = text.split("<tools>\n")[1].split("\n</tools>")[0]
    assert json.loads(body)[0]["function"]["parameters"] == TOOL.parameters


def test_calls_and_responses_of_the_history_are_written_in_the_format():
    history = (
        Turn(role="user", text="A table in Rome for 2"),
        Turn(role="assistant", calls=(ToolCall(name="book_table", arguments={"city": "Rome", "guests": 2}),)),
        Turn(role="tool", responses=(ToolResponse(name="book_table", content={"ok": True}),)),
    )
    messages = render_messages((TOOL,), history, answer_format=HERMES, style=PromptStyle.COMPACT)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert '{"name": "book_table", "arguments": {"city": "Rome", "guests": 2}}' in messages[2]["content"]
    assert messages[3]["content"].startswith("<tool_response>")


@pytest.mark.parametrize("style", PromptStyle)
@pytest.mark.parametrize("answer_format", [one for one in answer_formats().values() if one is not NATIVE])
def test_every_style_says_how_to_answer_in_every_format(style, answer_format):
    assert len({_system(other, style) for other in answer_formats().values()}) == len(answer_formats())
    assert _system(answer_format, style)


def test_the_hash_moves_with_format_style_and_template_and_with_nothing_else():
    hashes = {prompt_hash(answer_format, style) for answer_format in answer_formats().values() for style in PromptStyle}
    # A native prompt has one style, its template's.
    assert len(hashes) == (len(answer_formats()) - 1) * len(PromptStyle) + 1
    assert prompt_hash(HERMES, PromptStyle.HERMES) == prompt_hash(HERMES, PromptStyle.HERMES)
    assert prompt_hash(HERMES, PromptStyle.HERMES, chat_template="a") not in hashes


PROMPTS = {
    ("hermes", "hermes"): "6644cc79dc0ee9ae", ("hermes", "compact"): "472fe550c1269325",
    ("fledgling-toolcall", "hermes"): "7d5896d03b9ec3bb", ("fledgling-toolcall", "compact"): "4647be1c0353209b",
    ("fledgling-structured", "hermes"): "b9c6e92ec79912da", ("fledgling-structured", "compact"): "78ab7496b9cb70a1",
    ("openai", "hermes"): "0043b58e93a6d614", ("openai", "compact"): "a20544177b4c7003",
    ("native", "hermes"): "423a1c29f614dc03", ("native", "compact"): "423a1c29f614dc03",
    ("json-schema", "hermes"): "356ac1d6e7123fac", ("json-schema", "compact"): "11208613d78eb8f8",
}  # fmt: skip


def test_prompts_are_what_adapters_were_trained_on():
    hashes = {
        (name, style.value): prompt_hash(named_format(name), style)
        for name in answer_formats()
        for style in PromptStyle
    }
    assert hashes == PROMPTS
    native = [native_prompt_hash(track, style) for track in Track for style in PromptStyle]
    assert native == ["161bb426e85f954f", "161bb426e85f954f", "9f5fa6bf145ad668", "4f6fd338d29ddd1e"]
