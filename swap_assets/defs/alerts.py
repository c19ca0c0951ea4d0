"""A failed run is told: in the daemon's log, and to a webhook where one is set."""

import dagster as dg

from swap_assets.defs.resources.store import experiment_in_force
from swap_assets.defs.resources.tracking import ResultTracking


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
