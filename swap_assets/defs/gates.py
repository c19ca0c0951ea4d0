"""The gates as Dagster sees them: a sensor, its jobs and its decision asset for each entry of `domain.gates.registry`.

A run key is made of the evidence that a run acts on, so Dagster starts it once, however often it is asked for. What the
instance knows of an experiment is read here, too: runs under way or broken, and the data versions of its rows.

A person lets through too: `release_approval` is an external asset, reported by `swap-assets approve`, or in the UI by
"Report materialization" with the description `approved by NAME: REASON` (or `rejected by`) where the experiment says
`approval: ui`. Names are self-declared.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache, reduce
from operator import or_
from typing import Any

import dagster as dg

from swap_assets.defs import checks, metadata
from swap_assets.defs.resources.store import MODELS_AND_SCALES, SCALES, ExperimentStore, experiment_in_force
from swap_assets.defs.resources.tracking import ResultTracking
from swap_assets.domain.gates import registry
from swap_assets.domain.gates.gate import Deciding, Gate, Job, Step
from swap_assets.domain.gates.replacement import release_refusal
from swap_assets.domain.gates.scale_up import scale_refusal
from swap_assets.domain.judging.decisions import Approval, Decision, Override, read_reported
from swap_assets.domain.keys import HERMES_CONVERSATIONS, RELEASE_APPROVAL, RELEASE_DECISION, TRACKS, model_and_scale
from swap_assets.domain.model import content_hash
from swap_assets.domain.state import State

# Tags of a run that a sensor asked for: the sensor's name, and the reason.
REQUESTED_BY, BECAUSE = "swap/requested_by", "swap/because"
RUN_KEY_TAG = "dagster/run_key"
PARTITION_TAG = "dagster/partition"
_UNDER_WAY = [dg.DagsterRunStatus[name] for name in ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")]
_BROKEN = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_LATEST = 500  # runs, approvals or materialisations; more than any experiment has partitions


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
        name=entry.name, description=entry.description, partitions_def=partitions,
        deps=entry.rests_on(experiment_in_force()), kinds={"python"},
        check_specs=[checks.gate_check(entry.name, partitions)],
    )  # fmt: skip
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
        name=gate.name, jobs=[_job(job) for job in gate.jobs], minimum_interval_seconds=settings.every_s,
        default_status=status, description=gate.description,
    )  # fmt: skip
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
        run_key=step.run_key, job_name=step.job, partition_key=step.partition,
        asset_selection=[dg.AssetKey(name) for name in step.assets] or None,
        tags={REQUESTED_BY: sensor, BECAUSE: step.because[:500]},
    )  # fmt: skip


def state_of(instance: dg.DagsterInstance, store: ExperimentStore, *, rows: bool = True) -> State:
    """Return the recorded state of the experiment; nothing missing is an error, and nothing is written.

    Each question to the instance opens its SQLite file anew, some 5 ms: the versions of the rows (`rows`) are left out
    for who does not read them.
    """
    state, (active, broken) = store.state(), _runs(instance)
    root = instance.get_latest_materialization_event(dg.AssetKey(HERMES_CONVERSATIONS))
    scales = list(state.experiment.scales)
    versions = [_versions(instance, name, scales) for name in TRACKS] if rows else []
    return dataclasses.replace(
        state, root=_version(root.asset_materialization, root.run_id) if root else "",
        rows={scale: content_hash([found.get(scale, "") for found in versions]) for scale in scales if rows},
        active=active, broken=broken,
    )  # fmt: skip


def runs_of(instance: dg.DagsterInstance, run_keys: Iterable[str]) -> dict[str, str]:
    """Return the runs that run keys have started already, by run key; those that started none are left out."""
    wanted = list(run_keys)
    found = instance.get_runs(filters=dg.RunsFilter(tags={RUN_KEY_TAG: wanted})) if wanted else []
    # A run that was created but not launched is handed to Dagster again, which launches that very run.
    launched = [run for run in found if run.status is not dg.DagsterRunStatus.NOT_STARTED]
    return {run.tags[RUN_KEY_TAG]: run.run_id for run in reversed(launched)}  # the newest of each


def _versions(instance: dg.DagsterInstance, asset: str, partitions: Sequence[str]) -> dict[str, str]:
    """Return the versions of what an asset last held at its partitions; those never materialised are left out."""
    found: dict[str, str] = {}
    while missing := [partition for partition in partitions if partition not in found]:
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=missing)
        records = instance.fetch_materializations(wanted, limit=_LATEST).records  # the newest first
        for record in records:
            found.setdefault(str(record.partition_key), _version(record.asset_materialization, record.run_id))
        if not records:
            break
    return found


def _version(made: dg.AssetMaterialization | None, run_id: str) -> str:
    return (made.tags or {}).get("dagster/data_version", run_id) if made else ""


def _runs(instance: dg.DagsterInstance) -> tuple[frozenset[str], dict[str, str]]:
    """Return the runs under way, and the partitions whose last run of a job ended badly, as `JOB/PARTITION`."""
    active: set[str] = set()
    broken: dict[str, str] = {}
    jobs = registry.jobs()
    found = instance.get_runs(filters=dg.RunsFilter(statuses=[*_UNDER_WAY, *_BROKEN]), limit=_LATEST)
    for run in found:  # the newest first
        name = f"{run.job_name}/{run.tags.get(PARTITION_TAG, '')}"
        # A run that was lost and will be started again is under way for everybody who waits for it.
        if run.job_name in jobs and (run.status not in _BROKEN or run.is_complete_and_waiting_to_retry):
            active.add(name)
        elif run.job_name in jobs and name not in broken and _is_last(instance, run):
            broken[name] = f"run {run.run_id[:8]} {run.status.value.lower()}"
    return frozenset(active), broken


def _is_last(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether no run of the same job at the same partition came after a run."""
    tags = {PARTITION_TAG: run.tags[PARTITION_TAG]} if PARTITION_TAG in run.tags else {}
    newest = instance.get_runs(filters=dg.RunsFilter(job_name=run.job_name, tags=tags), limit=1)
    return not newest or newest[0].run_id == run.run_id


