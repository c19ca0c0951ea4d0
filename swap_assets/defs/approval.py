"""`release_approval`: a person's word on a release, as an external asset that somebody reports and nothing computes.

It is given by `swap-assets approve`, or in the UI by "Report materialization" with the description
`approved by NAME: REASON` (or `rejected by NAME: REASON`). The names are self-declared.
"""

from datetime import UTC, datetime

import dagster as dg

from swap_assets.defs.partitions import MODELS_AND_SCALES
from swap_assets.defs.resources import Lab
from swap_assets.domain.judging.approval import Approval, read_reported
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import RELEASE_APPROVAL, RELEASE_DECISION, model_and_scale, partition_key

release_approval = dg.AssetSpec(
    RELEASE_APPROVAL,
    deps=[RELEASE_DECISION],
    partitions_def=MODELS_AND_SCALES,
    kinds={"person"},
    description="A person's word on a release that passed, bound to its evidence and void when that changes.",
)


def give_word(instance: dg.DagsterInstance, lab: Lab, approval: Approval) -> None:
    """Keep a person's word in the experiment's folder and report it to the instance, where the UI shows it."""
    # With its dimensions, which Dagster writes into the event's tags.
    partition = dg.MultiPartitionKey({"model": approval.model, "scale": approval.scale})
    lab.store.write(RELEASE_APPROVAL, str(partition), approval, kind=Approval)
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            RELEASE_APPROVAL,
            partition=partition,
            description=approval.sentence(),
            metadata=approval.model_dump(mode="json"),
        )
    )


def adopt_all_reported(instance: dg.DagsterInstance, lab: Lab, scale: str) -> None:
    """Take over what was said in the UI about a scale's releases: the sensors that look for it may be off."""
    for model in lab.experiment.models:
        adopt_reported(instance, lab, partition_key(model, scale))


def adopt_reported(instance: dg.DagsterInstance, lab: Lab, key: str) -> Approval | None:
    """Return the last word on a model's release, one reported in the UI included.

    A word from the UI names no evidence; it is taken to be on the decision in force, if that is older than the word.
    """
    known = lab.approval(key)
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(RELEASE_APPROVAL), asset_partitions=[key]), limit=1
    ).records
    reported = found[0].asset_materialization if found else None
    if reported is None or "evidence_hash" in reported.metadata:
        return known
    at = datetime.fromtimestamp(found[0].timestamp, UTC).isoformat(timespec="seconds")
    word = read_reported(reported.description or "")
    decision = lab.evidence(model_and_scale(key)[1]).decision(RELEASE_DECISION, key)
    if word is None or decision is None or not _on(decision, at):
        return known
    verdict, by, reason = word
    if known and (known.at, known.verdict, known.by, known.reason) == (at, *word):
        return known  # taken over before, perhaps on evidence that has changed since
    model, scale = decision.model, decision.scale
    approval = Approval(
        model=model, scale=scale, verdict=verdict, by=by, reason=reason, evidence_hash=decision.content(), at=at
    )
    lab.store.write(RELEASE_APPROVAL, key, approval, kind=Approval)
    return approval


def _on(decision: Decision, at: str) -> bool:
    """Whether a decision had been made when a word was given; both times are in UTC, to the second."""
    return bool(decision.decided_at) and decision.decided_at <= at
