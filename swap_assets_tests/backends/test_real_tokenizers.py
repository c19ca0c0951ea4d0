"""Real tokenizers with their published templates over real rows: what is asked begins what is trained, to the token.

`make test-models` fetches the tokenizers into the folder that SWAP_MODELS_DIR names; SWAP_REAL_DATA_DIR names the rows.
"""

import json
import os
import random
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swap_assets.backends.methods.data import IGNORED, rendered, token_rows
from swap_assets.backends.models.chat_template import (
    end_of_turn,
    ends_of_turn,
    fitted,
    prompt_tokens,
    render,
    render_prompt,
    template_for,
    with_tools,
)
from swap_assets.backends.models.local_model import load_tokenizer, quiet_libraries
from swap_assets.backends.models.native_calls import for_calls
from swap_assets.backends.processes.specs import Weights
from swap_assets.backends.serving.saved import save_tokenizer
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, answer_formats
from swap_assets.domain.formats.families import spoken
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.native import NATIVE
from swap_assets.domain.formats.prompts import KEEP, Message, render_messages
from swap_assets.domain.model import Conversation, ToolCall, ToolSpec, Turn
from swap_assets.domain.reading.parsing import parse_row
from swap_assets.domain.tracks import TrainingExample, structured_track, toolcall_track
from tools.real_models import MODELS

pytestmark = pytest.mark.slow
FORMATS = list(answer_formats().values())
HOW = [*((each, PromptStyle.HERMES) for each in FORMATS), (HERMES, PromptStyle.COMPACT)]
FILES = (
    "hermes/card_example_rows.jsonl", "hermes/func_calling_singleturn.current_shape.jsonl",
    "hermes/func_calling_singleturn.revision_2024.jsonl", "glaive/glaive_toolcall_en_demo.json",
)  # fmt: skip
ENDS = {"llama3_1": "<|eot_id|>", "qwen3": "<|im_end|>", "gemma3": "<end_of_turn>", "gptoss": "<|return|>",
        "deepseek_v3": "<｜end▁of▁sentence｜>", "phi4_mini": "<|end|>"}  # fmt: skip
# What each template lacks for conversations with tools, and is given.
TOOLS_TOLD = ("tool messages as the user's", "neighbouring messages of the user's as one")
GIVEN = {
    "llama3_1": (), "deepseek_v3": (), "phi4_mini": (), "gemma3": TOOLS_TOLD,
    "qwen3": ("responses without tags of ours inside its own",
              r"answers are asked for from behind '<think>\n\n</think>\n\n'"),
    "gptoss": ("a fixed day in place of the clock", *TOOLS_TOLD,
               "answers without tools are asked for from behind '<|channel|>final<|message|>'"),
}  # fmt: skip
# And what it lacks of calls, which the native format is given in the family's own syntax.
SEVERAL, CALLS_AND_TOOLS = ("several tool calls in one turn",), ("tool calls as text", "tools in the system message")
GIVEN_FOR_CALLS = {"llama3_1": SEVERAL, "gptoss": SEVERAL, "qwen3": (), "gemma3": CALLS_AND_TOOLS,
                   "deepseek_v3": CALLS_AND_TOOLS, "phi4_mini": CALLS_AND_TOOLS}  # fmt: skip
