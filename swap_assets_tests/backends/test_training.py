"""Real LoRA on a tiny model: the loss falls, nothing is silently lost, the same spec gives the same adapter."""

from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.methods.callbacks import CurveKeeper
from swap_assets.backends.methods.data import ExamplesError, MaskError, read_track, tokenise
from swap_assets.backends.methods.sft import train
from swap_assets.backends.methods.trainer import answer_loss
from swap_assets.backends.models.local_model import load_base
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import TrainResult, TrainSpec, Weights
from swap_assets.backends.serving.merging import read_card
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets_tests.fakes import tiny_model, write_track


def spec_for(tiny: Weights, rows: Path, *, name: str = "adapter", **settings: Any) -> TrainSpec:
    training = {"batch_size": 2, "gradient_accumulation": 2, "learning_rate": 1e-2, "epochs": 2, "max_length": 400}
    return TrainSpec.model_validate(
        {
            "candidate_id": "tiny--s--paper--greedy--adapter",
            "weights": tiny,
            "data_file": rows / "data.json",
            "answer_format": HERMES,
            "prompt_style": PromptStyle.COMPACT,
            "lora": {"r": 4, "alpha": 8, "dropout": 0.1},
            "training": {**training, "warmup_ratio": 0.1, **settings},
            "threads": 1,
            "output": rows / name,
        }
    )


def run(spec: TrainSpec, folder: Path) -> TrainResult:
    folder.mkdir(exist_ok=True)
    return train(spec, folder=folder, reporter=Reporter(write=lambda _: None))


@pytest.fixture(scope="module")
def trained(tiny: Weights, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainSpec, TrainResult]:
    rows = tmp_path_factory.mktemp("training")
    write_track(rows, [f"City {number}" for number in range(10)], ["Cork"])
    spec = spec_for(tiny, rows)
    return spec, run(spec, rows / "work")


@pytest.mark.slow
def test_the_loss_falls_and_the_curves_have_a_point_each_step_and_epoch(trained: tuple[TrainSpec, TrainResult]) -> None:
    _, result = trained
    assert result.steps == 6 and result.rows_per_step == 4
    assert [point.step for point in result.loss_curve] == [1, 2, 3, 4, 5, 6]
    assert [point.step for point in result.validation_curve] == [3, 6]
    assert result.loss_curve[-1].loss < result.loss_curve[0].loss
    assert result.validation_curve[1].loss < result.validation_curve[0].loss


@pytest.mark.slow
def test_only_the_adapter_is_trained_and_every_row_counts(trained: tuple[TrainSpec, TrainResult]) -> None:
    _, result = trained
    assert 0 < result.trainable_parameters < result.parameters / 3
    assert (result.train_rows.read, result.train_rows.used, result.train_rows.lost) == (10, 10, 0)
    assert "⟦<tool_call>" in result.mask_preview


@pytest.mark.slow
def test_the_adapter_folder_says_how_it_was_made(trained: tuple[TrainSpec, TrainResult]) -> None:
    spec, result = trained
    card = read_card(result.adapter)
    assert card.spec == spec
    assert (card.adapter_hash, card.prompt_hash) == (result.adapter_hash, result.prompt_hash)
    assert card.versions["peft"] and card.base_hash
    names = {path.name for path in result.adapter.iterdir()}
    assert {"adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in names)


@pytest.mark.slow
def test_the_same_spec_gives_the_same_adapter_to_the_last_bit(
    trained: tuple[TrainSpec, TrainResult], tmp_path: Path
) -> None:
    spec, result = trained
    again = run(spec.model_copy(update={"output": tmp_path / "adapter"}), tmp_path / "work")
    assert again.adapter_hash == result.adapter_hash
    assert again.loss_curve == result.loss_curve


@pytest.mark.slow
def test_another_seed_gives_another_adapter(trained: tuple[TrainSpec, TrainResult], tmp_path: Path) -> None:
    spec, result = trained
    other = spec.model_copy(update={"output": tmp_path / "adapter", "seed": 7})
    assert run(other, tmp_path / "work").adapter_hash != result.adapter_hash


@pytest.mark.slow
def test_qlora_trains_on_a_base_in_four_bit(rows: Path) -> None:
    # 64 wide: bitsandbytes' blocks of 64 values must fit a row on CPU.
    wide = Weights(source=str(tiny_model(rows / "wide", width=64)), dtype="float32")
    result = run(spec_for(wide, rows, quantisation="nf4", epochs=1), rows / "work")
    assert result.loss_curve[-1].loss < result.loss_curve[0].loss
    assert (result.adapter / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_rows_cut_away_by_max_length_stop_the_training_with_the_setting_named(tiny: Weights, rows: Path) -> None:
    with pytest.raises(MaskError, match="max_length"):
        run(spec_for(tiny, rows, max_length=40), rows / "work")


@pytest.mark.slow
def test_the_step_and_not_the_micro_batch_makes_the_loss(
    trained: tuple[TrainSpec, TrainResult], tmp_path: Path
) -> None:
    spec, _ = trained
    plain = spec.model_copy(update={"lora": spec.lora.model_copy(update={"dropout": 0.0})})
    losses = []
    for size in (1, 4):
        settings = plain.training.model_copy(update={"micro_batch": size})
        other = plain.model_copy(update={"training": settings, "output": tmp_path / str(size)})
        result = run(other, tmp_path / f"work{size}")
        losses.append([point.loss for point in result.loss_curve])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_the_loss_at_the_answers_alone_is_the_models_own_loss(tiny: Weights, tokenizer: Any) -> None:
    import torch

    model = load_base(tiny)
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bc"}]
    rows, _ = tokenise(tokenizer, [talk], max_length=99)
    batch = {"input_ids": torch.tensor([rows[0].input_ids]), "labels": torch.tensor([rows[0].labels])}
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    with torch.no_grad():
        assert answer_loss(model, batch).item() == pytest.approx(model(**batch).loss.item(), rel=1e-5)


def test_progress_says_step_loss_speed_and_time_left() -> None:
    said: list[str] = []
    keeper = CurveKeeper(Reporter(write=said.append), tokens_per_epoch=1000)
    keeper.log({"loss": 2.5, "epoch": 0.5}, step=1, steps=2)
    keeper.log({"eval_loss": 1.25, "epoch": 1.0}, step=2, steps=2)
    assert said[0].startswith("step 1/2, loss 2.5000, ") and said[0].endswith(" left")
    assert said[1] == "epoch 1: validation loss 1.2500"


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (None, "cannot be read"),
        ('{"train": [], "validation": []}', "no examples"),
        ('{"train": [{}]}', "not as this version writes it"),
    ],
)
def test_a_file_of_examples_that_cannot_be_used_is_named(tmp_path: Path, content: str | None, hint: str) -> None:
    if content is not None:
        (tmp_path / "data.json").write_text(content)
    with pytest.raises(ExamplesError, match=hint):
        read_track(tmp_path / "data.json")
