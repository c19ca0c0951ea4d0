"""What a person does beside the sensors: merging by hand, words given in the UI, pasting what was suggested."""

import dagster as dg
import pytest
import yaml

from swap_assets.backends.datasets.loading import SourceError
from swap_assets.backends.hub.access import HubUnreachableError
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.defs import dataset
from swap_assets.defs.monitoring import failed_run_alert
from swap_assets.defs.release import merged_model, release_decision
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.suggestions import suggest
from swap_assets.domain.keys import base, hosted, tuned
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.defs.scenarios import Scenario
from swap_assets_tests.domain.evaluations import evaluation, shares

KEY = "little|small"


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Scenario(instance)


@pytest.fixture
def other_settings(scenario, tmp_path, monkeypatch):
    """Put a changed experiment file in force and return the scenario as Dagster sees it after a fresh start."""

    def change(how) -> Scenario:
        settings = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
        how(settings)
        (tmp_path / "swap.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        load_experiment.cache_clear()
        experiment = load_experiment(tmp_path / "swap.yaml")
        monkeypatch.setattr("swap_assets.defs.resources.store.experiment_in_force", lambda: experiment)
        return Scenario(scenario.instance)

    return change


def _materialize(scenario, asset, partition=None, **config):
    """Materialise one asset and return why that failed, "" where it did not."""
    done = dg.materialize(
        [asset, release_decision], selection=[asset], instance=scenario.instance, partition_key=partition,
        resources=scenario.resources,
        run_config={"ops": {asset.op.name: {"config": config}}} if config else None, raise_on_error=False,
    )  # fmt: skip
    failures = [event for event in done.all_events if event.is_step_failure]
    return failures[0].step_failure_data.user_failure_data.description if failures else ""


def _decided(scenario, *, sealed=100):
    scenario.root()
    for scale in ("tiny", "small"):
        scenario.baselines(llm=100, slm=20, scale=scale)
        scenario.trained({("little", "paper"): 100, ("little-r4", "paper"): 100}, scale)
        scenario.decide_scale_up(scale)
    return scenario.decide_release("little", "small", sealed=sealed)


@pytest.fixture
def merges(monkeypatch):
    """Stop where a merge would begin, and count how often one is reached."""
    reached = []

    def begin(context, store, processes, decision):
        reached.append(decision)
        raise dg.Failure(description="a merge would begin here", allow_retries=False)

    monkeypatch.setattr("swap_assets.defs.release._scored_again", begin)
    return reached


def _said_in_the_ui(scenario, text):
    scenario.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "release_approval", partition=dg.MultiPartitionKey({"model": "little", "scale": "small"}), description=text
        )
    )


def test_merging_by_hand_without_a_pass_is_refused_with_the_reason(scenario, merges):
    decision = _decided(scenario, sealed=60)
    told = _materialize(scenario, merged_model, KEY)
    assert "says wait, so nothing is merged" in told and decision.reason in told
    assert not merges


def test_merging_by_hand_waits_for_the_person_and_then_hears_what_was_said_in_the_ui(scenario, merges):
    """The sensors that look for words are off by default."""
    _decided(scenario)
    assert "Waiting for a person" in _materialize(scenario, merged_model, KEY)
    _said_in_the_ui(scenario, "rejected by Grace: too slow on Mondays")
    assert "rejected by Grace" in _materialize(scenario, merged_model, KEY)
    assert not merges
    _said_in_the_ui(scenario, "approved by Grace: it was a Monday")
    assert _materialize(scenario, merged_model, KEY) == "a merge would begin here"
    assert scenario.store.state().approvals[KEY].by == "Grace"


def test_merging_by_hand_on_evidence_that_was_measured_again_is_refused(scenario, merges):
    _decided(scenario)
    _said_in_the_ui(scenario, "approved by Grace: looked at fifty answers")
    scenario.measure(hosted("big", "small"), 90)
    told = _materialize(scenario, merged_model, KEY)
    assert "is stale: big--small--none--greedy--hosted has been measured again since" in told
    assert not merges


def test_half_an_override_is_refused_and_a_whole_one_goes_against_the_gate(scenario, merges):
    _decided(scenario, sealed=60)
    for half in (
        {"override_by": "Ada"},
        {"override_reason": "a pilot"},
        {"override_by": "Ada", "override_reason": " a "},
    ):
        assert "an override takes both" in _materialize(scenario, merged_model, KEY, **half)
    assert not merges
    whole = {"override_by": "Ada", "override_reason": "a pilot"}
    assert _materialize(scenario, merged_model, KEY, **whole) == "a merge would begin here"


def test_a_variant_that_was_pasted_is_measured_trained_and_waited_for_beside_the_others(scenario, other_settings):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    both = [("little", "paper"), ("little", "fledgling"), ("little-r4", "paper"), ("little-r4", "fledgling")]
    scenario.trained(dict.fromkeys(both, 30))
    assert scenario.decide_scale_up().action == "iterate"
    for name in ("scale_up_gate", "model_baseline_gate", "fine_tune_gate", "report_ready"):
        scenario.run(name)
    (rank, *_) = suggest(scenario.store.experiment, tuned("little", "tiny", "paper").id)
    scenario = other_settings(lambda data: data["models"].update(yaml.safe_load(rank.line)))
    assert scenario.asked("model_baseline_gate") == [("model_baseline", "little-r4b|tiny")]
    assert "fine_tune_decision for little-r4b|tiny" in scenario.ask("report_ready")
    scenario.measure(base("little-r4b", "tiny"), 20)
    scenario.decide_training()
    requested = scenario.ask("fine_tune_gate")
    assert [one.partition_key for one in requested] == ["little-r4b|tiny"]
    scenario.trained({("little-r4b", "paper"): 85, ("little-r4b", "fledgling"): 10})
    assert scenario.asked("report_ready")[0] == ("report", "tiny")
    assert scenario.decide_scale_up().candidates == (tuned("little-r4b", "tiny", "paper").id,)


