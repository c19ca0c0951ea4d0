"""The released candidate's adapters merged into their 16-bit base, and scored again on the same rows.

Not here: whether they may be (`release`), how merging goes (`backends.merging`), and what a drop is
(`domain.judging.merge_check`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.answering import local_evaluation
from swap_assets.defs.approval import adopt_reported
from swap_assets.defs.partitions import MODELS_AND_SCALES
from swap_assets.defs.pipes import MODEL_PROCESS_POOL, WorkerClient
from swap_assets.defs.resources import Lab, MergeDone, MergeRoom, experiment_in_force
from swap_assets.domain.judging.decisions import Decision, Override
from swap_assets.domain.judging.merge_check import MergeVerdict, judge_merge
from swap_assets.domain.keys import SLM_BASELINE, TEST_SPLITS, Candidate
from swap_assets.domain.merged_model import MergedModel
from swap_assets.domain.scoring.evaluation import Evaluation

CHECK = "no_drop_after_merging"
_BEHIND = [*experiment_in_force().adapter_assets(), *experiment_in_force().evaluation_assets(), SLM_BASELINE]
Result = Iterator[dg.MaterializeResult[MergedModel] | dg.AssetCheckResult]


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
        dg.AssetCheckSpec(
            name=CHECK,
            asset="merged_model",
            blocking=True,
            description="On the rows that the adapter answered, the merged model is not worse than it for sure "
            "(95 % interval of the paired difference, each track).",
        )
    ],
)
def merged_model(
    context: dg.AssetExecutionContext,
    config: MergeConfig,
    lab: Lab,
    worker: WorkerClient,
    release_decision: Decision,
) -> Result:
    """The candidate that release_decision names, merged into its 16-bit base and scored again on the same rows."""
    override = config.override()
    adopt_reported(context.instance, lab)
    lab.require_release(release_decision, override)
    with lab.recording_failure(context):
        merge = _scored_again(context, lab, worker, release_decision)
        check = _check(merge.judged)
        if not merge.judged.passed:
            yield check
            raise _blocked(merge)
        value = MergedModel(
            candidate_id=merge.after.candidate.id,
            base=merge.folders.base.named,
            dtype=merge.folders.base.dtype,
            decision=release_decision.content(),
            override=f"{override.by}: {override.reason}" if override else "",
            adapters=merge.folders.keep(merge.done),
            evaluation=merge.after,
            evidence=merge.before.evidence_hash(),
            contrasts=merge.judged.contrasts,
            compared=merge.judged.reason,
        )
    yield metadata.merged_result(value, release_decision, run_id=merge.run_id, check=check)


class _Merge(NamedTuple):
    """Unproven folders, and what the adapters (`before`) and the merged models (`after`) scored."""

    folders: MergeRoom
    done: list[MergeDone]
    before: Evaluation
    after: Evaluation
    run_id: str
    judged: MergeVerdict


def _scored_again(context: dg.AssetExecutionContext, lab: Lab, worker: WorkerClient, decision: Decision) -> _Merge:
    chosen = Candidate.from_id(decision.candidates[0])
    before = lab.evidence(chosen.scale).of(chosen)
    folders = lab.merged_folders(decision, before)
    if not folders.work:
        reason = f"Nothing was merged: {before.candidate.id} is the untouched base, and its own evaluation stands."
        return _Merge(folders, [], before, before, "", MergeVerdict(passed=True, reason=reason))
    done = [item for item in worker.run_all(context, folders.work) if item.kind == "merge"]
    after = local_evaluation(
        context,
        lab,
        worker,
        candidate=folders.candidate,
        cases=lab.test_cases(chosen.scale),
        answers_with=folders.answers_with,
    )
    run_id = lab.track_evaluation(after, partition=context.partition_key)
    policy = lab.experiment.gates
    return _Merge(folders, done, before, after, run_id, judge_merge(after, before, policy.primary))


def _blocked(merge: _Merge) -> dg.Failure:
    kept = ", ".join(map(str, merge.folders.set_aside(merge.after)))
    reason = f"the merged model scores below its adapter, so it is blocked. {merge.judged.reason} It lies in {kept}."
    return dg.Failure(description=reason, allow_retries=False)


def _check(judged: MergeVerdict) -> dg.AssetCheckResult:
    shown = {f"{item.track.value}_points": -item.delta_points for item in judged.contrasts}
    return dg.AssetCheckResult(check_name=CHECK, passed=judged.passed, description=judged.reason, metadata=shown)
