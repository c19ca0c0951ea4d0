"""What is there before any training: how the hosted LLM is asked, its answers and the SLM's, and the first gate."""

import dagster as dg
from pydantic import Field

from swap_assets.defs import metadata
from swap_assets.defs.answering import local_evaluation
from swap_assets.defs.partitions import MODELS_AND_SCALES, SCALES, model_and_scale_of, scale_of
from swap_assets.defs.pipes import MODEL_PROCESS_POOL, WorkerClient
from swap_assets.defs.resources import Lab
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.judging.interface_choice import InterfaceChoice, choose_all, fixed
from swap_assets.domain.keys import TEST_SPLITS, base, hosted
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult, hash_of_cases, measure

_POOL = "hosted_llm"


class MeasurementConfig(dg.Config):
    """Which measurement this is; another epoch asks the hosted model every question again."""

    epoch: str = Field(default="first", pattern=r"^[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}$")


@dg.asset(partitions_def=SCALES, deps=["dataset_split", "hermes_conversations"], pool=_POOL, kinds={"openai"})
def llm_interface(
    context: dg.AssetExecutionContext,
    config: MeasurementConfig,
    lab: Lab,
) -> dg.MaterializeResult[InterfaceChoice]:
    """Which interface of the hosted LLM counts in each track: the better one on validation rows, before any test."""
    scale, model = scale_of(context), lab.experiment.hosted_model
    lab.require_admitted(context, scale)
    metric = lab.experiment.gates.primary
    tracks, cases = {track: fixed(model.interfaces[0]) for track in Track}, []
    if len(model.interfaces) > 1:
        with lab.recording_failure(context):
            lab.require_hosted()
            cases = lab.validation_cases(scale)
            results = {
                interface: _asked(context, lab, cases, config.epoch, dict.fromkeys(Track, interface), f"by_{interface}")
                for interface in model.interfaces
            }
            with lab.explained(ValueError):
                tracks = choose_all(results, metric)
    choice = InterfaceChoice(
        model=model.key,
        scale=scale,
        metric=metric,
        tracks=tracks,
        dataset_hash=hash_of_cases(cases),
        epoch=config.epoch,
    )
    return metadata.interface_result(choice)


@dg.asset(partitions_def=SCALES, deps=TEST_SPLITS, pool=_POOL, kinds={"openai"})
def llm_baseline(
    context: dg.AssetExecutionContext,
    config: MeasurementConfig,
    lab: Lab,
    llm_interface: InterfaceChoice,
) -> dg.MaterializeResult[Evaluation]:
    """The hosted LLM's answers to every test row of the scale, in both tracks: the bar."""
    scale = scale_of(context)
    lab.require_admitted(context, scale)
    cases = lab.test_cases(scale)
    with lab.recording_failure(context):
        lab.require_hosted()
        results = _asked(context, lab, cases, config.epoch, llm_interface.interfaces(), "answers")
    candidate = hosted(lab.experiment.hosted_model.key, scale)
    evaluation = Evaluation(candidate=candidate, results=results, dataset_hash=hash_of_cases(cases))
    run_id = lab.track_evaluation(evaluation, partition=scale)
    return metadata.evaluation_result(evaluation, run_id=run_id)


def _asked(
    context: dg.AssetExecutionContext,
    lab: Lab,
    cases: list[EvalCase],
    epoch: str,
    interfaces: dict[Track, Interface],
    purpose: str,
) -> dict[Track, TrackResult]:
    """Ask the hosted model cases in both tracks and score what it said."""
    candidate = hosted(lab.experiment.hosted_model.key, scale_of(context))
    records = lab.hosted_answers(candidate, cases, interfaces, purpose=purpose, epoch=epoch, log=context.log.info)
    return {
        track: measure(candidate, answers[0].answer_format, cases=cases, records=answers)
        for track, answers in records.items()
    }


@dg.asset(partitions_def=MODELS_AND_SCALES, deps=TEST_SPLITS, pool=MODEL_PROCESS_POOL, kinds={"huggingface"})
def slm_baseline(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
) -> dg.MaterializeResult[Evaluation]:
    """The untouched small model's answers to every test row of the scale, in both tracks."""
    model, scale = model_and_scale_of(context)
    evaluation = local_evaluation(
        context,
        lab,
        worker,
        candidate=base(model, scale),
        cases=lab.test_cases(scale),
        answers_with={track: (lab.bench.baseline_format(track), None) for track in Track},
    )
    run_id = lab.track_evaluation(evaluation, partition=context.partition_key)
    return metadata.evaluation_result(evaluation, run_id=run_id)


@dg.asset(partitions_def=MODELS_AND_SCALES, kinds={"python"})
def fine_tune_decision(
    context: dg.AssetExecutionContext, lab: Lab, slm_baseline: Evaluation, llm_baseline: Evaluation
) -> dg.MaterializeResult[Decision]:
    """Whether the small model needs training: it does where it trails the LLM too far on any core metric."""
    decision = fine_tune(slm_baseline, llm_baseline, lab.experiment.gates)
    return metadata.decision_result(decision.model_copy(update={"decided_at": lab.now()}))
