"""All candidates of a scale compared, the best released on rows nothing else has read, then merged and published.

The report reads the experiment's folder instead of asset inputs: a candidate that is absent, skipped or failed is
named, and Dagster's fan-in input would raise for the first missing partition.

The hosted LLM is asked those rows in an asset of its own, because a step waits in one pool only: it must not hold the
place of a model process while it waits for a service, nor ask a service beside its pool. Not here: whether one may be
merged (`approval`), how merging and publishing go (`backends.serving.merging`, `backends.hub.publishing`).
"""

from collections.abc import Iterator

import dagster as dg

from swap_assets.defs import checks, metadata
from swap_assets.defs.gates import adopt_reported, require_release
from swap_assets.defs.resources.processes import (
    HOSTED_POOL,
    HostedLlm,
    MergedFolders,
    ModelProcesses,
)
from swap_assets.defs.resources.store import MODELS_AND_SCALES, SCALES, ExperimentStore, experiment_in_force
from swap_assets.defs.resources.tracking import ResultTracking
from swap_assets.domain import keys
from swap_assets.domain.gates.replacement import may_be_asked, release
from swap_assets.domain.judging.consistency import MergeVerdict, judge_merge
from swap_assets.domain.judging.contrasts import DECIDING_TRACK
from swap_assets.domain.judging.decisions import Decision, Override
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases, not_evaluated
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.weights import MergedModel, PublishedModel, refusal_to_merge

_EVIDENCE = (keys.LLM_BASELINE, keys.SLM_BASELINE, keys.FINE_TUNE_DECISION, *experiment_in_force().evaluation_assets())
_READ = (*_EVIDENCE, keys.DATASET_SPLIT, keys.HERMES_CONVERSATIONS)
_BEHIND = (*experiment_in_force().adapter_assets(), *experiment_in_force().evaluation_assets(), keys.SLM_BASELINE)
NO_DROP = "no_drop_after_merging"


@dg.asset(partitions_def=SCALES, deps=_EVIDENCE, kinds={"html"})
def comparison_report(
    context: dg.AssetExecutionContext, store: ExperimentStore, tracking: ResultTracking
) -> dg.MaterializeResult[Report]:
    """Every candidate of the scale beside the LLM: the verdict, criteria, tables, decisions, what is missing."""
    adopt_reported(context.instance, store)
    report, folder = tracking.report(context.partition_key)
    return metadata.report_result(report, folder, tracking.plots(report))


@dg.asset(partitions_def=MODELS_AND_SCALES, deps=_READ, pool=HOSTED_POOL, kinds={"openai"})
def sealed_llm_evaluation(
    context: dg.AssetExecutionContext, store: ExperimentStore, hosted: HostedLlm
) -> dg.MaterializeResult[Evaluation]:
    """The hosted LLM's answers to the sealed rows, asked only where a candidate is worth holding against them.

    As the test rows were asked: through the same interface, in the same measurement epoch. What it has answered for
    another model of the scale is not asked again.
    """
    model, scale = keys.model_and_scale(context.partition_key)
    llm, best = store.evidence(scale).llm, _nominated(store, model, scale)
    cases = store.cases(store.sealed_files(scale)) if best else []
    if not cases:
        why = "the experiment keeps no sealed rows" if best else f"no candidate of {model} is worth opening them for"
        return metadata.evaluation_result(not_evaluated(llm.candidate, "skipped", why))
    epoch = llm.results[DECIDING_TRACK].served.epoch
    evaluation = hosted.as_before(context, cases, llm=llm, purpose="sealed", epoch=epoch)
    return metadata.evaluation_result(evaluation)


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    deps=[*_READ, *experiment_in_force().adapter_assets(), keys.SEALED_LLM_EVALUATION],
    pool=keys.MODEL_PROCESS_POOL,
    kinds={"python"},
    check_specs=[checks.gate_check("release_decision", MODELS_AND_SCALES)],
)
def release_decision(
    context: dg.AssetExecutionContext, store: ExperimentStore, processes: ModelProcesses, tracking: ResultTracking
) -> Iterator[dg.MaterializeResult[Decision]]:
    """Whether the model's best candidate may replace the LLM: only when sealed rows show that it is no worse."""
    model, scale = keys.model_and_scale(context.partition_key)
    evidence, policy = store.evidence(scale), store.experiment.gates
    candidates, llm = evidence.of_model(model), evidence.llm
    best, sealed = _nominated(store, model, scale), None
    if best and (files := store.sealed_files(scale)):
        with store.recording_failure(context):
            theirs = _sealed_answers(store, llm, context.partition_key, hash_of_cases(store.cases(files)))
            artefacts = store.artefacts(evidence.of(best), deciding=True)
        sealed = processes.evaluation(context, best, artefacts, files, purpose="sealed"), theirs
    lengths = store.read(keys.DATASET_SPLIT, scale, DatasetSplit).lengths if sealed else {}
    decision = release(candidates, llm, policy, model=model, scale=scale, sealed=sealed, lengths=lengths)
    yield metadata.decision_result(tracking.decided(decision))