SYNTAX = {"llama3_1": '{"name": "f_0", "parameters": ', "qwen3": '<tool_call>\n{"name": "f_0", "arguments": ',
          "gemma3": '{"name": "f_0", "parameters": ',
          "gptoss": " to=functions.f_0<|channel|>commentary json<|message|>",
          "deepseek_v3": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f_0\n```json\n",
          "phi4_mini": '<|tool_call|>[{"name": "f_0", "arguments": '}  # fmt: skip
TALK = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.fixture(params=MODELS, scope="module")
def model(request: pytest.FixtureRequest) -> tuple[str, Any]:
    folder = os.environ.get("SWAP_MODELS_DIR")
    if not folder:
        pytest.skip("SWAP_MODELS_DIR is not set: it names a folder of real tokenizers, which make test-models fetches")
    if not (Path(folder) / request.param).is_dir():
        pytest.skip(f"{folder} holds no {request.param}: it could not be fetched")
    quiet_libraries()
    return request.param, load_tokenizer(Weights(source=str(Path(folder) / request.param)))


@pytest.fixture(scope="module")
def examples(request: pytest.FixtureRequest) -> list[TrainingExample]:
    folder = os.environ.get("SWAP_REAL_DATA_DIR")
    if not folder:
        pytest.skip("SWAP_REAL_DATA_DIR is not set: it names a folder of real rows, which the project does not carry")
    found = [parse_row(row, source=name) for name in FILES for row in _rows(Path(folder) / name)]
    known = list({each.id: each for each in found if isinstance(each, Conversation)}.values())
    return [*toolcall_track(known, HERMES), *structured_track(known)]


def _in(answer_format: AnswerFormat, examples: list[TrainingExample]) -> list[TrainingExample]:
    """Return the rows of an answer format's track; a structured one asks for one function's arguments."""
    return [each for each in examples if each.answer_format.track is answer_format.track]


def _rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.split("\n") if line]


def test_an_answer_ends_with_the_makers_own_token_and_what_was_given_is_known(model: tuple[str, Any]) -> None:
    name, tokenizer = model
    assert tokenizer.convert_ids_to_tokens(end_of_turn(tokenizer)) == ENDS[name]
    published = type(tokenizer).from_pretrained(tokenizer.name_or_path).chat_template
    assert fitted(published, tokenizer.special_tokens_map, name=name) == (tokenizer.chat_template, GIVEN[name])


def test_a_plain_conversation_is_rendered_as_its_makers_published_it(model: tuple[str, Any]) -> None:
    name, tokenizer = model
    published = type(tokenizer).from_pretrained(tokenizer.name_or_path).chat_template
    how, special = {"ask": True}, tokenizer.special_tokens_map
    for messages in ([TALK[0]], [{"role": "system", "content": "s"}, *TALK, TALK[0]]):
        ours, theirs = (render(text, special, messages, **how) for text in (tokenizer.chat_template, published))
        lead = next((each.partition("'")[2][:-1] for each in GIVEN[name] if "behind" in each), "")
        if name == "gptoss":  # the day
            ours, theirs = (text.partition("Reasoning")[2] for text in (ours, theirs))
        assert ours == theirs + lead.encode().decode("unicode_escape")


@pytest.mark.parametrize(("answer_format", "style"), HOW, ids=str)
def test_what_a_server_asks_by_the_saved_template_begins_the_row_and_its_mask_is_answer_and_stop(
    model: tuple[str, Any], examples: list[TrainingExample], answer_format: AnswerFormat, style: PromptStyle,
    tmp_path: Path,
) -> None:  # fmt: skip
    name, tokenizer = model
    saved, ends, answers, rows_made = _saved(tokenizer, answer_format, style, tmp_path), ends_of_turn(tokenizer), 0, 0
    for example in _in(answer_format, examples):
        (messages,), (sent,) = (rendered([example], each, style) for each in (answer_format, NATIVE))
        request, tools = with_tools([_as_clients_send(one, content=answers % 2 == 0) for one in sent])
        lead, rows = len(sent) - len(request), token_rows(tokenizer, messages, ends)
        evaluated = prompt_tokens(tokenizer, render_prompt(tokenizer, messages[:-1]))
        places = [at for at, message in enumerate(sent) if message["role"] == "assistant"]
        turns = [turn for turn in example.turns if turn.role == "assistant"]
        asked: Any = {"input_ids": []}
        for at, turn, (row, start, stop) in zip(places, turns, _placed(rows), strict=True):
            asked = saved.apply_chat_template(request[: at - lead], tools=tools, add_generation_prompt=True)
            assert row.input_ids[:start] == asked["input_ids"] and row.input_ids[stop - 1] in ends
            said = tokenizer.decode(row.input_ids[start : stop - 1])
            if answer_format is NATIVE and turn.calls:
                read = NATIVE.read(said)
                assert read.compliant and [one.key() for one in read.calls] == [one.key() for one in turn.calls]
            else:
                assert spoken(said).strip() == answer_format.write(turn.calls, turn.text).strip()
            answers += 1
        assert asked["input_ids"] == evaluated
        rows_made += len(rows)
    print(f"{name} {answer_format} {style}: {answers} answers, {rows_made} token rows")


def test_a_saved_tokenizer_is_the_same_again_and_says_how_to_decode(model: tuple[str, Any], tmp_path: Path) -> None:
    from transformers import GenerationConfig

    name, tokenizer = model
    for answer_format in FORMATS:
        folder = tmp_path / answer_format.name
        saved = _saved(tokenizer, answer_format, PromptStyle.HERMES, folder)
        assert load_tokenizer(Weights(source=str(folder))).chat_template == fitted(
            template_for(tokenizer, answer_format), saved.special_tokens_map, name=name
        ).text  # fmt: skip
        decoding = GenerationConfig.from_pretrained(folder)
        assert not decoding.do_sample and {7, *ends_of_turn(tokenizer)} <= set(decoding.eos_token_id)  # type: ignore[arg-type]


def _saved(tokenizer: Any, answer_format: AnswerFormat, style: PromptStyle, folder: Path) -> Any:
    spec = SimpleNamespace(answer_format=answer_format, prompt_style=style, system=KEEP)
    save_tokenizer(folder, tokenizer, spec, 7)  # type: ignore[arg-type]
    return type(tokenizer).from_pretrained(str(folder))


def _as_clients_send(message: Message, *, content: bool) -> Message:
    """Return a message without what few clients send: a response's name, the content beside calls."""
    sent = {key: value for key, value in message.items() if not (message["role"] == "tool" and key == "name")}
    return sent if content or "tool_calls" not in sent else {**sent, "content": None}


@pytest.mark.parametrize("parallel", [1, 3])
def test_calls_in_a_familys_own_syntax_are_read_back_to_the_letter(model: tuple[str, Any], parallel: int) -> None:
    name, tokenizer = model
    assert for_calls(tokenizer.chat_template, tokenizer.special_tokens_map).given == GIVEN_FOR_CALLS[name]
    ends, chance, tool = ends_of_turn(tokenizer), random.Random(7), ToolSpec(name="f", description="d")
    for _ in range(300):
        calls = tuple(ToolCall(name=f"f_{at}", arguments=_arguments(chance)) for at in range(parallel))
        turns = (Turn(role="user", text="q"), Turn(role="assistant", calls=calls))
        messages = render_messages((tool,), turns, answer_format=NATIVE, style=PromptStyle.HERMES, system="s")
        (row,) = token_rows(tokenizer, messages, ends)
        ((start, stop),) = _trained(row.labels)
        said = tokenizer.decode(row.input_ids[start : stop - 1])
        read = NATIVE.read(said)
        assert said.startswith(SYNTAX[name])
        assert read.compliant and [one.key() for one in read.strict_calls] == [one.key() for one in calls], said


def _arguments(chance: random.Random) -> dict[str, Any]:
    texts = ["Oslo", 'a "quote" and \\ more', "Þórshöfn 東京 🌧️", "", "line\nbreak", "</tool_call>"]
    plain = [*texts, "02139", "{'a': 1}", 1, -2.5, True, None]
    values = [*plain, chance.sample(plain, 3), {"inner": {chance.choice(texts) or "k": chance.choice(plain)}}, [], {}]
    return {f"key {at}" if at else "city": chance.choice(values) for at in range(chance.randrange(5))}


def _trained(labels: list[int]) -> list[tuple[int, int]]:
    """Return where runs of trained tokens begin and end; answers that touch would be one."""
    spans, at = [], 0
    for ignored, run in groupby(labels, key=lambda label: label == IGNORED):
        length = len(list(run))
        spans += [] if ignored else [(at, at + length)]
        at += length
    return spans


def _placed(rows: list[Any]) -> list[tuple[Any, int, int]]:
    return [(row, *span) for row in rows for span in _trained(row.labels)]
