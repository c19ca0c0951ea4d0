"""The LoRA adapters of the two approaches, each trained in a process of its own.

Not here: how a training goes (`backends.training`), and what an approach is (`domain.experiment.approaches`).
"""

from pathlib import Path

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.partitions import MODELS_AND_SCALES, model_and_scale_of
from swap_assets.defs.pipes import MODEL_PROCESS_POOL, WorkerClient
from swap_assets.defs.resources import Lab
from swap_assets.defs.training_metadata import of_training
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import STRUCTURED_TRACK, TOOLCALL_TRACK
from swap_assets.domain.lora_adapter import LoraAdapter

_ASSET = {"partitions_def": MODELS_AND_SCALES, "pool": MODEL_PROCESS_POOL, "kinds": {"pytorch", "huggingface"}}
Result = dg.MaterializeResult[LoraAdapter]


@dg.asset(deps=[TOOLCALL_TRACK], **_ASSET)
def paper_adapter(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    fine_tune_decision: Decision,
) -> Result:
    """The "paper" approach's LoRA adapter: QLoRA on Hermes tool-call answers."""
    return _adapter(context, lab, worker, fine_tune_decision, approach="paper", name="toolcall")


@dg.asset(deps=[STRUCTURED_TRACK], **_ASSET)
def fledgling_structured_adapter(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    fine_tune_decision: Decision,
) -> Result:
    """The "Fledgling" approach's LoRA adapter for structured answers: a JSON list of tool names and arguments."""
    return _adapter(context, lab, worker, fine_tune_decision, approach="fledgling", name="structured")


@dg.asset(deps=[TOOLCALL_TRACK], **_ASSET)
def fledgling_toolcall_adapter(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    fine_tune_decision: Decision,
) -> Result:
    """The "Fledgling" approach's LoRA adapter for tool calls in `<tool_call name="...">` tags."""
    return _adapter(context, lab, worker, fine_tune_decision, approach="fledgling", name="toolcall")


def _adapter(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    decision: Decision,
    *,
    approach: str,
    name: str,
) -> Result:
    model, scale = model_and_scale_of(context)
    settings = lab.experiment.approach_for(approach, model=model, scale=scale)
    candidate = lab.experiment.tuned_candidate(approach, model=model, scale=scale)
    answer_format = settings.adapters[name]
    if settings.trains == "when_gate_says" and decision.action == "skip":
        skipped = LoraAdapter(
            candidate_id=candidate.id, name=name, answer_format=answer_format, status="skipped", reason=decision.reason
        )
        return _recorded(skipped, {"status": "skipped by decision", "reason": decision.reason})
    with lab.recording_failure(context):
        lab.require_model(model)
        spec, folder = lab.bench.training(candidate, name, settings)
        result = worker.run(context, spec, workdir=folder)
    assert result.kind == "train"
    trained = LoraAdapter(
        candidate_id=candidate.id,
        name=name,
        answer_format=answer_format,
        status="trained",
        folder=str(result.adapter),
        adapter_hash=result.adapter_hash,
        dataset_hash=result.dataset_hash,
        prompt_hash=result.prompt_hash,
        mlflow_run_id=result.mlflow_run_id,
    )
    return _recorded(trained, of_training(result, spec_file=Path(folder) / "spec.json"))


def _recorded(adapter: LoraAdapter, shown: metadata.Shown) -> Result:
    version = adapter.adapter_hash or f"skipped: {adapter.reason}"
    return dg.MaterializeResult(value=adapter, metadata=shown, data_version=dg.DataVersion(version))
