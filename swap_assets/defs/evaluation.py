"""The evaluations of the two approaches, each way of decoding, with the guide's success criteria as asset checks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.answering import local_evaluation
from swap_assets.defs.partitions import MODELS_AND_SCALES, model_and_scale_of
from swap_assets.defs.pipes import MODEL_PROCESS_POOL, WorkerClient
from swap_assets.defs.resources import Lab
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.criteria import criteria_of
from swap_assets.domain.keys import TEST_SPLITS, Decoding
from swap_assets.domain.lora_adapter import LoraAdapter
from swap_assets.domain.scoring.evaluation import Evaluation, not_evaluated

CONSTRAINED = Decoding.CONSTRAINED
Result = Iterator[dg.MaterializeResult[Evaluation]]


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    deps=TEST_SPLITS,
    pool=MODEL_PROCESS_POOL,
    kinds={"huggingface"},
    check_specs=metadata.criterion_checks("paper_evaluation"),
)
def paper_evaluation(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    paper_adapter: LoraAdapter,
    llm_baseline: Evaluation,
) -> Result:
    """The paper approach's answers to every test row of the scale, scored."""
    yield _evaluated(context, lab, worker, adapters=[paper_adapter], llm=llm_baseline, approach="paper")


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    deps=TEST_SPLITS,
    pool=MODEL_PROCESS_POOL,
    kinds={"huggingface"},
    check_specs=metadata.criterion_checks("fledgling_evaluation"),
)
def fledgling_evaluation(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    fledgling_structured_adapter: LoraAdapter,
    fledgling_toolcall_adapter: LoraAdapter,
    llm_baseline: Evaluation,
) -> Result:
    """The Fledgling pair's answers to every test row of the scale, scored in both tracks: one candidate."""
    pair = [fledgling_structured_adapter, fledgling_toolcall_adapter]
    yield _evaluated(context, lab, worker, adapters=pair, llm=llm_baseline, approach="fledgling")


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    deps=TEST_SPLITS,
    pool=MODEL_PROCESS_POOL,
    kinds={"huggingface"},
    check_specs=metadata.criterion_checks("paper_constrained_evaluation"),
)
def paper_constrained_evaluation(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    paper_adapter: LoraAdapter,
    llm_baseline: Evaluation,
) -> Result:
    """The paper approach's answers where no call can leave its tool's schema, for models that ask for it."""
    yield _evaluated(
        context, lab, worker, adapters=[paper_adapter], llm=llm_baseline, approach="paper", decoding=CONSTRAINED
    )


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    deps=TEST_SPLITS,
    pool=MODEL_PROCESS_POOL,
    kinds={"huggingface"},
    check_specs=metadata.criterion_checks("fledgling_constrained_evaluation"),
)
def fledgling_constrained_evaluation(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    fledgling_structured_adapter: LoraAdapter,
    fledgling_toolcall_adapter: LoraAdapter,
    llm_baseline: Evaluation,
) -> Result:
    """The Fledgling pair's answers where no call can leave its tool's schema, for models that ask for it."""
    pair = [fledgling_structured_adapter, fledgling_toolcall_adapter]
    yield _evaluated(context, lab, worker, adapters=pair, llm=llm_baseline, approach="fledgling", decoding=CONSTRAINED)


def _evaluated(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    *,
    adapters: Sequence[LoraAdapter],
    llm: Evaluation,
    approach: str,
    decoding: Decoding = Decoding.GREEDY,
) -> dg.MaterializeResult[Evaluation]:
    model, scale = model_and_scale_of(context)
    candidate = lab.experiment.tuned_candidate(approach, model=model, scale=scale, decoding=decoding)
    skipped = [adapter.reason for adapter in adapters if adapter.status == "skipped"]
    if decoding not in lab.experiment.small_model(model).decoding:
        skipped = [f"models.{model}.decoding does not list {decoding.value}"]
    if skipped:
        evaluation, run_id = not_evaluated(candidate, "skipped", skipped[0]), ""
    else:
        answers_with: dict[Track, tuple] = {
            adapter.answer_format.track: (adapter.answer_format, Path(adapter.folder)) for adapter in adapters
        }
        evaluation = local_evaluation(
            context, lab, worker, candidate=candidate, cases=lab.test_cases(candidate.scale), answers_with=answers_with
        )
        run_id = lab.track_evaluation(evaluation, partition=context.partition_key)
    judged = criteria_of(evaluation, llm, lab.experiment.gates)
    return metadata.evaluation_result(evaluation, run_id=run_id, checks=metadata.check_results(judged))
