"""MLflow runs are always closed, and a new store survives processes that use it at once."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.methods.checkpoints import CheckpointError, Checkpoints
from swap_assets.backends.processes.hardware import cpu_count
from swap_assets.backends.processes.spec_building import tracking_uri
from swap_assets.backends.processes.specs import Tracking, Weights
from swap_assets.backends.processes.supervision import WorkerError, run_workers
from swap_assets.backends.tracking.mlflow_runs import (
    TrackingError,
    mark_failed,
    tracked_run,
    tracked_training,
)
from swap_assets_tests.backends.test_training import run as run_training
from swap_assets_tests.backends.test_training import spec_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def tracking(uri: str, name: str = "r") -> Tracking:
    return Tracking(uri=uri, experiment="tests", run_name=name)


def client_of(uri: str):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def run_of(folder: Path) -> str:
    """The run that an interrupted training has left."""
    return json.loads((folder / "mlflow_run.json").read_text())["run_id"]


def look_up(uri: str, run_id: str):
    return client_of(uri).get_run(run_id)


def test_a_run_holds_what_was_logged_and_is_finished(store: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    with tracked_run(tracking(store), params={"r": "16"}, tags={"candidate_id": "c", "empty": ""}) as run:
        run.metrics({"f1": 0.5, "unmeasured": None})
        run.curve("loss", {step: 1 / step for step in range(1, 1203)})
        run.artifact(tmp_path / "note.txt")
    found = look_up(store, run.id)
    assert found.info.status == "FINISHED"
    assert found.data.params["r"] == "16" and found.data.tags["candidate_id"] == "c"
    assert "empty" not in found.data.tags and "unmeasured" not in found.data.metrics
    assert found.data.metrics["loss"] == pytest.approx(1 / 1202)
    assert (Path(store.removeprefix("sqlite:///")).parent / "artifacts" / run.id / "artifacts" / "note.txt").is_file()


@pytest.mark.parametrize(("error", "status"), [(ValueError("broken"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_a_run_whose_work_breaks_off_is_closed_with_the_reason(store: str, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), tracked_run(tracking(store), params={}, tags={}) as run:
        raise error
    found = look_up(store, run.id)
    assert found.info.status == status
    assert type(error).__name__ in found.data.tags["error"]


def test_an_open_run_can_be_marked_failed_and_a_closed_one_stays(store: str) -> None:
    with tracked_run(tracking(store), params={}, tags={}) as run:
        mark_failed(store, run.id, reason="killed")
        assert look_up(store, run.id).info.status == "FAILED"
    assert look_up(store, run.id).info.status == "FINISHED"
    mark_failed(store, run.id, reason="killed")
    assert look_up(store, run.id).info.status == "FINISHED"


def test_a_training_leaves_a_finished_run_with_settings_hashes_and_curves(
    store: str, tiny: Weights, rows: Path
) -> None:
    spec = spec_for(tiny, rows).model_copy(update={"tracking": tracking(store, "training"), "partition": "tiny|s"})
    result = run_training(spec, rows / "work")
    found = look_up(store, result.mlflow_run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params["lora.r"] == "4" and found.data.params["training.epochs"] == "2"
    assert found.data.tags["candidate_id"] == spec.candidate_id and found.data.tags["partition"] == "tiny|s"
    assert found.data.tags["dataset_hash"] == result.dataset_hash
    assert found.data.tags["prompt_hash"] == result.prompt_hash
    assert found.data.params["processes"] == "1" and found.data.params["weights.dtype"] == "float32"
    assert found.data.tags["version.torch"] and found.data.tags["device"] == "cpu"
    assert found.data.tags["hardware.processor"].split(" x ")[0] == str(cpu_count())
    assert found.data.tags["hardware.gpus"] and float(found.data.tags["hardware.memory_gib"]) > 0
    assert found.data.metrics["tokens_per_second"] == result.tokens_per_second > 0
    assert found.data.metrics["peak_memory_mb"] == result.peak_memory_mb > 0
    assert found.data.metrics["rows_per_step"] == 4
    assert found.data.metrics["train_loss"] == pytest.approx(result.loss_curve[-1].loss)
    assert found.data.metrics["validation_loss"] == pytest.approx(result.validation_curve[-1].loss)


def test_a_training_that_fails_leaves_its_losses_and_going_on_adds_to_them(
    store: str, tiny: Weights, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_for(tiny, rows, checkpoint_minutes=0).model_copy(update={"tracking": tracking(store, "failing")})
    original = Checkpoints.commit

    def commit(self: Checkpoints, progress: Any) -> None:
        if progress.step == 4:
            raise OSError("no space left")
        original(self, progress)

    monkeypatch.setattr(Checkpoints, "commit", commit)
    with pytest.raises(CheckpointError):
        run_training(spec, rows / "work")
    run_id = run_of(rows / "work")
    assert look_up(store, run_id).info.status == "FAILED"
    # The loss of the step whose checkpoint could not be written is there too.
    assert [point.step for point in client_of(store).get_metric_history(run_id, "train_loss")] == [1, 2, 3, 4]
    monkeypatch.undo()
    result = run_training(spec, rows / "work")
    assert result.resumed_from == (3,) and result.mlflow_run_id == run_id
    points = client_of(store).get_metric_history(run_id, "train_loss")
    assert sorted(point.step for point in points) == [point.step for point in result.loss_curve]


def test_a_training_that_is_killed_leaves_no_run_open(store: str, tiny: Weights, rows: Path) -> None:
    spec = spec_for(tiny, rows, epochs=30, checkpoint_minutes=0)
    spec = spec.model_copy(update={"tracking": tracking(store, "killed")})
    folder = rows / "work"

    def kill_when_training(_stream: str, line: str) -> None:
        if line.startswith("step ") and not line.startswith("step 1/"):
            children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
            for child in {int(number) for path in children for number in path.read_text().split()}:
                if b"worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)

    with pytest.raises(WorkerError, match="killed by signal 9"):
        run_workers([(spec, folder)], on_line=kill_when_training)
    found = look_up(store, run_of(folder))
    assert found.info.status == "FAILED"
    # Started again it goes on, in the same run.
    settings = spec.training.model_copy(update={"checkpoint_minutes": 5.0})
    result = run_training(spec.model_copy(update={"training": settings}), folder)
    assert result.resumed_from
    again = look_up(store, result.mlflow_run_id)
    assert again.info.run_id == found.info.run_id and again.info.status == "FINISHED"
    assert "error" not in again.data.tags
    points = client_of(store).get_metric_history(result.mlflow_run_id, "train_loss")
    assert sorted(point.step for point in points) == [point.step for point in result.loss_curve]


def test_of_two_that_train_in_one_folder_the_second_waits_and_takes_the_firsts_result(
    store: str, tiny: Weights, rows: Path
) -> None:
    """They trained side by side: one removed the files of the other, which died of it beside a good adapter."""
    spec = spec_for(tiny, rows, epochs=2).model_copy(update={"tracking": tracking(store, "twice")})
    lines: list[list[str]] = [[], []]

    def one(number: int) -> Any:
        return run_workers([(spec, rows / "work")], on_line=lambda _, line: lines[number].append(line))[0]

    with ThreadPoolExecutor() as both:
        first, second = sorted(both.map(one, (0, 1)), key=lambda result: result.reused)
    assert (first.reused, second.reused) == (False, True)
    assert first.adapter_hash == second.adapter_hash and first.mlflow_run_id == second.mlflow_run_id
    told = [line for said in lines for line in said if "another process works in" in line]
    assert len(told) == 1 and "waits for its end" in told[0]
    assert look_up(store, first.mlflow_run_id).info.status == "FINISHED"


def test_a_run_that_a_training_with_other_settings_left_open_is_closed(store: str, tiny: Weights, rows: Path) -> None:
    spec = spec_for(tiny, rows, epochs=1).model_copy(update={"tracking": tracking(store, "left")})
    with pytest.raises(ZeroDivisionError), tracked_training(spec, {}, {"seed": "1"}, folder=rows) as left:
        raise ZeroDivisionError
    client_of(store).update_run(left.id, status="RUNNING")  # as if killed together with its parent
    with tracked_training(spec, {}, {"seed": "2"}, folder=rows) as other:
        assert other.id != left.id
    assert look_up(store, left.id).info.status == "FAILED"


def test_a_kill_in_the_middle_of_a_new_stores_making_leaves_nothing_that_never_opens(tmp_path: Path) -> None:
    code = (
        "import sys; from swap_assets.backends.tracking.mlflow_runs import tracked_run\n"
        "from swap_assets.backends.processes.specs import *\n"
        "with tracked_run(Tracking(uri=sys.argv[1], experiment='e', run_name='r'), params={}, tags={}): pass\n"
    )
    killed = (  # a table is there, and not yet the note that it is
        "import os; from alembic.runtime.migration import HeadMaintainer as Noting\n"
        "def note(self, step, note=Noting.update_to_step):\n"
        "    base = self.context.connection\n"
        "    return os.kill(os.getpid(), 9) if base.dialect.has_table(base, 'assessments') else note(self, step)\n"
        "Noting.update_to_step = note\n"
    )
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert subprocess.run([sys.executable, "-c", killed + code, uri], timeout=200, capture_output=True).returncode == -9
    subprocess.run([sys.executable, "-c", code, uri], check=True, timeout=200, capture_output=True)
    assert not (tmp_path / "mlflow.db.part").exists()


def test_four_processes_may_touch_a_new_store_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from swap_assets.backends.tracking.mlflow_runs import tracked_run\n"
        "from swap_assets.backends.processes.specs import *\n"
        "for i in range(3):\n"
        "    with tracked_run(Tracking(uri=sys.argv[1], experiment='e', run_name=str(i)), params={}, tags={}) as run:\n"
        "        run.metrics({'m': i})\n"
    )
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    children = [
        subprocess.Popen([sys.executable, "-c", code, uri], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    errors = [child.communicate(timeout=300)[1] for child in children]
    assert [child.returncode for child in children] == [0] * 4, errors
    client = client_of(uri)
    experiment = client.get_experiment_by_name("e")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 12 and {run.info.status for run in runs} == {"FINISHED"}


def test_the_password_of_a_tracking_server_stays_out_of_the_address_that_specs_hold(monkeypatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    assert tracking_uri("https://ada:s%40cret@mlflow.example:5000/path") == "https://mlflow.example:5000/path"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("ada", "s@cret")
    assert tracking_uri("sqlite:////tmp/mlflow.db") == "sqlite:////tmp/mlflow.db"
    with pytest.raises(TrackingError, match="another way") as refused:
        tracking_uri("postgresql://ada:secret@db/mlflow")
    assert "secret" not in str(refused.value)
