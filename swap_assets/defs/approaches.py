"""The factory: each approach of the experiment file gets its adapters and its evaluations, greedy and constrained.

    approaches:
      paper-r64: {extends: paper, lora: {r: 64}}     makes paper_r64_adapter, paper_r64_evaluation, ...

Not here: how a training goes (`backends.methods`), and what an approach is (`domain.experiment.approaches`).
"""

from collections.abc import Iterator

import dagster as dg

from swap_assets.defs import checks, metadata
from swap_assets.defs.resources.processes import ModelProcesses
from swap_assets.defs.resources.store import MODELS_AND_SCALES, ExperimentStore, experiment_in_force
from swap_assets.defs.resources.tracking import ResultTracking
from swap_assets.domain import keys
from swap_assets.domain.experiment.recipes import Approach
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.criteria import criteria_of
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Decoding
from swap_assets.domain.scoring.evaluation import Evaluation, not_evaluated
from swap_assets.domain.weights import LoraAdapter

_TRACK_ASSETS = {Track.TOOLCALL: keys.TOOLCALL_TRACK, Track.STRUCTURED: keys.STRUCTURED_TRACK}


def _adapter(approach: str, settings: Approach, name: str) -> dg.AssetsDefinition:
    answer_format = settings.adapters[name]
    track = _TRACK_ASSETS[answer_format.track]

    @dg.asset(
        name=keys.adapter_asset(approach, name, settings.adapters), partitions_def=MODELS_AND_SCALES, deps=[track],
        pool=keys.MODEL_PROCESS_POOL, kinds={"pytorch", "huggingface"},
        description=f"The LoRA adapter of approach '{approach}' ({settings.method}) that answers in {answer_format}.",
    )  # fmt: skip
    def adapter(
        context: dg.AssetExecutionContext, store: ExperimentStore, processes: ModelProcesses,
        fine_tune_decision: Decision,
    ) -> dg.MaterializeResult[LoraAdapter]:  # fmt: skip
        model, scale = keys.model_and_scale(context.partition_key)
        candidate = store.experiment.tuned_candidate(approach, model=model, scale=scale)
        made = LoraAdapter(candidate_id=candidate.id, name=name, answer_format=answer_format, status="skipped")
        if settings.trains == "when_gate_says" and fine_tune_decision.action == "skip":
            return metadata.skipped_adapter(made.model_copy(update={"reason": fine_tune_decision.reason}))
        with store.recording_failure(context):
            result, spec_file = processes.train(context, candidate, name, track=track)
        return metadata.trained_adapter(made, result, spec_file=spec_file)

    return adapter


def _evaluation(approach: str, settings: Approach, decoding: Decoding) -> dg.AssetsDefinition:
    asset = keys.evaluation_asset(approach, decoding)
    trained = [keys.adapter_asset(approach, name, settings.adapters) for name in settings.adapters]

    @dg.asset(
        name=asset, partitions_def=MODELS_AND_SCALES,
        ins={name: dg.AssetIn(dagster_type=LoraAdapter) for name in trained}, deps=keys.TEST_SPLITS,
        pool=keys.MODEL_PROCESS_POOL, kinds={"huggingface"}, check_specs=checks.evaluation_checks(asset),
        description=f"What approach '{approach}' answered to every test row of the scale, {decoding} decoding.",
    )  # fmt: skip
    def evaluation(
        context: dg.AssetExecutionContext, store: ExperimentStore, processes: ModelProcesses, tracking: ResultTracking,
        llm_baseline: Evaluation, **adapters: LoraAdapter,
    ) -> Iterator[dg.MaterializeResult[Evaluation]]:  # fmt: skip
        model, scale = keys.model_and_scale(context.partition_key)
        candidate = store.experiment.tuned_candidate(approach, model=model, scale=scale, decoding=decoding)
        found = [adapters[name] for name in trained]
        left_out = [adapter.reason for adapter in found if adapter.status == "skipped"]
        if decoding not in store.experiment.small_model(model).decoding:
            left_out = [f"models.{model}.decoding does not list {decoding.value}"]
        if left_out:
            made = not_evaluated(candidate, "skipped", left_out[0])
        elif refused := [why for name in trained if (why := adapters[name].refusal(name, candidate))]:
            told = f"{refused[0]}; train it again: {store.again(*trained, at=context.partition_key)}"
            raise dg.Failure(description=told, allow_retries=False)
        else:
            artefacts = [adapter.artefact for adapter in found]
            made = processes.evaluation(context, candidate, artefacts, store.test_files(scale))
        run_id = tracking.evaluation(made, partition=context.partition_key)
        judged = criteria_of(made, llm_baseline, store.experiment.gates)
        found = [*checks.check_results(judged), checks.answers_end_result(made, trained=True)]
        yield metadata.evaluation_result(made, run_id=run_id, checks=found)

    return evaluation


# By name: the order in which candidates are listed everywhere.
_APPROACHES = sorted(experiment_in_force().approaches.items())
ADAPTERS = [_adapter(approach, settings, name) for approach, settings in _APPROACHES for name in settings.adapters]
EVALUATIONS = [_evaluation(approach, settings, decoding) for decoding in Decoding for approach, settings in _APPROACHES]
