"""An interrupted training goes on from its last whole checkpoint and ends in the same weights, to the last bit."""

import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.methods.callbacks import out_of_patience
from swap_assets.backends.methods.checkpoints import CheckpointError, Checkpoints
from swap_assets.backends.processes.specs import TrainResult, TrainSpec, Weights
from swap_assets.domain.tracks import TrackData
from swap_assets_tests.backends.test_training import run, spec_for
from swap_assets_tests.fakes import weather_example, write_track

pytestmark = pytest.mark.slow
SECONDS = 120  # no attempt of a few steps may take longer


@pytest.fixture(scope="module")
def straight(tiny: Weights, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainSpec, TrainResult]:
    """A training that nothing interrupts, with dropout and validation, and what it costs."""
    rows = tmp_path_factory.mktemp("resume")
    write_track(rows, [f"City {number}" for number in range(10)], ["Cork", "Thessaloniki"])
    spec = spec_for(tiny, rows, epochs=3, checkpoint_minutes=0)
    return spec, run(spec, rows / "work")


def elsewhere(spec: TrainSpec, folder: Path) -> TrainSpec:
    return spec.model_copy(update={"output": folder / "adapter"})


def in_a_process(work: Callable[[], Any], *, killed_after_s: float | None = None) -> int:
    """Run something in a forked process, killed -9 after so long; return the signal that ended it, 0 for none."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + (SECONDS if killed_after_s is None else killed_after_s)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the training failed"
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            deadline += SECONDS
        time.sleep(0.002)


def die_at_file_operation(number: int, folder: Path) -> None:
    """Make this process kill itself at its `number`-th operation on files of `folder`: opening, renaming, removing."""
    left = [number]

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir") and str(folder) in str(arguments[0]):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_it_ends_in_the_same_weights(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, seed: int
) -> None:
    spec, expected = straight
    choose, longest = random.Random(seed), 0.5 * expected.total_seconds
    for kill in range(3):
        for attempt in range(5):
            moment = choose.uniform(0.05, longest)
            if in_a_process(lambda: run(elsewhere(spec, tmp_path), tmp_path), killed_after_s=moment):
                break
            # It came to its end first: once more from the start, and sooner.
            assert attempt < 4, kill
            shutil.rmtree(tmp_path / "adapter")
            longest /= 2
    assert_same(run(elsewhere(spec, tmp_path), tmp_path), expected)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_while_it_writes_it_ends_in_the_same_weights(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, seed: int
) -> None:
    spec, expected = straight
    choose = random.Random(seed)

    def attempt(number: int) -> None:
        die_at_file_operation(number, tmp_path / "checkpoints")
        run(elsewhere(spec, tmp_path), tmp_path)

    for _ in range(4):
        number = choose.randint(1, 80)
        assert in_a_process(lambda number=number: attempt(number)) in (0, signal.SIGKILL)
    result = run(elsewhere(spec, tmp_path), tmp_path)
    assert_same(result, expected)


def assert_same(result: TrainResult, expected: TrainResult) -> None:
    assert result.adapter_hash == expected.adapter_hash
    assert result.loss_curve == expected.loss_curve
    assert result.validation_curve == expected.validation_curve
    assert (result.steps, result.kept_step, result.train_loss) == (
        expected.steps,
        expected.kept_step,
        expected.train_loss,
    )


def interrupted(spec: TrainSpec, folder: Path, *, after: int) -> Path:
    """Leave in `folder` what a training leaves that is killed once the checkpoint after `after` steps is there."""
    work = elsewhere(spec, folder)

    def attempt() -> None:
        original = Checkpoints.commit

        def commit(self: Checkpoints, progress: Any) -> None:
            original(self, progress)
            if progress.step == after:
                os.kill(os.getpid(), signal.SIGKILL)

        Checkpoints.commit = commit
        run(work, folder)

    assert in_a_process(attempt) == signal.SIGKILL
    return folder / "checkpoints"


def test_it_goes_on_where_it_was_and_says_so(straight: tuple[TrainSpec, TrainResult], tmp_path: Path) -> None:
    spec, expected = straight
    checkpoints = interrupted(spec, tmp_path, after=4)
    assert sorted(path.name for path in checkpoints.iterdir()) == ["checkpoint-3", "checkpoint-4"]
    result = run(elsewhere(spec, tmp_path), tmp_path)
    assert result.resumed_from == (4,)
    assert not checkpoints.exists()
    assert_same(result, expected)


@pytest.mark.parametrize("damage", ["cut", "missing", "changed"])
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, damage: str
) -> None:
    spec, expected = straight
    file = interrupted(spec, tmp_path, after=4) / "checkpoint-4" / "optimizer.pt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content if damage == "changed" else content[:100])
    if damage == "missing":
        file.unlink()
    result = run(elsewhere(spec, tmp_path), tmp_path)
    assert result.resumed_from == (3,)
    assert_same(result, expected)


def test_a_checkpoint_of_another_training_is_refused_and_stays(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = straight
    checkpoints = interrupted(spec, tmp_path, after=4)
    work = elsewhere(spec, tmp_path)
    data = TrackData.model_validate_json(spec.data_file.read_bytes())
    rows = tmp_path / "fewer.json"
    rows.write_text(data.model_copy(update={"train": data.train[1:]}).model_dump_json())
    others = {
        "training.learning_rate: 0.01, now 0.02": {
            "training": spec.training.model_copy(update={"learning_rate": 0.02})
        },
        "lora.r: 4, now 8": {"lora": spec.lora.model_copy(update={"r": 8})},
        "seed: 42, now 7": {"seed": 7},
        "dataset_hash": {"data_file": rows},
        "prompt_hash": {"answer_format": "fledgling-toolcall"},
    }
    for reason, change in others.items():
        with pytest.raises(CheckpointError, match=reason) as refused:
            run(TrainSpec.model_validate({**work.model_dump(), **change}), tmp_path)
        assert "delete the folder" in str(refused.value) and str(checkpoints) in str(refused.value)
    monkeypatch.setattr("swap_assets.backends.methods.checkpoints.code_hash", lambda: "other code")
    with pytest.raises(CheckpointError, match="code_hash"):
        run(work, tmp_path)
    monkeypatch.undo()
    assert run(work, tmp_path).resumed_from == (4,)


def test_a_full_disk_stops_it_clearly_and_the_checkpoint_before_stays_whole(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path
) -> None:
    spec, expected = straight
    said = tmp_path / "said"
    largest = 3_000  # bytes a file may have: less than the optimiser's state, which is written after the adapter

    def attempt() -> None:
        original = Checkpoints.commit

        def commit(self: Checkpoints, progress: Any) -> None:
            original(self, progress)
            if progress.step == 4:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

        Checkpoints.commit = commit
        # The kernel's signal at the limit is ignored, so that the write itself fails, as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            run(elsewhere(spec, tmp_path), tmp_path)
        except CheckpointError as error:
            said.write_text(str(error))

    assert in_a_process(attempt) == 0
    assert "step 5 cannot be written" in said.read_text() and "goes on from step 4" in said.read_text()
    assert_same(run(elsewhere(spec, tmp_path), tmp_path), expected)


def test_a_finished_training_is_not_repeated_unless_its_adapter_is_gone(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path
) -> None:
    spec, expected = straight
    work = elsewhere(spec, tmp_path)
    assert not run(work, tmp_path).reused
    again = run(work, tmp_path)
    assert again.reused and again.adapter_hash == expected.adapter_hash
    shutil.rmtree(work.output)
    assert not run(work, tmp_path).reused
    other = work.model_copy(update={"seed": 7})
    assert not run(other, tmp_path).reused


@pytest.fixture
def misled(straight: tuple[TrainSpec, TrainResult], tmp_path: Path) -> TrainSpec:
    """A training whose loss on held-out rows rises, for they want what the training rows teach it not to say."""
    example = weather_example("Cork")
    answer = example.turns[1].model_copy(update={"calls": (), "text": "~~~~~ZZZZZ~~~~~"})
    odd = example.model_copy(update={"turns": (example.turns[0], answer)})
    data = TrackData.model_validate_json(straight[0].data_file.read_bytes()).model_copy(update={"validation": (odd,)})
    (tmp_path / "odd.json").write_text(data.model_dump_json())
    settings = straight[0].training.model_copy(update={"epochs": 5, "scheduler": "constant", "learning_rate": 0.05})
    return straight[0].model_copy(update={"training": settings, "data_file": tmp_path / "odd.json"})


def test_the_best_epoch_is_kept_or_the_last_as_the_setting_says(misled: TrainSpec, tmp_path: Path) -> None:
    kept = {}
    for keep in ("best", "last"):
        settings = misled.training.model_copy(update={"keep": keep})
        work = elsewhere(misled, tmp_path / keep).model_copy(update={"training": settings})
        kept[keep] = run(work, tmp_path / keep)
    curve = kept["best"].validation_curve
    assert curve == kept["last"].validation_curve
    best = min(curve, key=lambda point: point.loss).step
    assert best < curve[-1].step - 6, "the test needs a best epoch older than the last two checkpoints"
    assert (kept["best"].kept_step, kept["last"].kept_step) == (best, curve[-1].step)
    assert kept["best"].adapter_hash != kept["last"].adapter_hash


def test_training_stops_early_when_patience_ends_interrupted_or_not(misled: TrainSpec, tmp_path: Path) -> None:
    settings = misled.training.model_copy(update={"epochs": 20, "early_stopping_patience": 2})
    spec = misled.model_copy(update={"training": settings})
    expected = run(elsewhere(spec, tmp_path / "straight"), tmp_path / "straight")
    assert expected.steps < 60 and out_of_patience(expected.validation_curve, 2)
    (tmp_path / "killed").mkdir()
    interrupted(spec, tmp_path / "killed", after=expected.steps)
    assert_same(run(elsewhere(spec, tmp_path / "killed"), tmp_path / "killed"), expected)


def test_a_checkpoint_after_each_epoch_and_by_the_clock_between(
    straight: tuple[TrainSpec, TrainResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = straight
    steps: dict[float, list[int]] = {0.0: [], 5.0: []}
    original = Checkpoints.commit
    for minutes, written in steps.items():

        def commit(self: Checkpoints, progress: Any, written: list[int] = written) -> None:
            written.append(progress.step)
            original(self, progress)

        monkeypatch.setattr(Checkpoints, "commit", commit)
        settings = spec.training.model_copy(update={"checkpoint_minutes": minutes})
        folder = tmp_path / str(minutes)
        run(elsewhere(spec, folder).model_copy(update={"training": settings}), folder)
    assert steps == {0.0: [1, 2, 3, 4, 5, 6, 7, 8, 9], 5.0: [3, 6, 9]}
