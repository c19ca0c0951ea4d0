"""A further gate is an entry of the list: its sensor, job, decision asset, check and explanation follow from it."""

import dagster as dg
import pytest

from swap_assets.defs import gates
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.gates import registry
from swap_assets.domain.gates.gate import Deciding, Gate, Job, Step, unusable
from swap_assets.domain.gates.registry import explain
from swap_assets.domain.judging.contrasts import decide
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import LLM_BASELINE, SLM_BASELINE, model_and_scale

JOB = Job("tea_break", "A pause before a model is trained.", ("pause_decision",))


def _judge(candidates, llm, experiment: Experiment, partition: str) -> Decision:
    return decide(
        [llm], name="pause_decision", model=model_and_scale(partition)[0], scale=llm.candidate.scale, rule="always",
        thresholds={"cups": 2}, verdict="pass", action="drink", reason="it is four", rows_needed=None,
    )  # fmt: skip


def _due(state):
    for key in state.partitions("tiny"):
        if why := unusable(state, "pause_decision", key):
            yield Step(job=JOB.name, partition=key, because=why, evidence=(state.root,))
        else:
            yield f"{key}: the kettle is on"


@pytest.fixture
def with_a_gate(monkeypatch):
    asset = Deciding(
        "pause_decision", "model", lambda decision, state: "fetch milk", "Whether to pause.", _judge,
        lambda _experiment: [LLM_BASELINE, SLM_BASELINE],
    )  # fmt: skip
    gate = Gate("pause_gate", "Pauses.", _due, (JOB,), asset)
    monkeypatch.setattr(registry, "GATES", [*registry.GATES, gate])


def test_a_gate_that_is_listed_has_a_sensor_a_job_an_asset_with_its_check_and_an_explanation(scenario, with_a_gate):
    (asset,) = [one for one in gates.decision_assets() if one.key.path[-1] == "pause_decision"]
    (sensor,) = [one for one in gates.sensors() if one.name == "pause_gate"]
    assert [target.job_name for target in sensor.targets] == ["tea_break"] and "tea_break" in gates.jobs()
    assert {key.path[-1] for key in asset.dependency_keys} == {LLM_BASELINE, SLM_BASELINE}
    assert [(key.asset_key.path[-1], key.name) for key in asset.check_keys] == [("pause_decision", "passes")]
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    context = dg.build_sensor_context(instance=scenario.instance, resources={"store": scenario.store})
    assert [(one.job_name, one.partition_key) for one in sensor(context)] == [
        ("tea_break", "little|tiny"), ("tea_break", "little-r4|tiny"),
    ]  # fmt: skip
    done = dg.materialize(
        [asset], instance=scenario.instance, partition_key="little|tiny", resources=scenario.resources
    )
    (check,) = done.get_asset_check_evaluations()
    assert check.passed and check.metadata["action"].value == "drink"
    state = scenario.store.state()
    told = explain(state.decisions["pause_decision/little|tiny"], state)
    assert "pause_decision for little|tiny: pass, so drink" in told and told.endswith("Next: fetch milk")
