"""The nightly look at the hosted and the released models; there is none until the experiment file gives a time."""

import dagster as dg

from swap_assets.defs.resources.store import ExperimentStore, experiment_in_force
from swap_assets.domain.keys import DRIFT_CHECK, REPEATED_LLM_EVALUATION

DRIFT_JOB = dg.define_asset_job(
    "drift",
    selection=[REPEATED_LLM_EVALUATION, DRIFT_CHECK],
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
        config = {"ops": {REPEATED_LLM_EVALUATION: {"config": {"epoch": epoch}}}}
        return dg.RunRequest(run_key=epoch, partition_key=reached[-1], run_config=config)

    return nightly_drift


SCHEDULES = [_nightly(cron)] if (cron := experiment_in_force().automation.nightly) else []
