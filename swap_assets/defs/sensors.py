"""The sensors: each asks one gate of `domain.automation` what is due and hands that to Dagster.

A run key is made of the evidence that a run acts on, so Dagster starts it once, however often it is asked for.
"""

from collections.abc import Sequence

import dagster as dg

from swap_assets.defs.jobs import JOBS
from swap_assets.defs.progress import read_progress
from swap_assets.defs.resources import REQUESTED_BY, Lab, experiment_in_force
from swap_assets.domain.automation import gates
from swap_assets.domain.automation.progress import BASELINE, MODEL_BASELINE, RELEASE, REPORT, SEALED_TEST, TRAIN, Step

_RUN_KEY_TAG = "dagster/run_key"
# The tag of a run that a sensor asked for; it holds the reason.
BECAUSE = "swap/because"
_SETTINGS = experiment_in_force().automation


def _sensor(name: str, gate: gates.Gate, *jobs: str, description: str) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        jobs=[JOBS[job] for job in jobs],
        minimum_interval_seconds=_SETTINGS.every_s,
        default_status=dg.DefaultSensorStatus.RUNNING
        if _SETTINGS.sensors == "running"
        else dg.DefaultSensorStatus.STOPPED,
        description=description,
    )
    def ask(context: dg.SensorEvaluationContext, lab: Lab):
        outcome = gate(read_progress(context.instance, lab))
        done = {step.run_key: run for step in outcome.steps if (run := run_of(context.instance, step))}
        due = [step for step in outcome.steps if step.run_key not in done]
        if due:
            return [_request(name, step) for step in due]
        acted = [f"{step.job} for {step.partition} was started on this evidence: run {done[step.run_key][:8]}"
                 for step in outcome.steps]  # fmt: skip
        return dg.SkipReason("; ".join((*outcome.waits, *acted)) or "nothing to do")

    return ask


def run_of(instance: dg.DagsterInstance, step: Step) -> str:
    """Return the run that a step's evidence has started already, "" where there is none."""
    runs: Sequence[dg.DagsterRun] = instance.get_runs(filters=dg.RunsFilter(tags={_RUN_KEY_TAG: step.run_key}), limit=1)
    # A run that was created but not launched is handed to Dagster again, which launches that very run.
    return runs[0].run_id if runs and runs[0].status is not dg.DagsterRunStatus.NOT_STARTED else ""


def _request(sensor: str, step: Step) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=step.run_key,
        job_name=step.job,
        partition_key=step.partition,
        asset_selection=[dg.AssetKey(name) for name in step.assets] or None,
        tags={REQUESTED_BY: sensor, BECAUSE: step.because[:500]},
    )


SENSORS = [
    _sensor(
        "scale_up_gate", gates.scale_up_gate, BASELINE,
        description="Starts the first scale when the conversations are there, each further one by scale_up_decision.",
    ),
    _sensor(
        "model_baseline_gate", gates.model_baseline_gate, MODEL_BASELINE,
        description="Measures each admitted model untouched once the LLM's answers of the scale are there.",
    ),
    _sensor(
        "fine_tune_gate", gates.fine_tune_gate, TRAIN,
        description="Trains and evaluates what fine_tune_decision lets through.",
    ),
    _sensor(
        "report_ready", gates.report_ready, REPORT,
        description="Writes a scale's report when all its candidates are evaluated, skipped or failed.",
    ),
    _sensor(
        "release_gate", gates.release_gate, SEALED_TEST, RELEASE,
        description="Asks the sealed rows after the last scale; merges what passed and, where asked for, was approved.",
    ),
]  # fmt: skip