release_approval = dg.AssetSpec(
    RELEASE_APPROVAL, deps=[RELEASE_DECISION], partitions_def=MODELS_AND_SCALES, kinds={"person"},
    description="A person's approval of a release that passed, bound to its evidence and void when that changes.",
)  # fmt: skip


def require_release(store: ExperimentStore, decision: Decision, override: Override | None) -> None:
    """Refuse to merge what the gate, or the person who is asked, does not let through, unless it is overridden."""
    if refusal := release_refusal(decision, override, store.state()):
        raise dg.Failure(description=refusal, allow_retries=False)


def require_admitted(context: dg.AssetExecutionContext, store: ExperimentStore, scale: str) -> None:
    """Refuse to start a further scale for a sensor unless the scale before lets something through; people may."""
    if REQUESTED_BY in context.run.tags and (refusal := scale_refusal(store.state(), scale)):
        raise dg.Failure(description=refusal, allow_retries=False)


def give_approval(instance: dg.DagsterInstance, store: ExperimentStore, approval: Approval) -> None:
    """Keep an approval in the experiment's folder and report it to the instance, where the UI shows it."""
    store.write(RELEASE_APPROVAL, approval.partition, approval, kind=Approval)
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            RELEASE_APPROVAL,
            partition=dg.MultiPartitionKey({"model": approval.model, "scale": approval.scale}),
            description=approval.sentence(),
            metadata=approval.model_dump(mode="json"),
        )
    )


def adopt_reported(instance: dg.DagsterInstance, store: ExperimentStore) -> None:
    """Take over into the experiment's folder what was said in the UI: the sensors that do may be off."""
    for partition, approval in reported(instance, store.state()).items():
        store.write(RELEASE_APPROVAL, partition, approval, kind=Approval)


def reported(instance: dg.DagsterInstance, state: State) -> dict[str, Approval]:
    """Return what was said in the UI and has not been taken over, by partition; only the last of each counts.

    It names no evidence, and is taken to be on the decision in force when that is older. What was taken over before is
    left alone: the evidence may have changed since. Nothing where the experiment takes approvals by command alone: who
    reaches the web server could give one.
    """
    if state.experiment.gates.release.approval == "command":
        return {}
    latest: dict[str, dg.EventLogRecord] = {}
    for record in instance.fetch_materializations(dg.AssetKey(RELEASE_APPROVAL), limit=_LATEST).records:
        latest.setdefault(str(record.partition_key), record)
    found = {partition: _read(record, state, partition) for partition, record in latest.items()}
    return {partition: approval for partition, approval in found.items() if approval}


def _read(record: dg.EventLogRecord, state: State, partition: str) -> Approval | None:
    event, decision = record.asset_materialization, state.decision(RELEASE_DECISION, partition)
    if event is None or "evidence_hash" in event.metadata or decision is None:
        return None
    at = datetime.fromtimestamp(record.timestamp, UTC).isoformat(timespec="seconds")
    told, known = read_reported(event.description or ""), state.approvals.get(partition)
    if told is None or not decision.decided_at or decision.decided_at > at:
        return None
    if known and (known.at, known.verdict, known.by, known.reason) == (at, *told):
        return None
    verdict, by, reason = told
    return Approval(
        model=decision.model, scale=decision.scale, verdict=verdict, by=by, reason=reason,
        given="ui", evidence_hash=decision.content(), at=at,
    )  # fmt: skip