def _nominated(store: ExperimentStore, model: str, scale: str) -> Candidate | None:
    """Return the model's candidate for which the sealed rows may be opened, None where no one is good enough."""
    evidence, policy = store.evidence(scale), store.experiment.gates
    best = may_be_asked(evidence.of_model(model), evidence.llm, policy)
    return Candidate.from_id(best.candidate_id) if best else None


def _sealed_answers(store: ExperimentStore, llm: Evaluation, partition: str, rows: str) -> Evaluation:
    """Return what the hosted LLM answered to the sealed rows; answers to other rows or in another epoch are refused."""
    found = store.read(keys.SEALED_LLM_EVALUATION, partition, Evaluation)
    why = f"was skipped: {found.reason}" if found.status != "evaluated" else ""
    if not why and found.dataset_hash != rows:
        why = "was made on other sealed rows"
    if not why and _how(found) != _how(llm):
        why = "was made in another epoch or through another interface than llm_baseline"
    if why:
        told = f"{keys.SEALED_LLM_EVALUATION} {why}; make both again: {store.again(*keys.SEALED_ASSETS, at=partition)}"
        raise dg.Failure(description=told, allow_retries=False)
    return found


def _how(evaluation: Evaluation) -> tuple[str, str]:
    """Return the epoch and the interface in which the hosted LLM was asked."""
    served = evaluation.results[DECIDING_TRACK].served
    return served.epoch, served.interface.value


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
    deps=[*_BEHIND, *keys.TEST_SPLITS],
    pool=keys.MODEL_PROCESS_POOL,
    kinds={"huggingface"},
    check_specs=[
        checks.check_spec(
            NO_DROP,
            keys.MERGED_MODEL,
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
        folders, before, after, judged = _scored_again(context, store, processes, release_decision)
        run_id = tracking.evaluation(after, partition=context.partition_key) if folders.work else ""
        check = checks.merge_check_result(NO_DROP, judged)
        if not judged.passed:
            yield check
            told = f"the merged model scores below its adapter, so it is blocked. {judged.reason}"
            where = ", ".join(map(str, folders.set_aside(after)))
            raise dg.Failure(description=f"{told} It lies in {where}.", allow_retries=False)
        value = MergedModel(
            candidate_id=after.candidate.id, base=folders.base.named, dtype=folders.base.dtype,
            decision=release_decision.content(), override=f"{override.by}: {override.reason}" if override else "",
            adapters=folders.keep(), evaluation=after, evidence=before.evidence_hash(), contrasts=judged.contrasts,
            compared=judged.reason,
        )  # fmt: skip
    yield metadata.merged_result(value, release_decision, run_id=run_id, check=check)


def _scored_again(
    context: dg.AssetExecutionContext, store: ExperimentStore, processes: ModelProcesses, decision: Decision
) -> tuple[MergedFolders, Evaluation, Evaluation, MergeVerdict]:
    """Return unproven folders, what the adapters and then the merged models scored, and whether that is a drop."""
    chosen = Candidate.from_id(decision.candidates[0])
    before, files = store.evidence(chosen.scale).of(chosen), store.test_files(chosen.scale)
    if chosen.form is Form.BASE:
        reason = f"Nothing was merged: {chosen.id} is the untouched base, and its own evaluation stands."
        folders = processes.merge(context, chosen, [], files)
        return folders, before, before, MergeVerdict(passed=True, reason=reason)
    if refusal := refusal_to_merge(decision, before, hash_of_cases(store.cases(files))):
        raise dg.Failure(description=store.pasteable(refusal), allow_retries=False)
    folders = processes.merge(context, chosen, store.artefacts(before), files)
    after = processes.evaluation(context, folders.candidate, folders.unproven, files)
    return folders, before, after, judge_merge(after, before, store.experiment.gates.primary)


@dg.asset(partitions_def=MODELS_AND_SCALES, kinds={"huggingface"})
def published_model(
    context: dg.AssetExecutionContext, store: ExperimentStore, tracking: ResultTracking, merged_model: MergedModel,
    release_decision: Decision,
) -> dg.MaterializeResult[PublishedModel]:  # fmt: skip
    """The merged model with its card on the Hugging Face hub; skipped where the experiment publishes nothing."""
    adopt_reported(context.instance, store)
    if not merged_model.override:
        require_release(store, release_decision, None)
    with store.recording_failure(context):
        published = tracking.publish(merged_model, release_decision)
    return metadata.published_result(published)
