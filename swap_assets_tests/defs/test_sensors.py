"""The sensors on recorded evidence: every path through the experiment, and that each decision acts exactly once."""

import dagster as dg
import yaml

from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.defs.gates import sensors
from swap_assets.domain.keys import Decoding, base, hosted, tuned
from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.defs.scenarios import MODELS, Scenario, at_the_last_scale, trained_all

SENSORS = ("scale_up_gate", "model_baseline_gate", "fine_tune_gate", "report_ready", "release_gate")


def test_before_the_conversations_are_there_every_sensor_waits_and_says_so(scenario):
    for name in SENSORS:
        assert "hermes_conversations has not been materialised" in scenario.ask(name)


def test_the_conversations_alone_start_the_first_scale_and_no_other(scenario):
    scenario.root()
    assert scenario.asked("scale_up_gate") == [("baseline", "tiny")]
    assert [scenario.asked(name) for name in SENSORS[1:]] == [[], [], [], []]


def test_the_llms_answers_start_the_untouched_models_of_that_scale(scenario):
    scenario.root()
    scenario.measure(hosted("big", "tiny"), 90)
    assert scenario.asked("model_baseline_gate") == [("model_baseline", f"{model}|tiny") for model in MODELS]


def test_models_wait_while_the_scales_rows_are_still_being_written(scenario):
    scenario.root()
    scenario.run("scale_up_gate", dg.DagsterRunStatus.STARTED)
    scenario.measure(hosted("big", "tiny"), 90)
    assert "baseline for tiny is still running" in scenario.ask("model_baseline_gate")


