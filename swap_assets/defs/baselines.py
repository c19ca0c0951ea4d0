"""What is there before any training: how the hosted LLM is asked, its answers and the SLM's, and the first gate."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from swap_assets.defs import checks, metadata
from swap_assets.defs.gates import require_admitted
from swap_assets.defs.resources.processes import HOSTED_POOL, HostedLlm, ModelProcesses
from swap_assets.defs.resources.store import MODELS_AND_SCALES, SCALES, ExperimentStore, explained
from swap_assets.defs.resources.tracking import ResultTracking
from swap_assets.domain import keys
from swap_assets.domain.formats.base import Track
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.judging.interface_choice import InterfaceChoice, choose_all, fixed
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases
from swap_assets.domain.weights import Artefact


class MeasurementConfig(dg.Config):
    """Which measurement this is; another epoch asks the hosted model every question again."""

    epoch: str = Field(default="first", pattern=r"^[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}$")


@dg.asset(
    partitions_def=SCALES, deps=[keys.DATASET_SPLIT, keys.HERMES_CONVERSATIONS], pool=HOSTED_POOL, kinds={"openai"}
)
def llm_interface(
    context: dg.AssetExecutionContext, config: MeasurementConfig, store: ExperimentStore, hosted: HostedLlm
) -> dg.MaterializeResult[InterfaceChoice]:
    """Which interface of the hosted LLM counts in each track: the better one on validation rows, before any test."""
    scale, model, metric = context.partition_key, store.experiment.hosted_model, store.experiment.gates.primary
    require_admitted(context, store, scale)
    tracks, cases = {track: fixed(model.interfaces[0]) for track in Track}, []
    if len(model.interfaces) > 1:
        cases = store.validation_cases(scale)
        results = {
            interface: hosted.results(
                context, cases, dict.fromkeys(Track, interface), candidate=hosted.candidate(scale),
                purpose=f"by_{interface}", epoch=config.epoch,
            )
            for interface in model.interfaces
        }  # fmt: skip
        with store.recording_failure(context), explained(ValueError):
            tracks = choose_all(results, metric)
    rows, epoch = hash_of_cases(cases), config.epoch
    made = InterfaceChoice(model=model.key, scale=scale, metric=metric, tracks=tracks, dataset_hash=rows, epoch=epoch)
    return metadata.interface_result(made)


@dg.asset(partitions_def=SCALES, deps=keys.TEST_SPLITS, pool=HOSTED_POOL, kinds={"openai"})
def llm_baseline(
    context: dg.AssetExecutionContext, config: MeasurementConfig, store: ExperimentStore, hosted: HostedLlm,
    tracking: ResultTracking, llm_interface: InterfaceChoice,
) -> dg.MaterializeResult[Evaluation]:  # fmt: skip
    """The hosted LLM's answers to every test row of the scale, in both tracks: the bar."""
    scale = context.partition_key
    require_admitted(context, store, scale)
    candidate, cases = hosted.candidate(scale), store.cases(store.test_files(scale))
    told = {"candidate": candidate, "purpose": "answers", "epoch": config.epoch}
    results = hosted.results(context, cases, llm_interface.interfaces(), **told)
    evaluation = Evaluation(candidate=candidate, results=results, dataset_hash=hash_of_cases(cases))
    return metadata.evaluation_result(evaluation, run_id=tracking.evaluation(evaluation, partition=scale))


@dg.asset(
    partitions_def=MODELS_AND_SCALES, deps=keys.TEST_SPLITS, pool=keys.MODEL_PROCESS_POOL, kinds={"huggingface"},
    check_specs=[checks.answers_end_check(keys.SLM_BASELINE)],
)  # fmt: skip
def slm_baseline(
    context: dg.AssetExecutionContext, store: ExperimentStore, processes: ModelProcesses, tracking: ResultTracking
) -> Iterator[dg.MaterializeResult[Evaluation]]:
    """The untouched small model's answers to every test row of the scale, in both tracks."""
    model, scale = keys.model_and_scale(context.partition_key)
    artefacts = [Artefact(track.value, store.experiment.baseline_format(model, track), None) for track in Track]
    evaluation = processes.evaluation(context, keys.base(model, scale), artefacts, store.test_files(scale))
    run_id = tracking.evaluation(evaluation, partition=context.partition_key)
    found = [checks.answers_end_result(evaluation, trained=False)]
    yield metadata.evaluation_result(evaluation, run_id=run_id, checks=found)


@dg.asset(
    partitions_def=MODELS_AND_SCALES,
    kinds={"python"},
    check_specs=[checks.gate_check("fine_tune_decision", MODELS_AND_SCALES)],
)
def fine_tune_decision(
    store: ExperimentStore, tracking: ResultTracking, slm_baseline: Evaluation, llm_baseline: Evaluation
) -> Iterator[dg.MaterializeResult[Decision]]:
    """Whether the small model needs training: it does where it trails the LLM too far on any core metric."""
    decision = fine_tune(slm_baseline, llm_baseline, store.experiment.gates)
    yield metadata.decision_result(tracking.decided(decision))
