"""A merged model answers as its adapter did; a damaged one is blocked, a quantised or foreign base refused."""

import json
import shutil
from pathlib import Path

import pytest

from swap_assets.backends.engines import generate
from swap_assets.backends.engines.generation import read_rows
from swap_assets.backends.models.provenance import MERGE_CARD, MergeCard, pickles
from swap_assets.backends.models.provenance import miniature_folder as miniature
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import GenerateSpec, MergeSpec, TrainResult, Weights
from swap_assets.backends.serving.merging import MergeError, merge, read_card, refuse_quantised
from swap_assets.backends.store.whole import read_json
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.judging.consistency import judge_merge
from swap_assets.domain.keys import tuned
from swap_assets.domain.model import EvalCase
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.scoring.evaluation import Evaluation, measure
from swap_assets_tests.backends.test_training import run, spec_for
from swap_assets_tests.fakes import tiny_model

pytestmark = pytest.mark.slow
TALK = [{"role": "user", "content": "Is it cold in Oslo?"}]
OFFER = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}}
QUIET = Reporter(write=lambda _: None)


def merge_spec(weights: Weights, trained: TrainResult, rows: Path, **settings) -> MergeSpec:
    return MergeSpec(
        candidate_id="c", weights=weights, adapter=trained.adapter, cases_files=(rows / "cases.jsonl",), parity_rows=3,
        max_new_tokens=24, output=rows / "merged", **settings,
    )  # fmt: skip


def test_the_merged_model_says_what_the_adapter_said(tiny: Weights, rows: Path) -> None:
    from transformers import AutoTokenizer

    trained = run(spec_for(tiny, rows), rows / "work")
    spec = merge_spec(tiny, trained, rows)
    result = merge(spec, reporter=QUIET)
    assert (result.parity_rows, result.equal_texts) == (3, 3)
    assert 0 < result.max_logit_difference < 1e-3
    assert (result.adapter_hash, result.prompt_hash) == (trained.adapter_hash, trained.prompt_hash)
    names = {path.name for path in spec.output.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja", MERGE_CARD} <= names
    assert "adapter_config.json" not in names
    text = (spec.output / MERGE_CARD).read_text()
    card = read_json(spec.output / MERGE_CARD, MergeCard.model_validate_json, again="")
    assert (card.merged_hash, card.prompt_hash) == (result.merged_hash, trained.prompt_hash)
    assert str(rows) not in text + "".join(path.read_text() for path in spec.output.glob("*.json"))
    for folder in (trained.adapter, spec.output):
        decoding = json.loads((folder / "generation_config.json").read_text())
        assert not decoding["do_sample"] and decoding["temperature"] == 0.0 and decoding["eos_token_id"]
        served = AutoTokenizer.from_pretrained(str(folder)).apply_chat_template([TALK], tools=[OFFER], tokenize=False)
        assert "system\nweather()\nAnswer as <tool_call> json" in served[0]


def test_large_models_are_saved_in_shards_of_safetensors_only(tiny: Weights, rows: Path) -> None:
    trained = run(spec_for(tiny, rows, epochs=1), rows / "work")
    spec = merge_spec(tiny, trained, rows, shard_size="30KB")
    assert merge(spec, reporter=QUIET).equal_texts == 3
    names = [path.name for path in spec.output.iterdir()]
    assert len([name for name in names if name.endswith(".safetensors")]) > 1
    assert "model.safetensors.index.json" in names
    assert pickles(names) == []


def test_an_adapter_trained_over_4_bit_is_merged_into_the_16_bit_base(rows: Path) -> None:
    wide = Weights(source=str(tiny_model(rows / "wide", width=64)), dtype="bfloat16")
    trained = run(spec_for(wide, rows, epochs=1, quantisation="nf4"), rows / "work")
    spec = merge_spec(wide, trained, rows)
    merge(spec, reporter=QUIET)
    config = json.loads((spec.output / "config.json").read_text())
    assert (config["dtype"], config.get("quantization_config")) == ("bfloat16", None)


def test_a_base_that_is_stored_in_4_bit_is_refused(rows: Path) -> None:
    from swap_assets.backends.models.local_model import load_base

    wide = Weights(source=str(tiny_model(rows / "wide", width=64)), dtype="bfloat16")
    load_base(wide, quantisation="nf4").save_pretrained(rows / "small")
    with pytest.raises(MergeError, match=r"stored quantised.*4 bit.*16-bit original"):
        refuse_quantised(wide.model_copy(update={"source": str(rows / "small")}))


def test_an_adapter_that_does_not_say_how_it_was_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="train the adapter first"):
        read_card(tmp_path)


def test_an_adapter_whose_weights_or_base_were_exchanged_is_refused(tiny: Weights, rows: Path) -> None:
    trained = run(spec_for(tiny, rows, epochs=1), rows / "work")
    other = Weights(source=str(tiny_model(rows / "other", seed=7)), dtype="float32")
    with pytest.raises(MergeError, match="holds other weights now"):
        merge(merge_spec(other, trained, rows), reporter=QUIET)
    (trained.adapter / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(MergeError, match=r"does not hold what swap_adapter\.json names"):
        read_card(trained.adapter)


def test_a_sound_merge_passes_and_a_damaged_one_is_blocked(rows: Path) -> None:
    """The student learns twelve cities by heart; then one matrix of the merged weights is turned round."""
    student = Weights(source=str(miniature("student")), dtype="float32")
    trained = run(spec_for(student, rows, epochs=12, learning_rate=3e-3), rows / "work")
    before = answered(rows, student, adapter=trained.adapter)
    assert before.results[HERMES.track].summary.value("field_f1") > 0.5
    spec = merge_spec(student, trained, rows)
    merge(spec, reporter=QUIET)
    sound = judge_merge(answered(rows, student, model=spec.output), before, "field_f1")
    assert sound.passed, sound.reason
    damage(spec.output, rows / "damaged")
    blocked = judge_merge(answered(rows, student, model=rows / "damaged"), before, "field_f1")
    assert not blocked.passed
    assert "as adapter" in blocked.reason


def answered(rows: Path, weights: Weights, *, adapter: Path | None = None, model: Path | None = None) -> Evaluation:
    """Return the evaluation of the base under an adapter, or of a merged model, on the cities it was trained on."""
    output = rows / f"answers-{(adapter or model).name}.jsonl"
    generate(
        GenerateSpec(
            candidate_id="c", weights=weights.model_copy(update={"source": str(model)}) if model else weights,
            adapter=adapter, cases_files=(rows / "cases.jsonl",), answer_format=HERMES,
            prompt_style=PromptStyle.COMPACT, max_new_tokens=64, output=output,
        ),
        reporter=QUIET,
    )  # fmt: skip
    candidate = tuned("student", "tiny", "paper")
    cases = read_rows(rows / "cases.jsonl", EvalCase)
    result = measure(candidate, HERMES, cases=cases, records=read_rows(output, PredictionRecord))
    return Evaluation(candidate=candidate, results={HERMES.track: result})


def damage(sound: Path, damaged: Path) -> None:
    """Copy a model and change the sign of one attention matrix, as a wrong merge might."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(sound, damaged)
    weights = load_file(damaged / "model.safetensors")
    weights["model.layers.1.self_attn.o_proj.weight"] *= -1
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
