"""The project's own jobs, sensors and decisions; what loads a model, asks an LLM or draws a report is recorded instead.

A code location of its own, because the daemon loads it in a process where no test can reach in.
"""

import dagster as dg

from swap_assets import definitions as real
from swap_assets.defs import metadata, release
from swap_assets.defs.gates import jobs, require_admitted, require_release, sensors
from swap_assets.defs.resources.processes import HostedLlm, ModelProcesses
from swap_assets.defs.resources.store import MODELS_AND_SCALES, SCALES, ExperimentStore
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.gates import replacement
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import base, hosted, model_and_scale, tuned
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases
from swap_assets.domain.weights import Artefact, LoraAdapter
from swap_assets_tests.domain.evaluations import evaluation, shares

RIGHT = {"llm": 90, "base": 20, "paper": 95, "fledgling": 60}
ROWS = 100


@dg.asset(partitions_def=SCALES, deps=["dataset_split", "single_turn_test"], group_name="baselines")
def llm_baseline(context: dg.AssetExecutionContext, store: ExperimentStore) -> dg.MaterializeResult[Evaluation]:
    scale = context.partition_key
    require_admitted(context, store, scale)
    made = evaluation(hosted(store.experiment.hosted_model.key, scale), shares(RIGHT["llm"], ROWS))
    return metadata.evaluation_result(made, run_id="")


@dg.asset(partitions_def=MODELS_AND_SCALES, deps=["dataset_split"], group_name="baselines")
def slm_baseline(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Evaluation]:
    made = evaluation(base(*model_and_scale(context.partition_key)), shares(RIGHT["base"], ROWS))
    return metadata.evaluation_result(made, run_id="")


def _adapter(name: str, approach: str, answer_format: AnswerFormat) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=MODELS_AND_SCALES, group_name="training")
    def adapter(context: dg.AssetExecutionContext, fine_tune_decision: Decision) -> dg.MaterializeResult[LoraAdapter]:
        assert fine_tune_decision.action == "train"
        candidate = tuned(*model_and_scale(context.partition_key), approach)
        return dg.MaterializeResult(
            value=LoraAdapter(candidate_id=candidate.id, name=name, answer_format=answer_format, status="trained")
        )

    return adapter


def _evaluation(approach: str, adapters: list[str]) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"{approach}_evaluation", partitions_def=MODELS_AND_SCALES, deps=[*adapters, "llm_baseline"],
        group_name="evaluation",
    )  # fmt: skip
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Evaluation]:
        candidate = tuned(*model_and_scale(context.partition_key), approach)
        return metadata.evaluation_result(evaluation(candidate, shares(RIGHT[approach], ROWS)), run_id="")

    return made


@dg.asset(
    partitions_def=SCALES, group_name="comparison", deps=["llm_baseline", "paper_evaluation", "fledgling_evaluation"]
)
def comparison_report(context: dg.AssetExecutionContext, store: ExperimentStore) -> dg.MaterializeResult[Evaluation]:
    return dg.MaterializeResult(value=store.evidence(context.partition_key).llm)


@dg.asset(partitions_def=MODELS_AND_SCALES, group_name="release")
def merged_model(
    context: dg.AssetExecutionContext, store: ExperimentStore, release_decision: Decision
) -> dg.MaterializeResult[Decision]:
    require_release(store, release_decision, None)
    return dg.MaterializeResult(value=release_decision)


def _local(self, context, candidate, artefacts, files, *, purpose):
    return evaluation(candidate, shares(ROWS, ROWS))


def _hosted(self, context, cases, *, llm, purpose, epoch):
    made = evaluation(llm.candidate, shares(ROWS - 10, ROWS))
    return made.model_copy(update={"dataset_hash": hash_of_cases(cases)})


def _decided(*evidence, lengths, **how):
    return replacement.release(*evidence, **how)  # what is recorded has a row a conversation, unlike the source


ModelProcesses.evaluation, HostedLlm.as_before, release.release = _local, _hosted, _decided
ExperimentStore.artefacts = lambda self, evaluation, **_: [Artefact("toolcall", HERMES, None)]
RECORDED = [
    llm_baseline,
    slm_baseline,
    _adapter("paper_adapter", "paper", HERMES),
    _adapter("fledgling_structured_adapter", "fledgling", FLEDGLING_STRUCTURED),
    _adapter("fledgling_toolcall_adapter", "fledgling", FLEDGLING_TOOLCALL),
    _evaluation("paper", ["paper_adapter"]),
    _evaluation("fledgling", ["fledgling_structured_adapter", "fledgling_toolcall_adapter"]),
    comparison_report,
    merged_model,
]
_recorded_keys = {key for asset in RECORDED for key in asset.keys}
defs = dg.Definitions(
    assets=[
        *[
            asset
            for asset in real.defs.assets or ()
            if not isinstance(asset, dg.AssetsDefinition) or not (asset.keys & _recorded_keys)
        ],
        *RECORDED,
    ],
    jobs=list(jobs().values()),
    sensors=sensors(),
    resources=real.defs.resources,
    executor=dg.in_process_executor,
)