def test_more_data_that_was_pasted_in_place_of_a_scale_starts_that_scale(scenario, other_settings):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.trained({("little", "paper"): 30, ("little-r4", "paper"): 30})
    scenario.decide_scale_up()
    scenario.run("scale_up_gate")
    more = suggest(scenario.store.experiment, tuned("little", "tiny", "paper").id)[-1]

    def paste(data):
        del data["scales"]["tiny"]
        data["scales"] = yaml.safe_load(more.line) | data["scales"]

    assert other_settings(paste).asked("scale_up_gate") == [("baseline", "tiny-x3")]


def test_a_model_that_left_the_experiment_file_leaves_stale_decisions_and_no_crash(scenario, other_settings):
    _decided(scenario)
    scenario = other_settings(lambda data: data["models"].pop("little-r4"))
    told = scenario.ask("release_gate")
    assert "is stale" in told or "has not been made" in told
    assert [item.name for item in scenario.store.state().decisions_of("small")].count("scale_up_decision") == 0


def test_candidates_of_packed_rows_are_waited_for_and_go_on_under_their_recipe(scenario, other_settings):
    scenario = other_settings(lambda data: data["approaches"]["paper"]["training"].update(packing=True))
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.trained({("little", "fledgling"): 10, ("little-r4", "fledgling"): 10})
    assert "waiting for little--tiny--paper-packed--greedy--adapter" in scenario.ask("report_ready")
    for model, right in (("little", 90), ("little-r4", 10)):
        scenario.measure(scenario.store.experiment.tuned_candidate("paper", model=model, scale="tiny"), right)
    assert scenario.decide_scale_up().candidates == ("little--tiny--paper-packed--greedy--adapter",)
    scenario.baselines(llm=90, slm=20, scale="small")
    last = scenario.ask("fine_tune_gate")[-1]
    assert last.partition_key == KEY
    assert {key.to_user_string() for key in last.asset_selection} == {"paper_adapter", "paper_evaluation"}


def test_other_training_rows_train_again_and_the_same_ones_do_not(scenario):
    scenario.root()
    scenario.tracks("v1")
    scenario.baselines(llm=90, slm=20)
    assert scenario.run("fine_tune_gate") == 2
    scenario.tracks("v1")
    assert scenario.run("fine_tune_gate") == 0
    scenario.tracks("v2")
    scenario.tracks("v9", scale="small")
    assert scenario.run("fine_tune_gate") == 2


def test_nothing_is_trained_while_a_scales_rows_are_being_written(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.run("scale_up_gate", dg.DagsterRunStatus.STARTED)
    assert "baseline for tiny is still running" in scenario.ask("fine_tune_gate")


def test_the_same_figures_from_other_rows_are_other_evidence(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=50)
    decision = scenario.store.state().decision("fine_tune_decision", "little|tiny")
    assert not scenario.store.state().stale(decision)
    candidate = base("little", "tiny")
    mirrored = evaluation(candidate, shares(50, 100)[::-1])
    assert (
        mirrored.results[Track.TOOLCALL].summary
        == evaluation(candidate, shares(50, 100)).results[Track.TOOLCALL].summary
    )
    scenario.store.write("slm_baseline", "little|tiny", mirrored, kind=Evaluation)
    assert "has been measured again" in scenario.store.state().stale(decision)
    assert ("train_and_evaluate", "little|tiny") not in scenario.asked("fine_tune_gate")


def test_a_run_that_was_lost_and_will_be_started_again_is_waited_for(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.run("fine_tune_gate", dg.DagsterRunStatus.STARTED)
    for run in scenario.instance.get_runs():
        scenario.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
        scenario.instance.report_run_failed(scenario.instance.get_run_by_id(run.run_id))
    assert "a run for little|tiny" in scenario.ask("report_ready")


@pytest.mark.parametrize(
    ("error", "times"), [(HubUnreachableError("no route to the hub"), 4), (SourceError("no file"), 1)]
)
def test_reading_the_source_is_tried_again_where_that_may_help(scenario, monkeypatch, error, times):
    tried = []

    def read(source):
        tried.append(source)
        raise SourceError(str(error)) from error

    monkeypatch.setattr("swap_assets.defs.resources.store.load_sources", read)
    monkeypatch.setattr("swap_assets.defs.resources.store.RETRY_AFTER_S", 0)
    assert _materialize(scenario, dataset.conversations) == str(error)
    assert len(tried) == times
    assert scenario.store.folder.failure("hermes_conversations", None) == str(error)


def test_a_failed_run_is_told_with_where_it_failed(scenario, monkeypatch):
    @dg.op
    def hopeless():
        raise ValueError("no")

    @dg.job
    def doomed():
        hopeless()

    posted = []
    monkeypatch.setattr("swap_assets.defs.resources.tracking.post_alert", lambda text: posted.append(text) or "posted")
    done = doomed.execute_in_process(instance=scenario.instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_run_alert", dagster_event=done.get_run_failure_event(), dagster_instance=scenario.instance,
        dagster_run=done.dagster_run, resources={"tracking": scenario.resources["tracking"]},
    )  # fmt: skip
    with context.for_run_failure() as failure:
        failed_run_alert(failure)
    assert posted == [f"tests: run {done.run_id[:8]} of doomed  failed at hopeless."]
    assert failed_run_alert.default_status is dg.DefaultSensorStatus.RUNNING
