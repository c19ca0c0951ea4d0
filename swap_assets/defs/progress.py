"""Reading how far the experiment has come, from its folder and the instance; what follows is `domain.automation`."""

import dagster as dg

from swap_assets.defs.approval import adopt_reported
from swap_assets.defs.resources import Lab
from swap_assets.domain.automation.progress import (
    BASELINE,
    MODEL_BASELINE,
    RELEASE,
    REPORT,
    SEALED_TEST,
    TRAIN,
    Found,
    Progress,
)
from swap_assets.domain.judging.approval import Approval
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Form, partition_key
from swap_assets.domain.model import content_hash

_UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_BROKEN = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_TRAINED_ON = ("structured_track", "toolcall_track")
_PARTITION_TAG = "dagster/partition"
_LATEST_RUNS = 500  # of one job; more than any experiment has partitions


def read_progress(instance: dg.DagsterInstance, lab: Lab) -> Progress:
    """Return the recorded state of the experiment; nothing missing is an error."""
    experiment, found = lab.experiment, _Found()
    for scale in experiment.scales:
        evidence = lab.evidence(scale)
        found.rows[scale] = content_hash([_partition_version(instance, name, scale) for name in _TRAINED_ON])
        found.llm[scale] = Found.of(evidence.llm)
        found.decide("scale_up_decision", scale, evidence.decision("scale_up_decision", scale))
        for model in experiment.models:
            key = partition_key(model, scale)
            found.base[key] = Found.of(evidence.base(model))
            tuned = (item for item in evidence.of_model(model) if item.candidate.form is not Form.BASE)
            found.tuned[key] = tuple(map(Found.of, tuned))
            for name in ("fine_tune_decision", "release_decision"):
                found.decide(name, key, evidence.decision(name, key))
            if approval := adopt_reported(instance, lab, key):
                found.approvals[key] = approval
    active, broken = _runs(instance)
    return Progress(
        experiment=experiment,
        root=_data_version(instance, "hermes_conversations"),
        rows=found.rows,
        llm=found.llm,
        base=found.base,
        tuned=found.tuned,
        decisions=found.decisions,
        approvals=found.approvals,
        active=active,
        broken=broken,
    )


class _Found:
    """What has been read so far."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.llm: dict[str, Found] = {}
        self.base: dict[str, Found] = {}
        self.tuned: dict[str, tuple[Found, ...]] = {}
        self.decisions: dict[str, Decision] = {}
        self.approvals: dict[str, Approval] = {}

    def decide(self, name: str, partition: str, decision: Decision | None) -> None:
        if decision is not None:
            self.decisions[f"{name}/{partition}"] = decision


def _data_version(instance: dg.DagsterInstance, asset: str) -> str:
    """Return the version of what an asset last held, "" where it was never materialised."""
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    return _version_of(event) if event else ""


def _partition_version(instance: dg.DagsterInstance, asset: str, partition: str) -> str:
    """Return the version of what an asset last held at a partition, "" where it was never materialised."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
    records = instance.fetch_materializations(wanted, limit=1).records
    return _version_of(records[0].event_log_entry) if records else ""


def _version_of(event: dg.EventLogEntry) -> str:
    made = event.asset_materialization
    return (made.tags or {}).get("dagster/data_version", event.run_id) if made else ""


def _runs(instance: dg.DagsterInstance) -> tuple[frozenset[str], dict[str, str]]:
    """Return the runs under way, and the partitions whose last run of a job ended badly, as `JOB/PARTITION`."""
    active: set[str] = set()
    broken: dict[str, str] = {}
    for job in (BASELINE, MODEL_BASELINE, TRAIN, REPORT, SEALED_TEST, RELEASE):
        seen: set[str] = set()
        for run in instance.get_runs(filters=dg.RunsFilter(job_name=job), limit=_LATEST_RUNS):  # the newest first
            name = f"{job}/{run.tags.get(_PARTITION_TAG, '')}"
            # A run that was lost and will be started again is under way for everybody who waits for it.
            if run.status in _UNDER_WAY or run.is_complete_and_waiting_to_retry:
                active.add(name)
            elif name not in seen and run.status in _BROKEN:
                broken[name] = f"run {run.run_id[:8]} {run.status.value.lower()}"
            seen.add(name)
    return frozenset(active), broken
