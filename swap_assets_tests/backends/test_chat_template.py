"""Whatever a chat template lacks is given to it once, and then asking, training and serving agree to the token."""

from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines.transformers import TransformersEngine
from swap_assets.backends.methods.data import IGNORED, MaskError, preview, rendered, tokenise
from swap_assets.backends.models.chat_template import (
    TemplateError,
    end_of_turn,
    fit_tokenizer,
    fitted,
    prompt_tokens,
    render,
    with_tools,
)
from swap_assets.backends.models.local_model import load_tokenizer
from swap_assets.backends.models.native_calls import for_calls, written
from swap_assets.backends.models.provenance import miniature_folder
from swap_assets.backends.processes.specs import Weights
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, answer_formats
from swap_assets.domain.formats.chat_requests import served
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.native import NATIVE
from swap_assets.domain.formats.prompts import KEEP, render_messages, system_told, tool_schema
from swap_assets.domain.model import ToolCall, ToolResponse, ToolSpec, Turn
from swap_assets_tests.backends.test_generation import spec_for
from swap_assets_tests.fakes import CHATML, byte_tokenizer, tiny_model, weather_case, weather_example

TALK = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "a1"},
    {"role": "tool", "content": "r"},
    {"role": "user", "content": "u"},
    {"role": "assistant", "content": "a2"},
]
# Alternation as Gemma and Mistral want it, with no role but the user's and the assistant's.
STRICT = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) or m['role'] not in ['user', "
    "'assistant'] %}{{ raise_exception('roles must alternate') }}{% endif %}{{ '<|im_start|>' + m['role'] + '\n' + "
    "m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SILENT = CHATML.replace("{{ '<|im_start|>'", "{% if m['role'] != 'system' %}{{ '<|im_start|>'", 1).replace(
    "{% endfor %}", "{% endif %}{% endfor %}"
)
# Qwen3's way: the last answer has an empty draft before it, those before it have none.
DRAFT = CHATML.replace("m['content']", "('<d></d>' if m['role'] == 'assistant' and loop.last else '') + m['content']")
MARKED = CHATML.replace(
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}",
    "{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m['role'] == 'assistant' and loop.last %}{% generation %}"
    "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ m['content'] + '<|im_end|>\\n' }}{% endif %}",
)


def shown(template: str, messages: list[dict[str, str]] = TALK) -> list[str]:
    tokenizer = byte_tokenizer(template)
    fit_tokenizer(tokenizer, "x")
    rows, _ = tokenise(tokenizer, [messages], max_length=1000)
    return [preview(tokenizer, row) for row in rows]


def test_a_template_that_lacks_nothing_stays_as_it_is() -> None:
    assert fitted(CHATML, {}, name="x") == (CHATML, ())
    assert fitted(MARKED, {}, name="x") == (MARKED, ())
    assert shown(CHATML)[0].endswith("u<|im_end|>\n<|im_start|>assistant\n⟦a2<|im_end|>⟧\n")


def test_the_package_own_templates_stay_and_their_rows_are_those_of_their_marks() -> None:
    for name in ("student", "pupil", "teacher"):
        tokenizer: Any = load_tokenizer(Weights(source=str(miniature_folder(name)), dtype="float32"))
        own = byte_tokenizer("").from_pretrained(str(miniature_folder(name))).chat_template
        assert tokenizer.chat_template == own
        [row], _ = tokenise(tokenizer, [TALK], max_length=1000)
        fields = tokenizer.apply_chat_template(TALK, return_dict=True, return_assistant_tokens_mask=True)
        assert row.input_ids == fields["input_ids"]
        assert [label != IGNORED for label in row.labels] == [bool(mark) for mark in fields["assistant_masks"]]


@pytest.mark.parametrize("template", [STRICT, SILENT], ids=["strict", "silent"])
def test_what_a_template_lacks_is_told_by_the_user_and_nothing_is_lost(template: str) -> None:
    text, given = fitted(template, {}, name="x")
    told = render(text, {}, TALK)
    assert all(message["content"] in told for message in TALK)
    assert any("system messages as the user's" in each for each in given)
    assert "<|im_start|>user\ns\n\nq<|im_end|>" in told
    assert fitted(text, {}, name="x") == (text, ())


def test_a_strict_template_gets_a_tools_answer_and_the_next_request_as_one_turn() -> None:
    (row,) = shown(STRICT)
    assert "<|im_start|>user\nr\n\nu<|im_end|>" in row
    assert "⟦a1<|im_end|>⟧" in row and "⟦a2<|im_end|>⟧" in row


def test_prompts_do_not_change_overnight() -> None:
    text, given = fitted("{{ strftime_now('%d %b %Y') }}" + CHATML, {}, name="x")
    assert render(text, {}, TALK).startswith("26 Jul 2024<|im_start|>")
    assert given == ("a fixed day in place of the clock",)


def test_a_template_that_rewrites_earlier_answers_gets_a_row_for_each_and_its_draft_is_asked_with() -> None:
    first, second = shown(DRAFT)
    assert first.endswith("<|im_start|>assistant\n<d></d>⟦a1<|im_end|>⟧\n")
    assert second.endswith("<|im_start|>assistant\n<d></d>⟦a2<|im_end|>⟧\n")
    assert "<|im_start|>assistant\na1<|im_end|>" in second
    text, _ = fitted(DRAFT, {}, name="x")
    assert render(text, {}, TALK[:2], ask=True).endswith("<|im_start|>assistant\n<d></d>")


def test_marks_of_a_template_say_which_answers_are_trained() -> None:
    (row,) = shown(MARKED)
    assert "⟦a2<|im_end|>⟧" in row and "⟦a1" not in row


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", "has no chat template"),
        ("{{ raise_exception('never') }}", "does not take the messages: never"),
        ("{% if add_generation_prompt %}?{% endif %}" + CHATML, "writes it another way"),
        (CHATML.replace("m['content']", "(m['content'] if loop.last else '')"), "leaves messages out"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_what_to_do(template: str, said: str) -> None:
    with pytest.raises(TemplateError, match=f"some/model.*{said}|{said}"):
        fitted(template, {}, name="some/model")


def test_a_template_that_writes_a_row_another_way_than_it_asks_is_refused_with_the_row() -> None:
    # Only with a tool's answer on record does the end of the prompt differ from the row.
    odd = CHATML.replace(
        "<|im_start|>assistant\\n' }}{% endif %}",
        "<|im_start|>assistant\\n' + ('?' if messages[-1]['role'] == 'tool' else '') }}{% endif %}",
    )
    with pytest.raises(MaskError, match=r"row 1 cannot be trained: .*turn 4 another way"):
        tokenizer = byte_tokenizer(odd)
        tokenise(tokenizer, [TALK, [*TALK[:4], TALK[5]]], max_length=1000)


def test_an_answer_ends_with_the_last_special_token_of_a_turn_not_with_a_line_break_or_the_end_of_all() -> None:
    closing = CHATML.replace("{% if add_generation_prompt %}", "{% if not add_generation_prompt %}<|pad|>{% endif %}"
                             "{% if add_generation_prompt %}")  # fmt: skip
    for template in (CHATML, closing):
        tokenizer = byte_tokenizer(template)
        assert tokenizer.convert_ids_to_tokens(end_of_turn(tokenizer)) == "<|im_end|>"
    with pytest.raises(TemplateError, match="no special token"):
        end_of_turn(byte_tokenizer(CHATML.replace("<|im_end|>", "").replace("<|im_start|>", "#")))


# Qwen's way with tools, in short.
TOOLS = (
    "{% if tools %}<|im_start|>system\n{% if messages[0].role == 'system' %}{{ messages[0].content + '\n' }}{% endif %}"
    "{{ tools | tojson }}<|im_end|>\n{% endif %}{% for m in messages %}{% if not (tools and m.role == 'system') %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content }}{% for call in m.tool_calls or [] %}"
    '{{ \'<tool_call>\n{"name": "\' + call.function.name + \'", "arguments": \' }}{{ call.function.arguments | '
    "tojson }}{{ '}\n</tool_call>' }}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_native_calls_are_trained_behind_the_very_prompt_that_is_asked(tmp_path: Path) -> None:
    weights = Weights(source=str(tiny_model(tmp_path / "tiny", template=TOOLS)), dtype="float32")
    spec = spec_for(weights, tmp_path, answer_format=NATIVE)
    engine, case, example = TransformersEngine(spec, lambda _: None), weather_case("Oslo"), weather_example("Oslo")
    engine.request_hashes([case])
    [row], _ = tokenise(engine.tokenizer, rendered([example], NATIVE, PromptStyle.COMPACT), max_length=2000)
    prompt = prompt_tokens(engine.tokenizer, engine.prompts[case.id])
    assert row.input_ids[: len(prompt)] == prompt and '"name": "weather"' in engine.prompts[case.id]
    trained = [label for label in row.labels if label != IGNORED]
    said = str(engine.tokenizer.decode(trained, skip_special_tokens=True))
    assert NATIVE.read(said).strict_calls == case.gold_calls


def test_a_template_without_tools_gets_those_of_hermes_for_native_calls() -> None:
    tokenizer = byte_tokenizer(CHATML)
    [row], _ = tokenise(tokenizer, rendered([weather_example("Oslo")], NATIVE, PromptStyle.COMPACT), max_length=2000)
    assert '<tools>\n{"name": "weather"' in preview(tokenizer, row)
    assert '⟦<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>' in preview(tokenizer, row)
    assert for_calls(CHATML, {}).given == ("tool calls as text", "tools in the system message")


ONE_A_TURN = TOOLS.replace(
    "{% for call in", "{% if (m.tool_calls or [])|length > 1 %}{{ 1/0 }}{% endif %}{% for call in"
)


def test_a_template_with_one_call_a_turn_gets_several_in_its_familys_syntax() -> None:
    marked = "{#- <|start_header_id|> -#}" + ONE_A_TURN
    text, given = for_calls(marked, {})
    assert given == ("several tool calls in one turn",)
    calls = (ToolCall(name="f", arguments={"a": 1}), ToolCall(name="g"))
    asked = render_messages((), (Turn(role="assistant", calls=calls),), answer_format=NATIVE, style=PromptStyle.HERMES)
    told = written(text, {}, asked[1:], None)
    assert '{"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}}<|im_end|>' in told


TALK_WITH_TOOLS = (
    Turn(role="user", text="u"),
    Turn(role="assistant", calls=(ToolCall(name="f", arguments={"a": 'é "x"'}), ToolCall(name="g"))),
    Turn(role="tool", responses=(ToolResponse(content={"k": [1]}), ToolResponse(content="plain"))),
    Turn(role="assistant", text="t"),
    Turn(role="user", text="u2"),
)
OFFER = (
    ToolSpec(name="f", description="d", parameters={"type": "object", "properties": {
        "a": {"type": "string", "enum": ["x", "y"]}, "b": {"type": "array", "items": {"type": "integer"}}, "c": {},
        "d": {"type": "object", "properties": {"e": {"type": ["string", "null"]}}}}, "required": ["a"]}),
    ToolSpec(name="g"),
)  # fmt: skip


@pytest.mark.parametrize("answer_format", answer_formats().values(), ids=str)
@pytest.mark.parametrize("style", PromptStyle)
@pytest.mark.parametrize("system", [KEEP, "drop", 'Be "brief".'])
@pytest.mark.parametrize("tools", [OFFER, ()], ids=["tools", "no tools"])
def test_a_chat_request_is_rendered_as_the_model_was_trained(
    answer_format: AnswerFormat, style: PromptStyle, system: str, tools: tuple[ToolSpec, ...]
) -> None:
    how: dict[str, Any] = {"answer_format": answer_format, "style": style}
    ours = render_messages(tools, TALK_WITH_TOOLS, **how, system=system_told("Today is Monday.", system))
    template = for_calls(CHATML, {}).text if answer_format is NATIVE else CHATML
    sent, _ = with_tools(NATIVE.own_messages("Today is Monday.", tools, TALK_WITH_TOOLS) or [])
    for message in sent:
        message["content"] = None if message.get("tool_calls") else [{"type": "text", "text": message["content"]}]
        message.pop("name", "")
    asked = written(served(**how, system=system) + template, {}, sent, [tool_schema(one) for one in tools], ask=True)
    assert asked == render(CHATML, {}, ours, ask=True)


def test_messages_that_say_already_how_to_answer_are_left_as_they_are() -> None:
    told = render_messages(OFFER, TALK_WITH_TOOLS, answer_format=HERMES, style=PromptStyle.HERMES)
    template = served(HERMES, PromptStyle.HERMES) + CHATML
    assert written(template, {}, told, None) == render(CHATML, {}, told)
    assert fitted(template, {}, name="x").text == CHATML
