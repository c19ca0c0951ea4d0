"""The worker under Dagster, on a real ephemeral instance."""

import re
from pathlib import Path

import dagster as dg
import pytest

from swap_assets.backends.processes.specs import MergeSpec, Spec, Tracking, Weights
from swap_assets.defs.resources.processes import ModelProcesses
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets_tests.backends.test_specs import generate_spec
from swap_assets_tests.backends.test_training import spec_for

pytestmark = pytest.mark.slow
LAST_STEP = r"step 6/6, loss \d+\.\d{4} \(of the token that ends an answer \d+\.\d{4}\), \d+ tokens/s, \d+ s left"


def materialize(spec: Spec, folder: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.asset
    def answers(context: dg.AssetExecutionContext, processes: ModelProcesses) -> dg.MaterializeResult:
        (result,) = processes.run_all(context, [(spec, folder)])
        return dg.MaterializeResult(metadata=result.model_dump(mode="json", include={"kind", "asked", "steps"}))

    resources = {"processes": ModelProcesses(store=ExperimentStore())}
    return dg.materialize([answers], resources=resources, instance=instance, raise_on_error=False)


def test_a_worker_runs_inside_an_asset_and_its_progress_is_in_the_log(tmp_path: Path) -> None:
    from swap_assets.backends.engines.generation import write_rows
    from swap_assets_tests.fakes import tiny_model, weather_case

    tiny = Weights(source=str(tiny_model(tmp_path / "tiny")), dtype="float32")
    write_rows(tmp_path / "cases.jsonl", [weather_case("Oslo"), weather_case("Riga")])
    spec = generate_spec(tmp_path).model_copy(update={"weights": tiny, "max_new_tokens": 120, "threads": 1})
    with dg.DagsterInstance.ephemeral() as instance:
        run = materialize(spec, tmp_path / "work", instance)
        messages = [entry.user_message for entry in instance.all_logs(run.run_id)]
    assert run.success
    assert run.asset_materializations_for_node("answers")[0].metadata["asked"].value == 2
    assert any("2 cases, 0 answered already" in message for message in messages)


def test_a_failing_worker_fails_the_step_with_the_end_of_its_stderr(tmp_path: Path) -> None:
    spec = MergeSpec(candidate_id="c", weights=Weights(source="/m"), adapter=tmp_path / "none", output=tmp_path / "o")
    with dg.DagsterInstance.ephemeral() as instance:
        run = materialize(spec, tmp_path / "work", instance)
    failure = run.failure_data_for_node("answers")
    assert failure and failure.user_failure_data and failure.user_failure_data.description
    assert "train the adapter first" in failure.user_failure_data.description


def test_a_training_in_two_processes_reports_and_tracks_once_and_holds_two_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    from swap_assets_tests.fakes import tiny_model, write_track

    weights = Weights(source=str(tiny_model(tmp_path / "tiny")), dtype="float32")
    write_track(tmp_path, [f"Ulm {number}" for number in range(12)])
    monkeypatch.setenv("SWAP_GPU_DEVICES", "fake-0,fake-1,fake-2")
    monkeypatch.setenv("SWAP_GPU_LEASES", str(tmp_path / "leases"))
    tracking = Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}", experiment="e", run_name="r")
    settings = {"processes": 2, "tracking": tracking}
    spec = spec_for(weights, tmp_path).model_copy(update=settings)
    with dg.DagsterInstance.ephemeral() as instance:
        run = materialize(spec, tmp_path / "work", instance)
        messages = [entry.user_message for entry in instance.all_logs(run.run_id)]
    assert run.success
    assert run.asset_materializations_for_node("answers")[0].metadata["steps"].value == 6
    assert messages.count("runs on fake-0, fake-1") == 1
    # Shown while it trains, not at its end: the last step's line comes before the adapter is saved.
    last = next(place for place, text in enumerate(messages) if re.match(LAST_STEP, text))
    assert not [message for message in messages if "unexpected message" in message]
    assert last < next(place for place, text in enumerate(messages) if text.startswith("adapter "))
    assert sum(message.startswith("training: 12 of 12 rows") for message in messages) == 1
    assert sum(" of training" in message and message.startswith("adapter ") for message in messages) == 1
    client = MlflowClient(tracking_uri=tracking.uri)
    experiment = client.get_experiment_by_name("e")
    assert experiment
    assert [found.info.status for found in client.search_runs([experiment.experiment_id])] == ["FINISHED"]
