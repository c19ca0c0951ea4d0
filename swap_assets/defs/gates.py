"""The gates as Dagster sees them: a sensor, its jobs and its decision asset for each entry of `domain.gates.registry`.

A run key is made of the evidence that a run acts on, so Dagster starts it once, however often it is asked for.
"""

from collections.abc import Iterator
from functools import cache, reduce
from operator import or_
from typing import Any

import dagster as dg

from swap_assets.defs import checks, metadata
from swap_assets.defs.approval import REQUESTED_BY, adopt_reported
from swap_assets.defs.resources.store import MODELS_AND_SCALES, SCALES, ExperimentStore, experiment_in_force
from swap_assets.defs.resources.tracking import ResultTracking
from swap_assets.defs.runs import runs_of, state_of
from swap_assets.domain.gates import registry
from swap_assets.domain.gates.gate import Deciding, Gate, Job, Step
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import model_and_scale

# The tag of a run that a sensor asked for; it holds the reason.
BECAUSE = "swap/because"


def jobs() -> dict[str, Any]:
    """Return what the gates may ask for, by name."""
    return {name: _job(job) for name, job in registry.jobs().items()}


def sensors() -> list[dg.SensorDefinition]:
    """Return the gates' sensors; they are off until the experiment file switches them on."""
    return [_sensor(gate) for gate in registry.GATES]


@cache  # Dagster takes one definition of a job, in the list of jobs as well as in a sensor
def _job(job: Job):
    chosen = [dg.AssetSelection.assets(*job.assets), *map(dg.AssetSelection.groups, job.groups)]
    return dg.define_asset_job(job.name, selection=reduce(or_, chosen), description=job.description)


def decision_assets() -> list[dg.AssetsDefinition]:
    """Return the decisions that gates make of what is measured; those that ask for more are written by hand."""
    return [_decision_asset(entry) for entry in registry.decisions().values() if entry.judge]


def _decision_asset(entry: Deciding) -> dg.AssetsDefinition:
    judge, partitions = entry.judge, MODELS_AND_SCALES if entry.per == "model" else SCALES
    assert judge is not None

    @dg.asset(
        name=entry.name,
        description=entry.description,
        partitions_def=partitions,
        deps=entry.rests_on(experiment_in_force()),
        kinds={"python"},
        check_specs=[checks.gate_check(entry.name, partitions)],
    )
    def decide(
        context: dg.AssetExecutionContext, store: ExperimentStore, tracking: ResultTracking
    ) -> Iterator[dg.MaterializeResult[Decision]]:
        model, scale = model_and_scale(context.partition_key)
        evidence = store.evidence(scale)
        candidates = evidence.of_model(model) if model else evidence.contenders()
        decision = judge(candidates, evidence.llm, store.experiment, context.partition_key)
        yield metadata.decision_result(tracking.decided(decision))

    return decide


def _sensor(gate: Gate) -> dg.SensorDefinition:
    settings = experiment_in_force().automation
    status = dg.DefaultSensorStatus.RUNNING if settings.sensors == "running" else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=gate.name,
        jobs=[_job(job) for job in gate.jobs],
        minimum_interval_seconds=settings.every_s,
        default_status=status,
        description=gate.description,
    )
    def ask(context: dg.SensorEvaluationContext, store: ExperimentStore):
        if "approvals" in gate.reads:
            adopt_reported(context.instance, store)
        outcome = gate.outcome(state_of(context.instance, store, rows="rows" in gate.reads))
        done = runs_of(context.instance, [step.run_key for step in outcome.steps])
        if due := [step for step in outcome.steps if step.run_key not in done]:
            return [_request(gate.name, step) for step in due]
        acted = [f"{step.job} for {step.partition} was started on this evidence: run {done[step.run_key][:8]}"
                 for step in outcome.steps]  # fmt: skip
        return dg.SkipReason("; ".join((*outcome.waits, *acted)) or "nothing to do")

    return ask


def _request(sensor: str, step: Step) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=step.run_key,
        job_name=step.job,
        partition_key=step.partition,
        asset_selection=[dg.AssetKey(name) for name in step.assets] or None,
        tags={REQUESTED_BY: sensor, BECAUSE: step.because[:500]},
    )
