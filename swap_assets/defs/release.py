"""May a model's best candidate replace the LLM: decided on rows that nothing else has read."""

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.answering import local_evaluation
from swap_assets.defs.partitions import MODELS_AND_SCALES, model_and_scale_of
from swap_assets.defs.pipes import MODEL_PROCESS_POOL, WorkerClient
from swap_assets.defs.resources import Lab, experiment_in_force
from swap_assets.domain.gates.release import may_open_sealed, nominate, release
from swap_assets.domain.judging.contrasts import DECIDING_TRACK
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import FINE_TUNE_DECISION, LLM_BASELINE, SLM_BASELINE, Candidate
from swap_assets.domain.scoring.evaluation import Evaluation, measure

_EVIDENCE = [
    LLM_BASELINE, SLM_BASELINE, FINE_TUNE_DECISION, *experiment_in_force().evaluation_assets(),
]  # fmt: skip
_ADAPTERS = experiment_in_force().adapter_assets()


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    deps=[*_EVIDENCE, *_ADAPTERS, "dataset_split", "hermes_conversations"],
    pool=MODEL_PROCESS_POOL,
    kinds={"python"},
)
def release_decision(
    context: dg.AssetExecutionContext, lab: Lab, worker: WorkerClient
) -> dg.MaterializeResult[Decision]:
    """Whether the model's best candidate may replace the LLM: only when sealed rows show that it is no worse."""
    model, scale = model_and_scale_of(context)
    evidence = lab.evidence(scale)
    candidates, llm, policy = evidence.of_model(model), evidence.llm, lab.experiment.gates
    best = nominate(candidates, llm, policy)
    sealed = None
    if best and may_open_sealed(best, policy):
        sealed = _sealed(context, lab, worker, chosen=Candidate.from_id(best.candidate_id), llm=llm)
    decision = release(candidates, llm, policy, model=model, scale=scale, sealed=sealed)
    return metadata.decision_result(decision.model_copy(update={"decided_at": lab.now()}))


def _sealed(
    context: dg.AssetExecutionContext, lab: Lab, worker: WorkerClient, *, chosen: Candidate, llm: Evaluation
) -> tuple[Evaluation, Evaluation] | None:
    """Ask the chosen candidate and the LLM the sealed rows; None where the experiment keeps none."""
    cases = lab.sealed_cases(chosen.scale)
    if not cases:
        return None
    adapters = [item for item in lab.adapters_of(chosen) if item.answer_format.track is DECIDING_TRACK]
    answer_format, folder = adapters[0][1:] if adapters else (lab.bench.baseline_format(DECIDING_TRACK), None)
    ours = local_evaluation(
        context,
        lab,
        worker,
        candidate=chosen,
        cases=cases,
        answers_with={DECIDING_TRACK: (answer_format, folder)},
        purpose="sealed",
    )
    asked = llm.results[DECIDING_TRACK]
    # As the test rows were asked: through the same interface, in the same measurement epoch.
    with lab.recording_failure(context):
        records = lab.hosted_answers(
            llm.candidate,
            cases,
            {DECIDING_TRACK: asked.served.interface},
            purpose="sealed",
            epoch=asked.served.epoch,
            log=context.log.info,
        )
    measured = measure(llm.candidate, asked.summary.answer_format, cases=cases, records=records[DECIDING_TRACK])
    return ours, Evaluation(candidate=llm.candidate, results={DECIDING_TRACK: measured}, dataset_hash=ours.dataset_hash)
