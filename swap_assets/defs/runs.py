"""What Dagster's instance knows of an experiment: runs under way or broken, and the data versions of its rows.

Not here: what has been measured and decided (the experiment's folder), and what is due (`domain.gates`).
"""

import dataclasses
from collections.abc import Iterable, Sequence

import dagster as dg

from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.gates import registry
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
_LATEST = 500  # runs or materialisations; more than any experiment has partitions


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
        state,
        root=_version(root.asset_materialization, root.run_id) if root else "",
        rows={scale: content_hash([found.get(scale, "") for found in versions]) for scale in scales if rows},
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
