"""Real tokenizers with their published templates over real rows: what is asked begins what is trained, to the token.

`make test-models` fetches the tokenizers into the folder that SWAP_MODELS_DIR names; SWAP_REAL_DATA_DIR names the rows.
"""

import json
import os
import random
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.methods.data import IGNORED, rendered, token_rows
from swap_assets.backends.models.chat_template import end_of_turn, fitted, prompt_tokens, render, render_prompt
from swap_assets.backends.models.local_model import load_tokenizer, quiet_libraries
from swap_assets.backends.processes.specs import Weights
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.native import NATIVE
from swap_assets.domain.formats.prompts import Message, render_messages
from swap_assets.domain.model import Conversation, ToolCall, ToolSpec, Turn
from swap_assets.domain.reading.parsing import parse_row
from swap_assets.domain.tracks import structured_track, toolcall_track
from tools.real_models import MODELS

pytestmark = pytest.mark.slow
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
    "qwen3": (r"answers are asked for from behind '<think>\n\n</think>\n\n'",),
    "gptoss": ("a fixed day in place of the clock", *TOOLS_TOLD,
               "answers are asked for from behind '<|channel|>final<|message|>'"),
}  # fmt: skip
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
def conversations(request: pytest.FixtureRequest) -> list[list[Message]]:
    folder = os.environ.get("SWAP_REAL_DATA_DIR")
    if not folder:
        pytest.skip("SWAP_REAL_DATA_DIR is not set: it names a folder of real rows, which the project does not carry")
    found = [parse_row(row, source=name) for name in FILES for row in _rows(Path(folder) / name)]
    known = list({each.id: each for each in found if isinstance(each, Conversation)}.values())
    examples = [*toolcall_track(known, HERMES), *structured_track(known)]
    return [messages for each in examples for messages in rendered([each], each.answer_format, PromptStyle.HERMES)]


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


def test_every_prompt_is_a_token_prefix_of_its_row_and_the_mask_is_answer_and_stop(
    model: tuple[str, Any], conversations: list[list[Message]]
) -> None:
    name, tokenizer = model
    end, answers, rows_made = end_of_turn(tokenizer), 0, 0
    for messages in conversations:
        rows = token_rows(tokenizer, messages, end)
        rows_made += len(rows)
        spans = [span for row in rows for span in _trained(row.labels)]
        turns = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
        assert len(spans) == len(turns)
        for at, (row, start, stop) in zip(turns, _placed(rows), strict=True):
            prompt = prompt_tokens(tokenizer, render_prompt(tokenizer, messages[:at]))
            assert row.input_ids[:start] == prompt
            said = tokenizer.decode(row.input_ids[start:stop])
            assert row.input_ids[stop - 1] == end and said.endswith(ENDS[name])
            assert said.removesuffix(ENDS[name]).strip() == messages[at]["content"].strip()
            answers += 1
    print(f"{name}: {len(conversations)} rows, {answers} answers, {rows_made} token rows")


@pytest.mark.parametrize("parallel", [1, 3])
def test_calls_that_a_familys_template_writes_are_read_back_to_the_letter(
    model: tuple[str, Any], parallel: int
) -> None:
    name, tokenizer = model
    if name not in ("qwen3", "llama3_1"):
        pytest.skip("the native format does not read this family yet")
    if name == "llama3_1" and parallel > 1:
        pytest.skip("Llama 3.1's own template takes one call a turn")
    end, chance, tool = end_of_turn(tokenizer), random.Random(7), ToolSpec(name="f", description="d")
    for _ in range(300):
        calls = tuple(ToolCall(name=f"f_{at}", arguments=_arguments(chance)) for at in range(parallel))
        turns = (Turn(role="user", text="q"), Turn(role="assistant", calls=calls))
        messages = render_messages((tool,), turns, answer_format=NATIVE, style=PromptStyle.HERMES, system="s")
        (row,) = token_rows(tokenizer, messages, end)
        assert '"name": "f"' in tokenizer.decode(row.input_ids)
        ((start, stop),) = _trained(row.labels)
        said = tokenizer.decode(row.input_ids[start : stop - 1], skip_special_tokens=True)
        read = NATIVE.read(said)
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
