"""The whole graph on a real ephemeral instance, with small random models and real processes, training and server."""

import json
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
import yaml

from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Candidate
from swap_assets.domain.model import EvalCase
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.tables import cell
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.tracks import TrackData
from swap_assets.domain.weights import LoraAdapter, MergedModel, PublishedModel
from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.defs.laboratory import EVALUATIONS, MODEL_ASSETS, OVERRIDE, SCALE_ASSETS, Laboratory, perfect
from swap_assets_tests.fakes import tiny_model
from swap_assets_tests.hub_stand_in import HubServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    for name, seed in (("little", 1), ("big", 2)):
        tiny_model(folder / "models" / name, seed=seed)
    with dg.DagsterInstance.ephemeral() as instance:
        made = Laboratory(folder, instance)
        made.materialize("hermes_conversations", "quarantined_conversations", "dataset_profile")
        made.materialize(*SCALE_ASSETS, partition="tiny")
        made.materialize(*MODEL_ASSETS, partition="little|tiny")
        made.materialize("comparison_report", partition="tiny")
        made.materialize("scale_up_decision", partition="tiny")
        made.materialize("sealed_llm_evaluation", "release_decision", partition="little|tiny")
        yield made
    patch.undo()


def _metadata(laboratory, name):
    event = laboratory.instance.get_latest_materialization_event(dg.AssetKey(name))
    return event.asset_materialization.metadata


def test_every_candidate_answered_every_test_row(laboratory):
    cases = {
        case.id
        for name in SCALE_ASSETS
        if name.endswith("_test")
        for case in laboratory.store.read(name, "tiny", list[EvalCase])
    }
    for asset, partition in (("llm_baseline", "tiny"), ("slm_baseline", "little|tiny")):
        evaluation = laboratory.store.read(asset, partition, Evaluation)
        for result in evaluation.results.values():
            assert {row.case_id for row in result.rows} == cases
            assert result.summary.unscored == 0


def test_the_paper_adapter_is_real_and_says_how_it_was_made(laboratory):
    adapter = laboratory.store.read("paper_adapter", "little|tiny", LoraAdapter)
    folder = Path(adapter.folder)
    assert (folder / "adapter_model.safetensors").exists()
    card = json.loads((folder / "swap_adapter.json").read_text())
    assert card["prompt_hash"] == adapter.prompt_hash != ""
    assert card["dataset_hash"] == adapter.dataset_hash != ""
    shown = _metadata(laboratory, "paper_adapter")
    # What is trained stands between the brackets: the calls, and nothing of what the user says.
    assert "⟦<tool_call>" in shown["trained_text"].value
    assert "| lost to it | 0 |" in shown["rows"].value and "| trained on | 6 |" in shown["rows"].value
    assert "estimate" in shown["memory"].value and shown["tokens_per_second"].value > 0


def test_the_fledgling_pair_is_one_candidate_with_a_score_in_each_track(laboratory):
    assert laboratory.store.read("fine_tune_decision", "little|tiny", Decision).action == "train"
    evaluation = laboratory.store.read("fledgling_evaluation", "little|tiny", Evaluation)
    answer_formats = {track.value: result.summary.answer_format.name for track, result in evaluation.results.items()}
    assert answer_formats == {"toolcall": "fledgling-toolcall", "structured": "fledgling-structured"}
    # Each row knows the test splits that chose it: a criterion judges the rows of its own.
    assert all(row.splits for result in evaluation.results.values() for row in result.rows)


def test_where_no_training_is_needed_the_adapters_are_skipped_by_decision(laboratory):
    decision = laboratory.store.read("fine_tune_decision", "little|tiny", Decision)
    for asset in ("structured_track", "toolcall_track"):
        value = laboratory.store.read(asset, "tiny", TrackData)
        laboratory.store.write(asset, "small", value, kind=TrackData)
    enough = decision.model_copy(update={"action": "skip", "verdict": "pass", "scale": "small"})
    laboratory.store.write("fine_tune_decision", "little|small", enough, kind=Decision)
    for asset in ("fledgling_structured_adapter", "fledgling_toolcall_adapter"):
        laboratory.materialize(asset, partition="little|small")
        skipped = laboratory.store.read(asset, "little|small", LoraAdapter)
        assert (skipped.status, skipped.reason) == ("skipped", enough.reason)


