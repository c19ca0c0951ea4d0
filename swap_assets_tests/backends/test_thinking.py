"""Thinking: off asks for an answer at once, a budget bounds the thought, and what is thought is never the answer."""

import os
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines import generate
from swap_assets.backends.engines.generation import read_rows
from swap_assets.backends.engines.thinking import Thinking, Thought, thinking_of
from swap_assets.backends.methods.data import token_rows
from swap_assets.backends.models.chat_template import TemplateError, ends_of_turn, fitted, render
from swap_assets.backends.models.local_model import load_tokenizer
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import GenerateSpec, Weights
from swap_assets.domain.experiment.entries import SmallModel
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.predictions import PredictionRecord
from swap_assets_tests.fakes import CHATML, byte_tokenizer, tiny_model

# As DeepSeek R1's: a thought is asked for, and what was said stands in the history without one.
R1 = CHATML.replace("assistant\\n'", "assistant\\n<think>\\n'")
# As Qwen3's: an answer without a thought has an empty one.
QWEN3 = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m['role'] == 'assistant' and loop.last %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{{ m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
ASK = [{"role": "user", "content": "q"}]
FAMILIES = ("qwen3", "gptoss")


@pytest.mark.parametrize(("template", "off"), [(R1, "assistant\n"), (QWEN3, "assistant\n<think>\n\n</think>\n\n")])
def test_off_asks_for_an_answer_and_a_budget_asks_as_the_makers_do(template: str, off: str) -> None:
    plain, thinks = (fitted(template, {}, name="m", thinking=thinking).text for thinking in (False, True))
    assert render(plain, {}, ASK, ask=True).endswith(off)
    assert render(thinks, {}, ASK, ask=True) == render(template, {}, ASK, ask=True)


def test_a_template_that_asks_for_a_thought_is_trained_behind_the_prompt_it_asks_with() -> None:
    tokenizer = byte_tokenizer(fitted(R1, {}, name="m").text)
    talk = [*ASK, {"role": "assistant", "content": "a"}, *ASK, {"role": "assistant", "content": "b"}]
    (row,) = token_rows(tokenizer, talk, ends_of_turn(tokenizer))
    assert "think" not in tokenizer.decode(row.input_ids)
    assert row.trained == 4


def test_a_thought_that_outgrows_its_budget_is_ended_and_one_that_ends_is_left_alone() -> None:
    import torch

    thinking = Thinking(3, end=[8, 9], forced=[7, 8, 9])
    long, short = Thought(thinking), Thought(thinking)
    said = []
    for _ in range(8):
        said.append(int(long.allow(torch.tensor([0.0, 5.0] + [0.0] * 10)).argmax()))
        long.take(said[-1])
    assert said == [1, 1, 1, 7, 8, 9, 1, 1]
    for token in (8, 9, 1, 1, 1, 1):
        short.take(token)
    assert int(short.allow(torch.tensor([0.0, 5.0] + [0.0] * 10)).argmax()) == 1
    assert thinking.length(said) == 6 and thinking.length([8, 9, 1]) == 2 and thinking.length([1, 8]) is None


@pytest.mark.slow
def test_a_thought_counts_in_tokens_and_is_never_the_answer(tmp_path: Path, rows: Path) -> None:
    weights = Weights(source=str(tiny_model(tmp_path / "thinker", template=R1)), dtype="float32")
    spec = GenerateSpec(
        candidate_id="tiny--s--base--greedy--base", weights=weights, cases_files=(rows / "cases.jsonl",), thinking=20,
        answer_format=HERMES, prompt_style=PromptStyle.COMPACT, max_new_tokens=200, output=tmp_path / "said.jsonl",
    )  # fmt: skip
    generate(spec, reporter=Reporter(write=lambda _: None))
    found, forced = read_rows(tmp_path / "said.jsonl", PredictionRecord), len("\n</think>")
    assert len(found) == 12
    for record in found:
        ended_within = record.finish_reason == "stop" and not record.text
        assert record.usage.thinking_tokens == 20 + forced or ended_within
        assert record.usage.completion_tokens <= 200 + 20 + forced + 2
        assert "</think>" not in record.text
    assert any(record.text for record in found)


def test_an_entry_says_off_or_a_budget_and_not_beside_constrained_answers() -> None:
    assert [SmallModel(miniature="m", thinking=said).thinking for said in (False, "off", None)] == [None] * 3  # type: ignore[arg-type]
    entry: dict[str, Any] = {"miniature": "m", "thinking": {"budget": 512}}
    assert SmallModel.model_validate(entry).thinking is not None
    with pytest.raises(ValueError, match="no room for a thought"):
        SmallModel.model_validate({**entry, "decoding": ["greedy", "constrained"]})


def test_a_model_that_knows_no_thought_is_refused() -> None:
    with pytest.raises(TemplateError, match="take thinking out"):
        thinking_of(byte_tokenizer(CHATML), 9)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_what_real_families_write_is_split_into_thought_and_answer(name: str) -> None:
    folder = Path(os.environ.get("SWAP_MODELS_DIR", "")) / name
    if not os.environ.get("SWAP_MODELS_DIR") or not folder.is_dir():
        pytest.skip(f"SWAP_MODELS_DIR names no folder with {name}: make test-models fetches it")
    tokenizer = load_tokenizer(Weights(source=str(folder)), thinking=True)
    found = thinking_of(tokenizer, 50)
    assert found is not None
    written = {
        "qwen3": "<think>\nWhat is asked?\n</think>\n\n",
        "gptoss": "<|channel|>analysis<|message|>What is asked?<|end|><|start|>assistant<|channel|>final<|message|>",
    }[name]
    tokens = tokenizer(written + "yes", add_special_tokens=False)["input_ids"]
    length = found.length(tokens)
    assert length is not None and str(tokenizer.decode(tokens[length:])).strip() == "yes"
    assert found.length(tokens[:4] + found.forced) is not None
    asked = render(str(tokenizer.chat_template), tokenizer.special_tokens_map, ASK, ask=True)
    assert asked.endswith({"qwen3": "<|im_start|>assistant\n", "gptoss": "<|start|>assistant"}[name])
