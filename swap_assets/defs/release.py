"""All candidates of a scale compared, and may a model's best replace the LLM: decided on rows nothing else has read.

The report reads the experiment's folder instead of asset inputs: a candidate that is absent, skipped or failed is
named, and Dagster's fan-in input would raise for the first missing partition.

The hosted LLM is asked those rows in an asset of its own, because a step waits in one pool only: it must not hold the
place of a model process while it waits for a service, nor ask a service beside its pool.
"""

from collections.abc import Iterator

import dagster as dg

from swap_assets.defs import checks, metadata
from swap_assets.defs.approval import adopt_reported
from swap_assets.defs.resources.processes import HOSTED_POOL, MODEL_PROCESS_POOL, HostedLlm, ModelProcesses
from swap_assets.defs.resources.store import MODELS_AND_SCALES, SCALES, ExperimentStore, experiment_in_force
from swap_assets.defs.resources.tracking import Reports, ResultTracking
from swap_assets.domain.gates.release import may_open_sealed, nominate, release
from swap_assets.domain.judging.contrasts import DECIDING_TRACK
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import (
    DATASET_SPLIT,
    FINE_TUNE_DECISION,
    HERMES_CONVERSATIONS,
    LLM_BASELINE,
    SEALED_LLM_EVALUATION,
    SLM_BASELINE,
    Candidate,
    model_and_scale,
)
from swap_assets.domain.report.report import Report
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases, not_evaluated

_EVIDENCE = (LLM_BASELINE, SLM_BASELINE, FINE_TUNE_DECISION, *experiment_in_force().evaluation_assets())
_READ = (*_EVIDENCE, DATASET_SPLIT, HERMES_CONVERSATIONS)


@dg.asset(partitions_def=SCALES, deps=_EVIDENCE, kinds={"html"})
def comparison_report(
    context: dg.AssetExecutionContext, store: ExperimentStore, reports: Reports, tracking: ResultTracking
) -> dg.MaterializeResult[Report]:
    """Every candidate of the scale beside the LLM: the verdict, criteria, tables, decisions, what is missing."""
    adopt_reported(context.instance, store)
    report = reports.build(context.partition_key)
    folder = reports.write(report)
    tracking.report(report, folder)
    return metadata.report_result(report, folder, reports.plots(report))


@dg.asset(partitions_def=MODELS_AND_SCALES, deps=_READ, pool=HOSTED_POOL, kinds={"openai"})
def sealed_llm_evaluation(
    context: dg.AssetExecutionContext, store: ExperimentStore, hosted: HostedLlm
) -> dg.MaterializeResult[Evaluation]:
    """The hosted LLM's answers to the sealed rows, asked only where a candidate is worth holding against them.

    As the test rows were asked: through the same interface, in the same measurement epoch. What it has answered for
    another model of the scale is not asked again.
    """
    model, scale = model_and_scale(context.partition_key)
    llm, best = store.evidence(scale).llm, _nominated(store, model, scale)
    cases = store.cases(store.sealed_files(scale)) if best else []
    if not cases:
        why = "the experiment keeps no sealed rows" if best else f"no candidate of {model} is worth opening them for"
        return metadata.evaluation_result(not_evaluated(llm.candidate, "skipped", why), run_id="")
    epoch = llm.results[DECIDING_TRACK].served.epoch
    evaluation = hosted.as_before(context, cases, llm=llm, purpose="sealed", epoch=epoch)
    return metadata.evaluation_result(evaluation, run_id="")


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    deps=[*_READ, *experiment_in_force().adapter_assets(), SEALED_LLM_EVALUATION],
    pool=MODEL_PROCESS_POOL,
    kinds={"python"},
    check_specs=[checks.gate_check("release_decision", MODELS_AND_SCALES)],
)
def release_decision(
    context: dg.AssetExecutionContext, store: ExperimentStore, processes: ModelProcesses, tracking: ResultTracking
) -> Iterator[dg.MaterializeResult[Decision]]:
    """Whether the model's best candidate may replace the LLM: only when sealed rows show that it is no worse."""
    model, scale = model_and_scale(context.partition_key)
    evidence, policy = store.evidence(scale), store.experiment.gates
    candidates, llm = evidence.of_model(model), evidence.llm
    best, sealed = _nominated(store, model, scale), None
    if best and (files := store.sealed_files(scale)):
        with store.recording_failure(context):
            theirs = _sealed_answers(store, llm, context.partition_key, hash_of_cases(store.cases(files)))
            artefacts = store.artefacts(evidence.of(best), deciding=True)
        sealed = processes.evaluation(context, best, artefacts, files, purpose="sealed"), theirs
    decision = release(candidates, llm, policy, model=model, scale=scale, sealed=sealed)
    yield metadata.decision_result(tracking.decided(decision))


def _nominated(store: ExperimentStore, model: str, scale: str) -> Candidate | None:
    """Return the model's candidate for which the sealed rows may be opened, None where no one is good enough."""
    evidence, policy = store.evidence(scale), store.experiment.gates
    best = nominate(evidence.of_model(model), evidence.llm, policy)
    return Candidate.from_id(best.candidate_id) if best and may_open_sealed(best, policy) else None


def _sealed_answers(store: ExperimentStore, llm: Evaluation, partition: str, rows: str) -> Evaluation:
    """Return what the hosted LLM answered to the sealed rows; answers to other rows or in another epoch are refused."""
    found = store.read(SEALED_LLM_EVALUATION, partition, Evaluation)
    why = f"was skipped: {found.reason}" if found.status != "evaluated" else ""
    if not why and found.dataset_hash != rows:
        why = "was made on other sealed rows"
    if not why and _how(found) != _how(llm):
        why = "was made in another epoch or through another interface than llm_baseline"
    if why:
        again = f"materialise {SEALED_LLM_EVALUATION} and release_decision at '{partition}' together"
        raise dg.Failure(description=f"{SEALED_LLM_EVALUATION} {why}; {again}", allow_retries=False)
    return found


def _how(evaluation: Evaluation) -> tuple[str, str]:
    """Return the epoch and the interface in which the hosted LLM was asked."""
    served = evaluation.results[DECIDING_TRACK].served
    return served.epoch, served.interface.value
