"""Measuring the hosted and the released models again, in a new epoch and beside the earlier one; alerts of failed runs.

What the gates read stays untouched: a nightly look must not make every decision stale and start every training again.
"""

import dagster as dg
from pydantic import Field

from swap_assets.defs import metadata
from swap_assets.defs.resources.processes import HOSTED_POOL, HostedLlm, ModelProcesses
from swap_assets.defs.resources.store import SCALES, ExperimentStore, experiment_in_force
from swap_assets.defs.resources.tracking import ResultTracking
from swap_assets.domain import keys
from swap_assets.domain.judging.consistency import Drift, DriftReport, Measurement, drift
from swap_assets.domain.keys import Candidate
from swap_assets.domain.scoring.evaluation import Evaluation

_KEPT = "drift_measurement"


class DriftConfig(dg.Config):
    """Which measurement this is; the schedule gives the time it was due."""

    epoch: str = Field(default="", description="a name never used before; empty: the time now")


@dg.asset(partitions_def=SCALES, deps=[keys.LLM_BASELINE, *keys.TEST_SPLITS], pool=HOSTED_POOL, kinds={"openai"})
def repeated_llm_evaluation(
    context: dg.AssetExecutionContext, config: DriftConfig, store: ExperimentStore, hosted: HostedLlm
) -> dg.MaterializeResult[Measurement]:
    """The hosted LLM's answers to the scale's test rows in a new epoch, through the interface that counts."""
    scale, epoch = context.partition_key, config.epoch or store.now()
    llm, cases = store.evidence(scale).llm, store.cases(store.test_files(scale))
    again = hosted.as_before(context, cases, llm=llm, purpose="drift", epoch=epoch)
    shown = metadata.evaluation_result(again).metadata or {}
    return metadata.outcome(Measurement(epoch=epoch, evaluation=again), {"epoch": epoch, **shown})


@dg.asset(
    partitions_def=SCALES,
    deps=[keys.LLM_BASELINE, keys.RELEASE_DECISION, keys.MERGED_MODEL, *keys.TEST_SPLITS],
    pool=keys.MODEL_PROCESS_POOL,
    kinds={"huggingface"},
)
def drift_check(
    context: dg.AssetExecutionContext, store: ExperimentStore, processes: ModelProcesses, tracking: ResultTracking,
    repeated_llm_evaluation: Measurement,
) -> dg.MaterializeResult[DriftReport]:  # fmt: skip
    """Whether the hosted or a released model answers the scale's test rows otherwise than when last measured."""
    scale, epoch = context.partition_key, repeated_llm_evaluation.epoch
    measured = [repeated_llm_evaluation]
    found = [_held_against_before(store, repeated_llm_evaluation, store.evidence(scale).llm)]
    if found[0].before == epoch:
        both = store.again(keys.REPEATED_LLM_EVALUATION, keys.DRIFT_CHECK, at=scale)
        told = f"epoch '{epoch}' has been looked at; look anew: {both}"
        raise dg.Failure(description=told, allow_retries=False)
    for before in _released(store, scale):
        with store.recording_failure(context):
            artefacts = store.artefacts(before, deciding=True)
        # Answers are kept by purpose, so that no look is answered from an earlier one's.
        files, purpose = store.test_files(scale), f"drift {epoch}"
        again = processes.evaluation(context, before.candidate, artefacts, files, purpose=purpose)
        measured.append(Measurement(epoch=epoch, evaluation=again))
        found.append(_held_against_before(store, measured[-1], before))
    for now in measured:
        store.write(_KEPT, now.evaluation.candidate.id, now, kind=Measurement)
    for item in found:
        if item.verdict == "drifted":
            context.log.warning("%s %s", item.sentence, tracking.alert(f"{store.experiment.name}: {item.sentence}"))
    verdicts = "\n\n".join(f"**{item.candidate_id}**: {item.verdict}: {item.sentence}" for item in found)
    report = DriftReport(scale=scale, epoch=epoch, found=tuple(found))
    return metadata.outcome(report, {"epoch": epoch, "verdicts": metadata.markdown(verdicts)})


def _held_against_before(store: ExperimentStore, now: Measurement, first: Evaluation) -> Drift:
    """Compare with the last look, or with the evidence of the decisions at the first one."""
    key, policy = now.evaluation.candidate.id, store.experiment.gates
    before = store.find(_KEPT, key, Measurement) or Measurement(epoch="first", evaluation=first)
    return drift(now, before, metric=policy.primary, margin_points=policy.release.margin_points)


def _released(store: ExperimentStore, scale: str) -> list[Evaluation]:
    """Return what was measured of each model in use: its merged weights, else the candidate that was released."""
    evidence, state, found = store.evidence(scale), store.state(), []
    for model in store.experiment.models:
        merged = evidence.merged(model)
        decision = state.decision(keys.RELEASE_DECISION, keys.partition_key(model, scale))
        if merged and merged.status == "evaluated":
            found.append(merged)
        elif decision and decision.action == "release":
            released = evidence.of(Candidate.from_id(decision.candidates[0]))
            found += [released] if released.status == "evaluated" else []
    return found


DRIFT_JOB = dg.define_asset_job(
    "drift",
    selection=[keys.REPEATED_LLM_EVALUATION, keys.DRIFT_CHECK],
    description="The hosted and the released models asked again, in a new epoch.",
)


def _nightly(cron: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="nightly_drift", cron_schedule=cron, job=DRIFT_JOB, default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Measures the hosted and the released models again, at the last scale that was reached.",
    )  # fmt: skip
    def nightly_drift(context: dg.ScheduleEvaluationContext, store: ExperimentStore):
        state = store.state()
        reached = [name for name in state.experiment.scales if state.evaluation(state.hosted(name)).measured]
        if not reached:
            return dg.SkipReason("llm_baseline has not been measured at any scale, so there is nothing to compare with")
        epoch = f"nightly-{context.scheduled_execution_time:%Y-%m-%dT%H%M}"
        config = {"ops": {keys.REPEATED_LLM_EVALUATION: {"config": {"epoch": epoch}}}}
        return dg.RunRequest(run_key=epoch, partition_key=reached[-1], run_config=config)

    return nightly_drift


# There is none until the experiment file gives a time.
SCHEDULES = [_nightly(cron)] if (cron := experiment_in_force().automation.nightly) else []


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,  # it starts nothing and costs nothing
    description="Tells of every failed run: in the daemon's log, and to the webhook that SWAP_ALERT_WEBHOOK names.",
)
def failed_run_alert(context: dg.RunFailureSensorContext, tracking: ResultTracking) -> None:
    """Log a failed run and post it."""
    run = context.dagster_run
    where = run.tags.get("dagster/partition", "")
    steps = ", ".join(event.step_key or "" for event in context.get_step_failure_events())
    text = f"{experiment_in_force().name}: run {run.run_id[:8]} of {run.job_name} {where} failed"
    text += f" at {steps}." if steps else "."
    context.log.error("%s %s", text, tracking.alert(text))