def test_a_decision_to_train_starts_training_for_exactly_that_model_and_scale(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    assert scenario.asked("fine_tune_gate") == [("train_and_evaluate", f"{model}|tiny") for model in MODELS]
    (first, _) = scenario.ask("fine_tune_gate")
    assert {key.to_user_string() for key in first.asset_selection} == {
        "paper_adapter", "paper_evaluation",
        "fledgling_structured_adapter", "fledgling_toolcall_adapter", "fledgling_evaluation",
    }  # fmt: skip


def test_a_constrained_variant_is_started_and_waited_for_only_where_it_is_asked_for(scenario, tmp_path, monkeypatch):
    settings = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    settings["models"]["little-r4"]["decoding"] = ["greedy", "constrained"]
    (tmp_path / "swap.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    experiment = load_experiment(tmp_path / "swap.yaml")
    monkeypatch.setattr("swap_assets.defs.resources.store.experiment_in_force", lambda: experiment)
    scenario = Scenario(scenario.instance)
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    started = [{key.to_user_string() for key in one.asset_selection} for one in scenario.ask("fine_tune_gate")]
    assert [{name for name in assets if "constrained" in name} for assets in started] == [
        set(), {"paper_constrained_evaluation", "fledgling_constrained_evaluation"},
    ]  # fmt: skip
    trained_all(scenario, 50)
    assert "waiting for little-r4--tiny--fledgling--constrained--adapter" in scenario.ask("report_ready")
    for approach in ("paper", "fledgling"):
        scenario.measure(tuned("little-r4", "tiny", approach, decoding=Decoding.CONSTRAINED), 60)
    assert scenario.asked("report_ready") == [("report", "tiny")]


def test_no_training_needed_trains_only_what_the_experiment_always_trains(scenario):
    scenario.root()
    scenario.baselines(llm=20, slm=100)
    (first, _) = scenario.ask("fine_tune_gate")
    assert {key.to_user_string() for key in first.asset_selection} == {"paper_adapter", "paper_evaluation"}


def test_no_training_needed_at_all_skips_with_the_reason_and_the_report_is_ready(scenario, tmp_path, monkeypatch):
    text = EXPERIMENT.read_text(encoding="utf-8").replace("trains: always", "trains: when_gate_says")
    (tmp_path / "swap.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(tmp_path / "swap.yaml")
    monkeypatch.setattr("swap_assets.defs.resources.store.experiment_in_force", lambda: experiment)
    scenario = Scenario(scenario.instance)
    scenario.root()
    scenario.baselines(llm=20, slm=100)
    assert "no training needed" in scenario.ask("fine_tune_gate")
    assert scenario.asked("report_ready") == [("report", "tiny")]


def test_an_inconclusive_decision_acts_as_the_policy_says(scenario):
    scenario.root()
    scenario.baselines(llm=50, slm=50)
    decision = scenario.store.state().decision("fine_tune_decision", "little|tiny")
    assert (decision.verdict, decision.action) == ("inconclusive", "train")
    assert len(scenario.asked("fine_tune_gate")) == 2


def test_the_report_is_ready_once_nothing_expected_is_outstanding(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.trained({("little", "paper"): 80, ("little", "fledgling"): 70, ("little-r4", "paper"): 60})
    assert "waiting for little-r4--tiny--fledgling--greedy--adapter" in scenario.ask("report_ready")
    scenario.store.folder.record_failure("fledgling_toolcall_adapter", "little-r4|tiny", "out of memory")
    assert scenario.run("report_ready") == 1
    assert "was started on this evidence" in scenario.ask("report_ready")


def test_a_run_that_died_without_a_word_is_not_waited_for(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.run("fine_tune_gate", dg.DagsterRunStatus.STARTED)
    assert "a run for little|tiny" in scenario.ask("report_ready")
    for run in scenario.instance.get_runs():
        scenario.instance.report_run_failed(run)
    assert scenario.asked("report_ready") == [("report", "tiny")]


def test_a_clear_winner_alone_goes_on_to_the_next_scale(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    trained_all(scenario, 10)
    scenario.trained({("little", "paper"): 90})
    assert scenario.decide_scale_up().candidates == (tuned("little", "tiny", "paper").id,)
    assert ("baseline", "small") in scenario.asked("scale_up_gate")
    scenario.measure(hosted("big", "small"), 90)
    assert ("model_baseline", "little|small") in scenario.asked("model_baseline_gate")
    assert ("model_baseline", "little-r4|small") not in scenario.asked("model_baseline_gate")
    scenario.baselines(llm=90, slm=20, scale="small")
    second = scenario.ask("fine_tune_gate")[-1]
    assert (second.job_name, second.partition_key) == ("train_and_evaluate", "little|small")
    assert {key.to_user_string() for key in second.asset_selection} == {"paper_adapter", "paper_evaluation"}


def test_without_a_clear_winner_all_that_reach_the_share_go_on(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    trained_all(scenario, 90)
    assert len(scenario.decide_scale_up().candidates) == 4
    scenario.measure(hosted("big", "small"), 90)
    requested = scenario.asked("model_baseline_gate")
    assert [("model_baseline", f"{model}|small") in requested for model in MODELS] == [True, True]


def test_iterating_starts_nothing_and_says_why(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    trained_all(scenario, 30)
    assert scenario.decide_scale_up().action == "iterate"
    scenario.run("scale_up_gate")
    assert "tiny: iterate" in scenario.ask("scale_up_gate")
    assert "has not been made" in scenario.ask("release_gate")


def test_a_decision_whose_evidence_was_measured_again_does_not_act(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.measure(base("little", "tiny"), 21)
    assert ("train_and_evaluate", "little|tiny") not in scenario.asked("fine_tune_gate")
    scenario.run("fine_tune_gate")
    assert "little|tiny is stale" in scenario.ask("fine_tune_gate")


def test_a_stale_decision_is_made_again_without_asking_the_model_again(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.measure(hosted("big", "tiny"), 80)
    requests = scenario.ask("model_baseline_gate")
    assert [key.to_user_string() for one in requests for key in one.asset_selection] == ["fine_tune_decision"] * 2


def test_a_decision_acts_once_however_often_it_is_made_on_the_same_evidence(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    assert scenario.run("fine_tune_gate") == 2
    scenario.decide_training()
    assert scenario.run("fine_tune_gate") == 0
    assert "was started on this evidence" in scenario.ask("fine_tune_gate")


def test_new_evidence_acts_again(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.run("fine_tune_gate")
    scenario.baselines(llm=90, slm=21)
    assert scenario.run("fine_tune_gate") == 2


def test_other_conversations_start_the_first_scale_again_and_the_same_ones_do_not(scenario):
    scenario.root("v1")
    assert scenario.run("scale_up_gate") == 1
    scenario.root("v1")
    assert scenario.run("scale_up_gate") == 0
    scenario.root("v2")
    assert scenario.run("scale_up_gate") == 1


def test_the_report_is_written_again_when_a_release_is_decided(scenario):
    at_the_last_scale(scenario)
    while scenario.run("report_ready"):
        pass
    scenario.decide_release("little", "small", sealed=60)
    (again,) = scenario.ask("report_ready")
    assert [key.to_user_string() for key in again.asset_selection] == ["comparison_report"]


def test_sensors_are_off_until_the_experiment_file_switches_them_on():
    assert {sensor.default_status for sensor in sensors()} == {dg.DefaultSensorStatus.STOPPED}
