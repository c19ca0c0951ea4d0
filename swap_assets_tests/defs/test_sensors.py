"""The sensors on recorded evidence: every path through the experiment, and that each decision acts exactly once."""

from datetime import datetime

import dagster as dg
import pytest
import yaml

from swap_assets.backends.experiment_file import load_experiment
from swap_assets.defs.approval import give_word
from swap_assets.defs.drift import drift_check
from swap_assets.defs.pipes import WorkerClient
from swap_assets.defs.schedules import SCHEDULES, _nightly
from swap_assets.defs.storage import ArtefactIOManager
from swap_assets.domain.candidates import Decoding, base, hosted, tuned
from swap_assets.domain.judging.approval import Approval
from swap_assets.domain.report.layout import lay_out
from swap_assets.domain.report.markdown import to_markdown
from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.defs.scenarios import Scenario
from swap_assets_tests.domain.evaluations import evaluation, shares

SENSORS = ("scale_up_gate", "model_baseline_gate", "fine_tune_gate", "report_ready", "release_gate")
MODELS = ("little", "little-r4")


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Scenario(instance)


def _all(scenario, right, scale="tiny"):
    scenario.trained({(model, approach): right for model in MODELS for approach in ("paper", "fledgling")}, scale)


def _at_the_last_scale(scenario, right=100):
    """Everything up to the last scale's decision to scale up."""
    scenario.root()
    for scale in ("tiny", "small"):
        scenario.baselines(llm=100, slm=20, scale=scale)
        _all(scenario, right, scale)
        scenario.decide_scale_up(scale)


def test_before_the_conversations_are_there_every_sensor_waits_and_says_so(scenario):
    for name in SENSORS[:-1]:
        assert "hermes_conversations has not been materialised" in scenario.ask(name)
    assert "scale_up_decision for the last scale, small, has not been made" in scenario.ask("release_gate")


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
    monkeypatch.setattr("swap_assets.defs.resources.experiment_in_force", lambda: experiment)
    scenario = Scenario(scenario.instance)
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    started = [{key.to_user_string() for key in one.asset_selection} for one in scenario.ask("fine_tune_gate")]
    assert [{name for name in assets if "constrained" in name} for assets in started] == [
        set(), {"paper_constrained_evaluation", "fledgling_constrained_evaluation"},
    ]  # fmt: skip
    _all(scenario, 50)
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
    monkeypatch.setattr("swap_assets.defs.resources.experiment_in_force", lambda: experiment)
    scenario = Scenario(scenario.instance)
    scenario.root()
    scenario.baselines(llm=20, slm=100)
    assert "no training needed" in scenario.ask("fine_tune_gate")
    assert scenario.asked("report_ready") == [("report", "tiny")]


def test_an_inconclusive_decision_acts_as_the_policy_says(scenario):
    scenario.root()
    scenario.baselines(llm=50, slm=50)
    decision = scenario.lab.evidence("tiny").decision("fine_tune_decision", "little|tiny")
    assert (decision.verdict, decision.action) == ("inconclusive", "train")
    assert len(scenario.asked("fine_tune_gate")) == 2


def test_the_report_is_ready_once_nothing_expected_is_outstanding(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.trained({("little", "paper"): 80, ("little", "fledgling"): 70, ("little-r4", "paper"): 60})
    assert "waiting for little-r4--tiny--fledgling--greedy--adapter" in scenario.ask("report_ready")
    scenario.lab.store.record_failure("fledgling_toolcall_adapter", "little-r4|tiny", "out of memory")
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
    _all(scenario, 10)
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
    _all(scenario, 90)
    assert len(scenario.decide_scale_up().candidates) == 4
    scenario.measure(hosted("big", "small"), 90)
    requested = scenario.asked("model_baseline_gate")
    assert [("model_baseline", f"{model}|small") in requested for model in MODELS] == [True, True]


def test_iterating_starts_nothing_and_says_why(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    _all(scenario, 30)
    assert scenario.decide_scale_up().action == "iterate"
    scenario.run("scale_up_gate")
    assert "tiny: iterate" in scenario.ask("scale_up_gate")
    assert "has not been made" in scenario.ask("release_gate")


def test_after_the_last_scale_the_sealed_rows_are_asked_for_the_admitted_models(scenario):
    _at_the_last_scale(scenario)
    assert scenario.asked("release_gate") == [("sealed_test", f"{model}|small") for model in MODELS]


def test_a_release_that_waits_starts_nothing_and_says_why(scenario):
    _at_the_last_scale(scenario)
    for model in MODELS:
        assert scenario.decide_release(model, "small", sealed=60).action == "wait"
    assert scenario.asked("release_gate") == []
    assert "little|small: wait" in scenario.ask("release_gate")


def _passed(scenario, approval="approved"):
    _at_the_last_scale(scenario)
    for model in MODELS:
        decision = scenario.decide_release(model, "small", sealed=100)
        assert decision.action == "release"
    scenario.decide_release("little-r4", "small", sealed=60)
    decision = scenario.lab.evidence("small").decision("release_decision", "little|small")
    word = Approval(
        model="little", scale="small", verdict=approval, by="Ada", reason="tried it", evidence_hash=decision.content(),
        at=scenario.lab.now(),
    )  # fmt: skip
    return decision, word


def test_a_pass_waits_for_a_person_and_names_the_command(scenario):
    _passed(scenario)
    assert "swap-assets approve 'release_decision:little|small'" in scenario.ask("release_gate")


def test_an_approved_release_starts_once(scenario):
    _, word = _passed(scenario)
    give_word(scenario.instance, scenario.lab, word)
    assert scenario.asked("release_gate") == [("release", "little|small")]
    assert scenario.run("release_gate") == 1
    assert scenario.run("release_gate") == 0
    event = scenario.instance.get_latest_materialization_event(dg.AssetKey("release_approval"))
    assert event.asset_materialization.metadata["by"].value == "Ada"


def test_the_word_of_a_person_stands_in_the_report_and_changes_no_hash(scenario):
    decision, word = _passed(scenario)
    give_word(scenario.instance, scenario.lab, word)
    (shown,) = [one for one in scenario.lab.evidence("small").decisions() if one.partition == "little|small"
                and one.name == "release_decision"]  # fmt: skip
    assert "approved by Ada (self-declared)" in shown.approval
    assert shown.content() == decision.content()
    assert "approved by Ada" in to_markdown(lay_out(scenario.lab.report("small")))


def test_a_rejected_release_starts_nothing(scenario):
    _, word = _passed(scenario, "rejected")
    give_word(scenario.instance, scenario.lab, word)
    assert "rejected by Ada" in scenario.ask("release_gate")


def test_an_approval_is_void_when_the_evidence_changes(scenario):
    _, word = _passed(scenario)
    give_word(scenario.instance, scenario.lab, word)
    scenario.decide_release("little", "small", sealed=100)
    assert scenario.asked("release_gate") == [("release", "little|small")]  # decided again, on the same evidence
    changed = scenario.decide_release("little", "small", sealed=100).model_copy(update={"reason": "other evidence"})
    scenario.decide(changed)
    assert "so it is void" in scenario.ask("release_gate")


def test_an_approval_given_in_the_ui_holds_for_the_decision_it_was_given_on(scenario):
    _passed(scenario)
    scenario.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "release_approval", partition=dg.MultiPartitionKey({"model": "little", "scale": "small"}),
            description="approved by Grace: looked at fifty answers",
        )
    )  # fmt: skip
    assert scenario.asked("release_gate") == [("release", "little|small")]
    assert scenario.lab.approval("little|small").by == "Grace"


