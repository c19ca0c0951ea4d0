"""A base model whose turn tokens no text has trained: found by their rows, trained beside LoRA, kept when merged."""

import os
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines.endings import turn_starts
from swap_assets.backends.models.local_model import load_adapted, load_base, load_tokenizer
from swap_assets.backends.models.turn_tokens import (
    turn_tokens,
    untrained_in_folder,
    untrained_in_model,
)
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import MergeSpec, Weights
from swap_assets.backends.serving.merging import merge
from swap_assets_tests.backends.test_training import run, spec_for
from swap_assets_tests.fakes import byte_tokenizer, write_track

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
QUIET = Reporter(write=lambda _: None)


def base_model(folder: Path, *, tied: bool, trained_end: bool = False) -> Weights:
    """Save a random Llama whose unused tokens share one row up to noise, as do its turn tokens where not trained."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = byte_tokenizer(CHATML)
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<unused{number}>" for number in range(12)]})
    tokenizer.add_special_tokens({"eos_token": "<eos>"})
    eos = tokenizer.eos_token_id
    tokenizer.eos_token = "<|im_end|>"  # as Gemma's, which names the turn's end there
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=tied, bos_token_id=None,
        eos_token_id=eos, pad_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config)
    ends = [] if trained_end else ["<|im_end|>", "<|im_start|>"]
    alike = tokenizer.convert_tokens_to_ids([*ends, *(f"<unused{number}>" for number in range(12))])
    for weight in {model.get_input_embeddings().weight, model.get_output_embeddings().weight}:
        weight.data[alike] = weight.data[alike[-1]] + 0.01 * torch.randn(len(alike), 64)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Weights(source=str(folder), dtype="float32")


@pytest.mark.parametrize("tied", [True, False])
def test_untrained_turn_tokens_are_found_in_a_loaded_model_and_in_its_files(tmp_path: Path, tied: bool) -> None:
    weights = base_model(tmp_path / "base", tied=tied)
    tokenizer = load_tokenizer(weights)
    found = untrained_in_model(load_base(weights), tokenizer)
    start, end = tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert turn_tokens(tokenizer) == [start, end] == sorted(found.read)
    assert sorted(found.said) == ([start, end] if tied else [end])
    assert found.names(tokenizer)[0].startswith("<|im_start|> (0.9") or found.names(tokenizer)[0].endswith("(1.00)")
    assert untrained_in_folder(tmp_path / "base", tokenizer) == found


def test_a_model_whose_turn_tokens_were_trained_or_that_has_no_unused_ones_is_left_alone(
    tmp_path: Path, tiny: Weights
) -> None:
    for weights in (base_model(tmp_path / "chat", tied=True, trained_end=True), tiny):
        found = untrained_in_model(load_base(weights), load_tokenizer(weights))
        assert not found.read and not found.said


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False])
def test_untrained_rows_are_trained_saved_and_merged(tmp_path: Path, tied: bool) -> None:
    import torch

    weights = base_model(tmp_path / "base", tied=tied)
    write_track(tmp_path, [f"City {number}" for number in range(8)], ["Cork"])
    spec = spec_for(weights, tmp_path, epochs=5)
    result = run(spec, tmp_path / "work")
    tokenizer = load_tokenizer(weights)
    start, end, eos = tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>", "<eos>"])
    assert [name.partition(" ")[0] for name in result.untrained_tokens] == ["<|im_start|>", "<|im_end|>"]
    first, last = result.validation_curve[0], result.validation_curve[-1]
    assert first.end is not None and last.end is not None and last.end < first.end

    base, adapted = load_base(weights), load_adapted(weights, result.adapter)
    rows, before = (_rows(one.get_output_embeddings()) for one in (adapted, base))
    assert not torch.equal(rows[end], before[end])
    moved, away = (float((rows[end] - before[token]).norm()) for token in (eos, end))
    assert moved < away  # it began as the token that ends a text
    others = [token for token in range(len(before)) if token not in (start, end)]
    assert torch.equal(rows[others], before[others])

    merge(MergeSpec(candidate_id=spec.candidate_id, weights=weights, adapter=result.adapter,
                    output=tmp_path / "merged"), reporter=QUIET)  # fmt: skip
    whole = load_base(Weights(source=str(tmp_path / "merged"), dtype="float32"))
    assert torch.equal(_rows(whole.get_output_embeddings()), rows)
    assert torch.equal(_rows(whole.get_input_embeddings()), _rows(adapted.get_input_embeddings()))
    ids = torch.tensor([[5, start, 9, end]])
    with torch.no_grad():
        assert torch.allclose(whole(ids).logits, adapted(ids).logits, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "start"),
    [("llama3_1", "<|start_header_id|>"), ("qwen3", "<|im_start|>"), ("gemma3", "<start_of_turn>"),
     ("gptoss", "<|start|>"), ("deepseek_v3", "<｜User｜>"), ("phi4_mini", "<|user|>")],
)  # fmt: skip
def test_a_turn_behind_an_answer_begins_with_its_familys_own_token(family: str, start: str) -> None:
    folder = Path(os.environ.get("SWAP_MODELS_DIR", "")) / family
    if not os.environ.get("SWAP_MODELS_DIR") or not folder.is_dir():
        pytest.skip(f"SWAP_MODELS_DIR names no folder with {family}: make test-models fetches it")
    tokenizer = load_tokenizer(Weights(source=str(folder)))
    assert tokenizer.convert_ids_to_tokens(list(turn_starts(tokenizer))) == [start]


@pytest.mark.slow
def test_the_pre_trained_gemma_never_learnt_its_turn_tokens() -> None:
    folder = Path(os.environ.get("SWAP_MODELS_DIR", "")) / "gemma3-270m"
    if not os.environ.get("SWAP_MODELS_DIR") or not folder.is_dir():
        pytest.skip("SWAP_MODELS_DIR names no folder with gemma3-270m: python -m tools.real_weights makes it")
    tokenizer = load_tokenizer(Weights(source=str(folder)))
    found = untrained_in_folder(folder, tokenizer)
    assert found and found.names(tokenizer) == ("<start_of_turn> (0.95)", "<end_of_turn> (0.99)")


def _rows(layer: Any) -> Any:
    return layer.weight.detach()