def test_the_report_names_the_model_that_nobody_materialised(laboratory):
    report = laboratory.store.read("comparison_report", "tiny", Report)
    statuses = {note.candidate_id: note.status for note in report.candidates}
    assert statuses["little--tiny--paper--greedy--adapter"] == "evaluated"
    assert statuses["little-r4--tiny--paper--greedy--adapter"] == "absent"
    text = (laboratory.folder / "state/work/reports/tiny/report.md").read_text()
    assert cell(report.verdict.sentence) in text
    assert "Made by the tests." in text


def _ids(path: Path) -> list[str]:
    table = pq.read_table(path)
    return table["id"].to_pylist() if "id" in table.column_names else []


def test_a_source_row_is_written_five_times_on_its_way_to_the_report(laboratory):
    """As a conversation, a case, a record, a score and a row of the report: decision 0007.

    Lists of ids (the split, the leakage index) are no rows; the report's files and MLflow's hold what its value holds.
    """
    failures = laboratory.store.read("comparison_report", "tiny", Report).examples.failures
    case_id = next(example.case_id for examples in failures.values() for example in examples)
    conversation, state = case_id.split(":")[0], laboratory.folder / "state"
    places = {
        path.relative_to(state).parts[:2]
        for path in state.rglob("*.*")
        if (path.suffix in {".json", ".jsonl"} and case_id in path.read_text(encoding="utf-8"))
        or (path.suffix == ".parquet" and {case_id, conversation} & set(_ids(path)))
    }
    renderings = {place for place in places if place == ("work", "reports") or place[0] == "artifacts"}
    cases = {("assets", name) for name in SCALE_ASSETS if name.endswith("_test")}
    scores = {("assets", name) for name in EVALUATIONS}
    assert places & cases and places & scores
    assert places - cases - scores - renderings == {
        ("assets", "hermes_conversations"), ("work", "answers"), ("assets", "comparison_report"),
    }  # fmt: skip


def test_every_asset_shows_a_person_something(laboratory):
    for name in (*SCALE_ASSETS, *MODEL_ASSETS, "comparison_report", "scale_up_decision", "release_decision"):
        assert len(_metadata(laboratory, name)) >= 3, name
    assert "| metric |" in _metadata(laboratory, "llm_baseline")["toolcall_metrics"].value


