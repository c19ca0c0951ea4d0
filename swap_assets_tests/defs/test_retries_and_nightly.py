"""What runs by itself beside the gates: another try for what passes, and the nightly look for drift."""

from datetime import datetime

import dagster as dg

from swap_assets.defs.monitoring import SCHEDULES, _nightly, drift_check, repeated_llm_evaluation
from swap_assets.defs.resources.store import explained
from swap_assets.domain.keys import hosted
from swap_assets_tests.domain.evaluations import evaluation, shares


def _failing(error, scenario):
    @dg.asset
    def hopeful(context: dg.AssetExecutionContext):
        tried.append(context.retry_number)
        with scenario.store.recording_failure(context), explained(RuntimeError):
            raise error

    tried: list[int] = []
    result = dg.materialize([hopeful], instance=scenario.instance, raise_on_error=False)
    return result, tried


def test_what_passes_by_itself_is_tried_again_and_recorded_only_when_it_does_not_pass(scenario, monkeypatch):
    monkeypatch.setattr("swap_assets.defs.resources.store.RETRY_AFTER_S", 0)
    result, tried = _failing(ConnectionResetError("reset by peer"), scenario)
    assert not result.success and tried == [0, 1, 2, 3]
    assert scenario.store.folder.failure("hopeful", None) == "reset by peer"


def test_what_somebody_has_to_change_is_not_tried_again(scenario):
    result, tried = _failing(RuntimeError("the key was refused"), scenario)
    assert not result.success and tried == [0]
    assert scenario.store.folder.failure("hopeful", None) == "the key was refused"


def test_a_nightly_look_says_what_has_changed_and_leaves_the_evidence_of_the_decisions_alone(scenario, monkeypatch):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    before = scenario.store.evidence("tiny").llm.evidence_hash()
    answers = iter([90, 40])

    def again(*_, llm, purpose, epoch):
        return evaluation(llm.candidate, shares(next(answers), 100))

    monkeypatch.setattr("swap_assets.defs.resources.processes.HostedLlm.as_before", again)
    monkeypatch.setattr(type(scenario.store), "test_files", lambda self, scale: ())
    for epoch, verdict in (("monday", "steady"), ("tuesday", "drifted")):
        done = dg.materialize(
            [repeated_llm_evaluation, drift_check], instance=scenario.instance, partition_key="tiny",
            run_config={"ops": {"repeated_llm_evaluation": {"config": {"epoch": epoch}}}},
            resources=scenario.resources,
        )  # fmt: skip
        report = done.output_for_node("drift_check")
        assert (report.epoch, [item.verdict for item in report.found]) == (epoch, [verdict])
    assert report.found[0].before == "monday"
    assert scenario.store.evidence("tiny").llm.evidence_hash() == before
    assert scenario.asked("model_baseline_gate") == []


def test_the_nightly_schedule_is_there_only_where_the_experiment_file_gives_a_time(scenario):
    assert SCHEDULES == []
    schedule = _nightly("0 3 * * *")
    context = dg.build_schedule_context(
        instance=scenario.instance,
        scheduled_execution_time=datetime(2026, 11, 24, 3),
        resources={"store": scenario.store},
    )
    assert "nothing to compare with" in schedule(context).skip_message
    scenario.measure(hosted("big", "tiny"), 90)
    request = schedule(context)
    assert (request.partition_key, request.run_key) == ("tiny", "nightly-2026-11-24T0300")
