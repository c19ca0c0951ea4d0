"""The released candidate's adapters merged into their 16-bit base, scored again on the same rows, and published.

Not here: whether they may be (`approval`), how merging and publishing go (`backends.serving.merging`,
`backends.hub.publishing`), and what a drop is (`domain.judging.consistency`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import dagster as dg

from swap_assets.defs import checks, metadata
from swap_assets.defs.approval import adopt_reported, require_release
from swap_assets.defs.resources.processes import MODEL_PROCESS_POOL, MergedFolders, ModelProcesses
from swap_assets.defs.resources.store import MODELS_AND_SCALES, ExperimentStore, experiment_in_force
from swap_assets.defs.resources.tracking import Hub, ResultTracking
from swap_assets.domain.judging.consistency import MergeVerdict, judge_merge
from swap_assets.domain.judging.decisions import Decision, Override
from swap_assets.domain.keys import MERGED_MODEL, SLM_BASELINE, TEST_SPLITS, Candidate, Form
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases
from swap_assets.domain.weights import MergedModel, PublishedModel, refusal_to_merge

CHECK = "no_drop_after_merging"
_BEHIND = (*experiment_in_force().adapter_assets(), *experiment_in_force().evaluation_assets(), SLM_BASELINE)


class MergeConfig(dg.Config):
    """How to go against the gate: both fields, and they are recorded."""

    override_reason: str = ""
    override_by: str = ""

    def override(self) -> Override | None:
        """Return the override, None where none is given; half of one is refused."""
        reason, by = self.override_reason.strip(), self.override_by.strip()
        if not (reason or by):
            return None
        if not by or len(reason) < 3:
            told = "an override takes both override_by, a name, and override_reason, of at least three letters"
            raise dg.Failure(description=told, allow_retries=False)
        return Override(reason=reason, by=by)


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    deps=[*_BEHIND, *TEST_SPLITS],
    pool=MODEL_PROCESS_POOL,
    kinds={"huggingface"},
    check_specs=[
        checks.check_spec(
            CHECK,
            MERGED_MODEL,
            blocking=True,
            description="On the rows that the adapter answered, the merged model is not worse than it for sure "
            "(95 % interval of the paired difference, each track).",
        )
    ],
)
def merged_model(
    context: dg.AssetExecutionContext, config: MergeConfig, store: ExperimentStore, processes: ModelProcesses,
    tracking: ResultTracking, release_decision: Decision,
) -> Iterator[dg.MaterializeResult[MergedModel] | dg.AssetCheckResult]:  # fmt: skip
    """The candidate that release_decision names, merged into its 16-bit base and scored again on the same rows."""
    override = config.override()
    adopt_reported(context.instance, store)
    require_release(store, release_decision, override)
    with store.recording_failure(context):
        merge = _scored_again(context, store, processes, release_decision)
        run_id = tracking.evaluation(merge.after, partition=context.partition_key) if merge.folders.work else ""
        check = checks.merge_check_result(CHECK, merge.judged)
        if not merge.judged.passed:
            yield check
            raise _blocked(merge)
        value = MergedModel(
            candidate_id=merge.after.candidate.id,
            base=merge.folders.base.named,
            dtype=merge.folders.base.dtype,
            decision=release_decision.content(),
            override=f"{override.by}: {override.reason}" if override else "",
            adapters=merge.folders.keep(),
            evaluation=merge.after,
            evidence=merge.before.evidence_hash(),
            contrasts=merge.judged.contrasts,
            compared=merge.judged.reason,
        )
    yield metadata.merged_result(value, release_decision, run_id=run_id, check=check)


class _Merge(NamedTuple):
    """Unproven folders, and what the adapters (`before`) and the merged models (`after`) scored."""

    folders: MergedFolders
    before: Evaluation
    after: Evaluation
    judged: MergeVerdict


def _scored_again(
    context: dg.AssetExecutionContext, store: ExperimentStore, processes: ModelProcesses, decision: Decision
) -> _Merge:
    chosen = Candidate.from_id(decision.candidates[0])
    before, files = store.evidence(chosen.scale).of(chosen), store.test_files(chosen.scale)
    if chosen.form is Form.BASE:
        reason = f"Nothing was merged: {chosen.id} is the untouched base, and its own evaluation stands."
        folders = processes.merge(context, chosen, [], files)
        return _Merge(folders, before, before, MergeVerdict(passed=True, reason=reason))
    if refusal := refusal_to_merge(decision, before, hash_of_cases(store.cases(files))):
        raise dg.Failure(description=refusal, allow_retries=False)
    folders = processes.merge(context, chosen, store.artefacts(before), files)
    after = processes.evaluation(context, folders.candidate, folders.unproven, files)
    return _Merge(folders, before, after, judge_merge(after, before, store.experiment.gates.primary))


def _blocked(merge: _Merge) -> dg.Failure:
    kept = ", ".join(map(str, merge.folders.set_aside(merge.after)))
    reason = f"the merged model scores below its adapter, so it is blocked. {merge.judged.reason} It lies in {kept}."
    return dg.Failure(description=reason, allow_retries=False)


@dg.asset(partitions_def=MODELS_AND_SCALES, kinds={"huggingface"})
def published_model(
    context: dg.AssetExecutionContext, store: ExperimentStore, hub: Hub, merged_model: MergedModel,
    release_decision: Decision,
) -> dg.MaterializeResult[PublishedModel]:  # fmt: skip
    """The merged model with its card on the Hugging Face hub; skipped where the experiment publishes nothing."""
    adopt_reported(context.instance, store)
    if not merged_model.override:
        require_release(store, release_decision, None)
    with store.recording_failure(context):
        published = hub.publish(merged_model, release_decision)
    return metadata.published_result(published)
