"""Who lets a step through: the gates, and a person, whose `release_approval` is an external asset that is reported.

It is given by `swap-assets approve`, or in the UI by "Report materialization" with the description
`approved by NAME: REASON` (or `rejected by NAME: REASON`). The names are self-declared.
"""

from datetime import UTC, datetime

import dagster as dg

from swap_assets.defs.resources.store import MODELS_AND_SCALES, ExperimentStore
from swap_assets.domain.gates.release import release_refusal
from swap_assets.domain.gates.scale_up import scale_refusal
from swap_assets.domain.judging.decisions import Approval, Decision, Override, read_reported
from swap_assets.domain.keys import RELEASE_APPROVAL, RELEASE_DECISION
from swap_assets.domain.state import State

# The tag of a run that a sensor asked for; it holds the sensor's name.
REQUESTED_BY = "swap/requested_by"
_LATEST = 500  # approvals; more than any experiment has models at scales

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
    left alone: the evidence may have changed since.
    """
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
        evidence_hash=decision.content(), at=at,
    )  # fmt: skip