def test_the_success_criteria_and_whether_answers_end_stand_beside_the_evaluation(laboratory):
    event = laboratory.instance.get_latest_materialization_event(dg.AssetKey("paper_evaluation"))
    checks = laboratory.instance.get_records_for_run(
        event.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    names = {
        record.event_log_entry.dagster_event.event_specific_data.check_name
        for record in checks
        if record.event_log_entry.dagster_event.event_specific_data.asset_key == dg.AssetKey("paper_evaluation")
    }
    assert len(names - {"answers_end"}) == 12 == len(names) - 1


def test_mlflow_holds_one_finished_run_for_each_training_and_evaluation(laboratory):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{laboratory.folder / 'state' / 'mlflow.db'}")
    (experiment,) = [item for item in client.search_experiments() if item.name == "tests"]
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    kinds = sorted(run.data.tags["kind"] for run in runs)
    assert kinds == ["evaluation"] * 4 + ["report"] + ["training"] * 3
    for run in (run for run in runs if run.data.tags["kind"] != "report"):
        assert run.data.tags["candidate_id"]
        assert run.data.tags["dataset_hash"]
        assert run.data.tags["prompt_hash"]


def test_the_release_is_decided_on_sealed_rows_that_no_evaluation_saw(laboratory):
    decision = laboratory.store.read("release_decision", "little|tiny", Decision)
    assert [item.on for item in decision.contrasts][-1] == "release_test"
    assert "sealed rows" in decision.reason


def test_merging_by_hand_without_a_pass_is_refused_and_an_override_is_recorded(laboratory):
    decision = laboratory.store.read("release_decision", "little|tiny", Decision)
    if decision.action != "release":
        refused = laboratory.materialize("merged_model", partition="little|tiny", raises=False)
        assert not refused.success
        assert "says wait" in refused.failure_data_for_node("merged_model").error.to_string()
    laboratory.materialize("merged_model", partition="little|tiny", run_config=OVERRIDE)
    merged = laboratory.store.read("merged_model", "little|tiny", MergedModel)
    assert merged.override == "Ada: a test of merging"
    assert merged.candidate_id.endswith("--merged")
    for folder in merged.folders.values():
        assert (Path(folder) / "model.safetensors").exists()
        assert [path.name for path in Path(folder).parent.iterdir() if path.is_dir()] == ["model"]


def test_the_merged_model_is_scored_again_on_the_rows_of_its_adapter_and_stands_in_the_report(laboratory):
    merged = laboratory.store.read("merged_model", "little|tiny", MergedModel)
    chosen = laboratory.store.read("release_decision", "little|tiny", Decision).candidates[0]
    before = laboratory.store.read(f"{Candidate.from_id(chosen).approach}_evaluation", "little|tiny", Evaluation)
    assert merged.evaluation.dataset_hash == before.dataset_hash
    assert merged.evaluation.results.keys() == before.results.keys() == {item.track for item in merged.contrasts}
    laboratory.materialize("comparison_report", partition="tiny")
    report = laboratory.store.read("comparison_report", "tiny", Report)
    assert merged.candidate_id in {figure.candidate_id for figure in report.figures}
    assert _metadata(laboratory, "merged_model")["mlflow_run"].value != "not tracked"


def test_the_merged_model_is_published_where_the_experiment_says_so_and_only_once(laboratory, monkeypatch):
    laboratory.materialize("published_model", partition="little|tiny")
    assert laboratory.store.read("published_model", "little|tiny", PublishedModel).status == "skipped"
    told = EXPERIMENT.read_text(encoding="utf-8") + "publish: {repo_id: 'org/agent-{model}'}\n"
    (laboratory.folder / "published.yaml").write_text(told, encoding="utf-8")
    with HubServer() as hub, monkeypatch.context() as patch:
        hub.put_in_force(patch, laboratory.folder / "cache")
        patch.setenv("SWAP_CONFIG", str(laboratory.folder / "published.yaml"))
        patch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_writer")
        for status in ("published", "unchanged"):
            load_experiment.cache_clear()
            laboratory.materialize("published_model", partition="little|tiny")
            assert laboratory.store.read("published_model", "little|tiny", PublishedModel).status == status
        assert [name for name, _ in hub.commits] == ["org/agent-little"]
        readme = hub.models["org/agent-little"]["README.md"].decode()
    load_experiment.cache_clear()
    assert "Ada: a test of merging" in readme
    assert "model-index:" in readme
    assert str(laboratory.folder) not in readme


def test_a_merge_that_scores_below_its_adapter_is_blocked_and_nothing_takes_its_place(laboratory):
    decision = laboratory.store.read("release_decision", "little|tiny", Decision)
    name = f"{Candidate.from_id(decision.candidates[0]).approach}_evaluation"
    before = laboratory.store.read(name, "little|tiny", Evaluation)
    laboratory.store.write(name, "little|tiny", perfect(before), kind=Evaluation)
    refused = laboratory.materialize("merged_model", partition="little|tiny", run_config=OVERRIDE, raises=False)
    assert "rests on an older" in refused.failure_data_for_node("merged_model").error.to_string()
    renewed = {**decision.hashes, before.candidate.id: perfect(before).evidence_hash()}
    laboratory.store.write(
        "release_decision", "little|tiny", decision.model_copy(update={"hashes": renewed}), kind=Decision
    )
    kept = laboratory.store.read("merged_model", "little|tiny", MergedModel)
    blocked = laboratory.materialize("merged_model", partition="little|tiny", run_config=OVERRIDE, raises=False)
    assert "scores below its adapter" in blocked.failure_data_for_node("merged_model").error.to_string()
    (check,) = blocked.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("no_drop_after_merging", False)
    assert laboratory.store.read("merged_model", "little|tiny", MergedModel) == kept
    for folder in map(Path, kept.folders.values()):
        assert (folder / "model.safetensors").exists()
        assert (folder.with_name("blocked") / "model.safetensors").exists()
    laboratory.materialize("comparison_report", partition="tiny")
    notes = laboratory.store.read("comparison_report", "tiny", Report).candidates
    assert next(note for note in notes if note.candidate_id == kept.candidate_id).status == "failed"
    for asset, value, kind in ((name, before, Evaluation), ("release_decision", decision, Decision)):
        laboratory.store.write(asset, "little|tiny", value, kind=kind)


def test_where_the_untouched_base_is_named_nothing_is_merged_and_its_own_evaluation_stands(laboratory):
    decision = laboratory.store.read("release_decision", "little|tiny", Decision)
    base = laboratory.store.read("slm_baseline", "little|tiny", Evaluation)
    named = decision.model_copy(update={"candidates": (base.candidate.id,)})
    laboratory.store.write("release_decision", "little|tiny", named, kind=Decision)
    laboratory.materialize("merged_model", partition="little|tiny", run_config=OVERRIDE)
    value = laboratory.store.read("merged_model", "little|tiny", MergedModel)
    assert (value.candidate_id, value.folders, value.evaluation) == (base.candidate.id, {}, base)
    laboratory.store.write("release_decision", "little|tiny", decision, kind=Decision)


def test_the_same_questions_again_change_no_data_version(laboratory):
    def version():
        event = laboratory.instance.get_latest_materialization_event(dg.AssetKey("slm_baseline"))
        return event.asset_materialization.tags["dagster/data_version"]

    before = version()
    laboratory.materialize("slm_baseline", partition="little|tiny")
    assert version() == before


def test_constrained_answers_are_measured_where_the_model_asks_for_them_and_skipped_elsewhere(laboratory, monkeypatch):
    name, partition = "paper_constrained_evaluation", "little|tiny"
    laboratory.materialize(name, partition=partition)
    skipped = laboratory.store.read(name, partition, Evaluation)
    assert (skipped.status, skipped.reason) == ("skipped", "models.little.decoding does not list constrained")
    settings = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    settings["models"]["little"]["decoding"] = ["greedy", "constrained"]
    (laboratory.folder / "constrained.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    monkeypatch.setenv("SWAP_CONFIG", str(laboratory.folder / "constrained.yaml"))
    load_experiment.cache_clear()
    laboratory.materialize(name, partition=partition)
    measured = laboratory.store.read(name, partition, Evaluation)
    greedy = laboratory.store.read("paper_evaluation", partition, Evaluation)
    assert measured.candidate.id == "little--tiny--paper--constrained--adapter"
    assert (measured.status, measured.dataset_hash) == ("evaluated", greedy.dataset_hash)
    assert measured.artefact_hash == greedy.artefact_hash  # the same weights, decoded otherwise
    (result,), (before,) = measured.results.values(), greedy.results.values()
    assert {row.case_id for row in result.rows} == {row.case_id for row in before.rows}
    assert [row.failure for row in result.rows] != [row.failure for row in before.rows] or result.rows != before.rows
    assert ExperimentStore().artefacts(measured) == ExperimentStore().artefacts(greedy) != []
    load_experiment.cache_clear()
