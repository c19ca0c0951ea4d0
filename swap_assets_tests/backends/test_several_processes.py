"""One training in two processes on the processor (gloo): the same adapter as in one, resumed, its failures told."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from swap_assets.backends.methods.batches import first_plan, ignore_rows_after, own_rows
from swap_assets.backends.methods.data import IGNORED
from swap_assets.backends.processes.specs import TrainResult, TrainSpec, Weights
from swap_assets.backends.processes.supervision import WorkerError, run_workers
from swap_assets.domain.tracks import TrackData
from swap_assets_tests.backends.test_training import spec_for


def plain_spec(tiny: Weights, rows: Path, name: str, *, processes: int, **settings: object) -> TrainSpec:
    spec = spec_for(tiny, rows, name=name, **settings)
    lora = spec.lora.model_copy(update={"dropout": 0.0})
    return spec.model_copy(update={"lora": lora, "processes": processes})


def trained(spec: TrainSpec, folder: Path) -> tuple[TrainResult, list[str]]:
    lines: list[str] = []
    (result,) = run_workers([(spec, folder)], on_line=lambda _, line: lines.append(line))
    assert isinstance(result, TrainResult)
    return result, lines


def largest_difference(one: Path, other: Path) -> float:
    from safetensors.torch import load_file

    left, right = (load_file(folder / "adapter_model.safetensors") for folder in (one, other))
    assert left.keys() == right.keys()
    return max((left[name] - right[name]).abs().max().item() for name in left)


@pytest.mark.slow
@pytest.mark.parametrize("count", [12, 9], ids=["full steps", "a last step with one row"])
def test_two_processes_give_the_adapter_of_one(tiny: Weights, rows: Path, count: int) -> None:
    data = TrackData.model_validate_json((rows / "data.json").read_bytes())
    (rows / "data.json").write_text(data.model_copy(update={"train": data.train[:count]}).model_dump_json())
    alone, _ = trained(plain_spec(tiny, rows, "alone", processes=1), rows / "one")
    shared, said = trained(plain_spec(tiny, rows, "shared", processes=2), rows / "two")
    assert said[0] == "2 processes share the rows of each step"
    assert largest_difference(rows / "alone", rows / "shared") < 1e-4
    assert [point.step for point in shared.loss_curve] == [point.step for point in alone.loss_curve]
    for ours, theirs in zip(shared.loss_curve, alone.loss_curve, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, abs=1e-4)
    assert shared.rows_per_step == alone.rows_per_step == 4
    assert sum(line.startswith("training: ") for line in said) == 1, "the first process alone reports"


@pytest.mark.slow
def test_a_training_whose_launcher_is_killed_goes_on_in_two_processes_and_ends_in_the_same_adapter(
    tiny: Weights, rows: Path
) -> None:
    spec = plain_spec(tiny, rows, "whole", processes=2, epochs=4)
    trained(spec, rows / "work-whole")
    torn, work = spec.model_copy(update={"output": rows / "torn"}), rows / "work-torn"
    killer = threading.Thread(target=_kill_the_launcher_after_a_checkpoint, args=(work,), daemon=True)
    killer.start()
    with pytest.raises(WorkerError, match="killed by signal 9"):
        run_workers([(torn, work)], on_line=lambda _, line: None)
    end = time.monotonic() + 20
    while _workers_of(work) and time.monotonic() < end:
        time.sleep(0.1)
    assert _workers_of(work) == [], "its processes end with it"
    result, said = trained(torn, work)
    assert result.resumed_from and result.resumed_from[0] % 3 == 0
    assert any("goes on from the checkpoint after step" in line for line in said)
    assert largest_difference(rows / "whole", rows / "torn") == 0.0


def _kill_the_launcher_after_a_checkpoint(work: Path) -> None:
    end = time.monotonic() + 120
    while not list(work.glob("checkpoints/checkpoint-*/manifest.json")) and time.monotonic() < end:
        time.sleep(0.01)
    for process in _workers_of(work):
        parent = (Path("/proc") / str(process) / "stat").read_text().rsplit(")", 1)[1].split()[1]
        if int(parent) == os.getpid():
            os.kill(process, signal.SIGKILL)


@pytest.mark.slow
def test_the_error_of_a_process_is_the_end_of_what_is_told(tiny: Weights, rows: Path) -> None:
    spec = plain_spec(tiny, rows, "none", processes=2, max_length=20)
    with pytest.raises(WorkerError) as caught:
        run_workers([(spec, rows / "work")], on_line=lambda _, line: None)
    assert "max_length" in str(caught.value)
    assert "of 2 ended with code 1; its own error stands above" in str(caught.value)


def _workers_of(folder: Path) -> list[int]:
    """The processes that run the spec of a folder."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def test_the_rows_of_a_step_are_shared_by_the_processes_or_refused(tiny: Weights, tmp_path: Path) -> None:
    plan = first_plan(plain_spec(tiny, tmp_path, "a", processes=2, micro_batch=2), "cuda")
    assert (plan.micro_batch, plan.accumulation, plan.processes, plan.rows_per_step) == (2, 1, 2, 4)
    rung = plan.next_rung()
    assert rung and (rung.micro_batch, rung.accumulation, rung.rows_per_step) == (1, 2, 4)
    with pytest.raises(ValueError, match="cannot be shared evenly by 3 GPUs; give gpus as one of 1, 2, 4"):
        first_plan(plain_spec(tiny, tmp_path, "a", processes=3), "cpu")


def test_rows_that_only_fill_the_last_round_carry_no_loss() -> None:
    import torch

    assert [own_rows(3, process=process, size=2) for process in range(3)] == [2, 1, 0]
    padded = {"labels": torch.ones(2, 3), "attention_mask": torch.ones(2, 3)}
    ignore_rows_after(padded, 1)
    assert padded["labels"].tolist() == [[1, 1, 1], [IGNORED] * 3]
    flattened = {"labels": torch.ones(1, 5), "position_ids": torch.tensor([[0, 1, 2, 0, 1]])}
    ignore_rows_after(flattened, 1)
    assert flattened["labels"].tolist() == [[1, 1, 1, IGNORED, IGNORED]]
