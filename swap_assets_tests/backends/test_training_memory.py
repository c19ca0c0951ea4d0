"""Memory: the ladder is taken inside the real loop and keeps recipe and progress; batches change no loss."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swap_assets.backends.methods import memory as memory_module
from swap_assets.backends.methods import trainer as trainer_module
from swap_assets.backends.methods.batches import BatchPlan, StepSampler, first_plan
from swap_assets.backends.methods.memory import DoesNotFitError, first_fitting
from swap_assets.backends.processes.specs import MemoryEstimate, TrainResult, TrainSpec, Weights
from swap_assets_tests.backends.test_training import run, spec_for
from swap_assets_tests.fakes import write_track

original_loss = trainer_module.answer_loss


@given(rows=st.integers(1, 64), at_once=st.integers(1, 64))
def test_every_rung_has_the_same_rows_a_step_and_the_ladder_ends(rows: int, at_once: int) -> None:
    plan = BatchPlan(micro_batch=at_once, accumulation=rows)
    seen = [plan]
    while lower := seen[-1].next_rung():
        assert lower.rows_per_step == plan.rows_per_step
        assert lower.micro_batch < seen[-1].micro_batch or (lower.checkpointing and not seen[-1].checkpointing)
        seen.append(lower)
    assert seen[-1].micro_batch == 1 and seen[-1].checkpointing


def test_on_cpu_rows_go_one_by_one_and_on_a_card_in_the_recipes_batches(tiny: Weights, tmp_path: Path) -> None:
    spec = spec_for(tiny, tmp_path)
    assert (first_plan(spec, "cpu").micro_batch, first_plan(spec, "cuda").micro_batch) == (1, 2)
    assert first_plan(spec, "cuda").rows_per_step == 4
    asked = spec.training.model_copy(update={"micro_batch": 3})
    assert first_plan(spec.model_copy(update={"training": asked}), "cpu").micro_batch == 2, "3 does not divide 4"


@given(st.lists(st.integers(1, 99), min_size=1, max_size=40), st.integers(1, 9), st.integers(0, 3))
def test_a_step_has_the_same_rows_in_whatever_order(lengths: list[int], rows: int, epoch: int) -> None:
    def steps(per_step: int) -> list[list[int]]:
        sampler = StepSampler(lengths, rows_per_step=per_step, seed=1)
        sampler.set_epoch(epoch)
        order = list(sampler)
        return [order[start : start + rows] for start in range(0, len(order), rows)]

    plain, sorted_ = steps(1), steps(rows)
    assert [sorted(step) for step in plain] == [sorted(step) for step in sorted_]
    assert all([lengths[row] for row in step] == sorted(lengths[row] for row in step) for step in sorted_)


def sized(total: float, available: float | None) -> MemoryEstimate:
    return MemoryEstimate(weights_mb=total, adapter_mb=0, activations_mb=0, logits_mb=0, available_mb=available)


def test_training_begins_on_the_rung_that_is_expected_to_fit() -> None:
    def needs(plan: BatchPlan) -> MemoryEstimate:
        return sized(100 * plan.micro_batch + (0 if plan.checkpointing else 50), 240)

    assert first_fitting(BatchPlan(micro_batch=4, accumulation=1), needs).micro_batch == 1
    assert not first_fitting(BatchPlan(micro_batch=4, accumulation=1), needs).checkpointing
    assert first_fitting(BatchPlan(micro_batch=4, accumulation=1), lambda _: sized(9, None)).micro_batch == 4


@pytest.fixture(scope="module")
def straight(tiny: Weights, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainSpec, TrainResult]:
    """A training without dropout in which memory suffices for four rows at once."""
    rows = tmp_path_factory.mktemp("memory")
    write_track(rows, ["City" * (number % 4 + 1) for number in range(10)], ["Cork", "Thessaloniki"])
    spec = spec_for(tiny, rows, micro_batch=4)
    spec = spec.model_copy(update={"lora": spec.lora.model_copy(update={"dropout": 0.0})})
    return spec, run(spec, rows / "work")


def short_of_memory(monkeypatch: pytest.MonkeyPatch, fails: Any) -> None:
    """Let the loss, within the real training step, run out of memory where `fails(model, rows, call)` says so."""
    import torch

    calls = []

    def loss(model: Any, inputs: dict[str, Any], **how: Any) -> Any:
        calls.append(len(inputs["input_ids"]))
        if model.training and fails(model, calls[-1], len(calls)):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return original_loss(model, inputs, **how)

    monkeypatch.setattr(trainer_module, "answer_loss", loss)


@pytest.mark.slow
def test_out_of_memory_in_a_step_halves_the_rows_at_once_and_goes_on_before_that_step(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, expected = straight
    results = []
    for name in ("one", "two"):
        short_of_memory(monkeypatch, lambda _, rows, call: rows > 2 and call > 1)
        results.append(run(spec.model_copy(update={"output": tmp_path / name}), tmp_path / f"work-{name}"))
    result = results[0]
    assert (result.micro_batch, result.gradient_checkpointing, result.rows_per_step) == (2, False, 4)
    assert result.rungs == ("out of memory with 4 rows at once x 1: goes on after step 1 with 2 rows at once x 2",)
    assert result.resumed_from == (1,)
    assert [p.loss for p in result.loss_curve] == pytest.approx([p.loss for p in expected.loss_curve], rel=1e-4)
    assert [p.loss for p in result.validation_curve] == pytest.approx(
        [p.loss for p in expected.validation_curve], rel=1e-4
    )
    assert results[1].adapter_hash == result.adapter_hash, "the ladder is as deterministic as the training"


@pytest.mark.slow
def test_the_last_rung_is_gradient_checkpointing(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, expected = straight
    short_of_memory(monkeypatch, lambda model, *_: not any(getattr(part, "gradient_checkpointing", 0)
                                                           for part in model.modules()))  # fmt: skip
    result = run(spec.model_copy(update={"output": tmp_path / "adapter"}), tmp_path / "work")
    assert (result.micro_batch, result.gradient_checkpointing, result.rows_per_step) == (1, True, 4)
    assert len(result.rungs) == 3
    assert [p.loss for p in result.loss_curve] == pytest.approx([p.loss for p in expected.loss_curve], rel=1e-4)


@pytest.mark.slow
def test_what_does_not_fit_on_the_last_rung_fails_and_says_what_would(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = straight
    short_of_memory(monkeypatch, lambda *_: True)
    with pytest.raises(DoesNotFitError, match=r"does not fit.*nf4.*GB free"):
        run(spec.model_copy(update={"output": tmp_path / "adapter"}), tmp_path / "work")


@pytest.mark.slow
def test_out_of_memory_while_weights_change_goes_on_from_the_last_checkpoint(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    spec, expected = straight
    step, calls = torch.optim.AdamW.step, []

    def failing(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 5:
            step(self, *arguments, **options)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", failing)
    result = run(spec.model_copy(update={"output": tmp_path / "adapter"}), tmp_path / "work")
    assert result.resumed_from == (3,) and "from step 3 again" in result.rungs[0]
    assert [p.loss for p in result.loss_curve] == pytest.approx([p.loss for p in expected.loss_curve], rel=1e-4)


@pytest.mark.slow
def test_memory_is_estimated_before_and_kept_in_the_result(straight: tuple[TrainSpec, TrainResult]) -> None:
    spec, result = straight
    shape = memory_module.model_shape(spec)
    assert shape.parameters == result.parameters - result.trainable_parameters
    assert shape.adapter_parameters == result.trainable_parameters
    assert result.memory.weights_mb == pytest.approx(4e-6 * shape.parameters, abs=0.1)
    assert result.memory.available_mb and result.memory.available_mb > result.memory.total_mb


@pytest.mark.slow
def test_packed_rows_train_apart_from_each_other_and_in_fewer_steps(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path
) -> None:
    spec, expected = straight
    settings = {"packing": True, "max_length": 800, "micro_batch": None, "batch_size": 10, "gradient_accumulation": 1}
    packed = spec.training.model_copy(update={**settings, "epochs": 1})
    whole = packed.model_copy(update={"packing": False})
    first = {}
    for name, training in (("packed", packed), ("whole", whole)):
        work = spec.model_copy(update={"training": training, "output": tmp_path / name})
        first[name] = run(work, tmp_path / f"work-{name}").loss_curve[0].loss
    # All rows are in the first step either way, and none sees another, so the loss is the same.
    assert first["packed"] == pytest.approx(first["whole"], rel=1e-5)
    result = run(
        spec.model_copy(
            update={
                "training": spec.training.model_copy(update={"packing": True, "max_length": 800}),
                "output": tmp_path / "steps",
            }
        ),
        tmp_path / "work-steps",
    )
    assert result.steps < expected.steps
