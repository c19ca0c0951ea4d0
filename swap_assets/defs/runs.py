"""What Dagster's instance knows of an experiment: runs under way or broken, and the data versions of its rows.

Not here: what has been measured and decided (the experiment's folder), and what is due (`domain.gates`).
"""

import dataclasses
from collections.abc import Iterable

import dagster as dg

from swap_assets.defs.resources import Lab
from swap_assets.domain.keys import HERMES_CONVERSATIONS, TRACKS
from swap_assets.domain.model import content_hash
from swap_assets.domain.state import State

RUN_KEY_TAG = "dagster/run_key"
PARTITION_TAG = "dagster/partition"
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_BROKEN = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_LATEST = 500  # broken runs; more than any experiment has partitions


def state_of(instance: dg.DagsterInstance, lab: Lab) -> State:
    """Return the recorded state of the experiment; nothing missing is an error, and nothing is written."""
    state, (active, broken) = lab.state(), _runs(instance)
    return dataclasses.replace(
        state,
        root=_version_at(instance, HERMES_CONVERSATIONS),
        rows={
            scale: content_hash([_version_at(instance, name, scale) for name in TRACKS])
            for scale in state.experiment.scales
        },
        active=active,
        broken=broken,
    )


def runs_of(instance: dg.DagsterInstance, run_keys: Iterable[str]) -> dict[str, str]:
    """Return the runs that run keys have started already, by run key; those that started none are left out."""
    wanted = list(run_keys)
    found = instance.get_runs(filters=dg.RunsFilter(tags={RUN_KEY_TAG: wanted})) if wanted else []
    # A run that was created but not launched is handed to Dagster again, which launches that very run.
    launched = [run for run in found if run.status is not dg.DagsterRunStatus.NOT_STARTED]
    return {run.tags[RUN_KEY_TAG]: run.run_id for run in reversed(launched)}  # the newest of each


def _version_at(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> str:
    """Return the version of what an asset last held, "" where it was never materialised."""
    key = dg.AssetKey(asset)
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition]) if partition else key
    records = instance.fetch_materializations(wanted, limit=1).records
    made = records[0].asset_materialization if records else None
    return (made.tags or {}).get("dagster/data_version", records[0].run_id) if made else ""


def _runs(instance: dg.DagsterInstance) -> tuple[frozenset[str], dict[str, str]]:
    """Return the runs under way, and the partitions whose last run of a job ended badly, as `JOB/PARTITION`."""
    active = {_name(run) for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY))}
    broken: dict[str, str] = {}
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_BROKEN), limit=_LATEST):  # the newest first
        # A run that was lost and will be started again is under way for everybody who waits for it.
        if run.is_complete_and_waiting_to_retry:
            active.add(_name(run))
        elif _name(run) not in broken and _is_last(instance, run):
            broken[_name(run)] = f"run {run.run_id[:8]} {run.status.value.lower()}"
    return frozenset(active), broken


def _is_last(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether no run of the same job at the same partition came after a run."""
    tags = {PARTITION_TAG: run.tags[PARTITION_TAG]} if PARTITION_TAG in run.tags else {}
    newest = instance.get_runs(filters=dg.RunsFilter(job_name=run.job_name, tags=tags), limit=1)
    return not newest or newest[0].run_id == run.run_id


def _name(run: dg.DagsterRun) -> str:
    return f"{run.job_name}/{run.tags.get(PARTITION_TAG, '')}"