def test_a_text_in_the_ui_that_is_no_approval_approves_nothing(scenario):
    _passed(scenario)
    scenario.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "release_approval", partition=dg.MultiPartitionKey({"model": "little", "scale": "small"}), description="ok"
        )
    )
    assert "Waiting for a person" in scenario.ask("release_gate")


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
    _at_the_last_scale(scenario)
    while scenario.run("report_ready"):
        pass
    scenario.decide_release("little", "small", sealed=60)
    (again,) = scenario.ask("report_ready")
    assert [key.to_user_string() for key in again.asset_selection] == ["comparison_report"]


def test_sensors_are_off_until_the_experiment_file_switches_them_on():
    from swap_assets.defs.sensors import SENSORS as ALL

    assert {sensor.default_status for sensor in ALL} == {dg.DefaultSensorStatus.STOPPED}


def _failing(error, scenario):
    @dg.asset
    def hopeful(context: dg.AssetExecutionContext):
        tried.append(context.retry_number)
        lab = scenario.lab
        with lab.recording_failure(context), lab.explained(RuntimeError):
            raise error

    tried: list[int] = []
    result = dg.materialize([hopeful], instance=scenario.instance, raise_on_error=False)
    return result, tried


def test_what_passes_by_itself_is_tried_again_and_recorded_only_when_it_does_not_pass(scenario, monkeypatch):
    monkeypatch.setattr("swap_assets.defs.resources.RETRY_AFTER_S", 0)
    result, tried = _failing(ConnectionResetError("reset by peer"), scenario)
    assert not result.success and tried == [0, 1, 2, 3]
    assert scenario.lab.store.failure("hopeful", None) == "reset by peer"


def test_what_somebody_has_to_change_is_not_tried_again(scenario):
    result, tried = _failing(RuntimeError("the key was refused"), scenario)
    assert not result.success and tried == [0]
    assert scenario.lab.store.failure("hopeful", None) == "the key was refused"


def test_a_nightly_look_says_what_has_changed_and_leaves_the_evidence_of_the_decisions_alone(scenario, monkeypatch):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    before = scenario.lab.evidence("tiny").llm.evidence_hash()
    answers = iter([90, 40])

    def again(context, lab, llm, epoch):
        return evaluation(llm.candidate, shares(next(answers), 100))

    monkeypatch.setattr("swap_assets.defs.drift._hosted_again", again)
    for epoch, verdict in (("monday", "steady"), ("tuesday", "drifted")):
        done = dg.materialize(
            [drift_check], instance=scenario.instance, partition_key="tiny",
            run_config={"ops": {"drift_check": {"config": {"epoch": epoch}}}},
            resources={
                "lab": scenario.lab, "worker": WorkerClient(), "io_manager": ArtefactIOManager(lab=scenario.lab),
            },
        )  # fmt: skip
        report = done.output_for_node("drift_check")
        assert (report.epoch, [item.verdict for item in report.found]) == (epoch, [verdict])
    assert report.found[0].before == "monday"
    assert scenario.lab.evidence("tiny").llm.evidence_hash() == before
    assert scenario.asked("model_baseline_gate") == []


def test_the_nightly_schedule_is_there_only_where_the_experiment_file_gives_a_time(scenario):
    assert SCHEDULES == []
    schedule = _nightly("0 3 * * *")
    context = dg.build_schedule_context(
        instance=scenario.instance, scheduled_execution_time=datetime(2026, 11, 24, 3), resources={"lab": scenario.lab}
    )
    assert "nothing to compare with" in schedule(context).skip_message
    scenario.measure(hosted("big", "tiny"), 90)
    request = schedule(context)
    assert (request.partition_key, request.run_key) == ("tiny", "nightly-2026-11-24T0300")
