"""What a person sees of a training in the UI: rows, losses, the trained text, memory and speed."""

from pathlib import Path

import dagster as dg

from swap_assets.defs.metadata import Shown, counts_table, markdown
from swap_assets.defs.resources.processes import TrainResult
from swap_assets.domain.lora_adapter import LoraAdapter
from swap_assets.domain.report.tables import markdown_table


def skipped_adapter(adapter: LoraAdapter) -> dg.MaterializeResult[LoraAdapter]:
    """Return the record of an adapter that nobody trained, with the decision's reason."""
    shown: Shown = {"status": "skipped by decision", "reason": adapter.reason}
    version = dg.DataVersion(f"skipped: {adapter.reason}")
    return dg.MaterializeResult(value=adapter, metadata=shown, data_version=version)


def trained_adapter(adapter: LoraAdapter, result: TrainResult, *, spec_file: Path) -> dg.MaterializeResult[LoraAdapter]:
    """Return the record of a trained adapter with what the training left behind: rows, losses, speed, memory."""
    found = result.model_dump(include={"adapter_hash", "dataset_hash", "prompt_hash", "mlflow_run_id"})
    return dg.MaterializeResult(
        value=adapter.model_copy(update={"status": "trained", "folder": str(result.adapter), **found}),
        metadata=_training(result, spec_file),
        data_version=dg.DataVersion(result.adapter_hash),
    )


_AS_THEY_ARE = {
    "steps", "kept_step", "trainable_parameters", "tokens_per_second", "peak_memory_mb", "device", "adapter_hash",
    "dataset_hash", "prompt_hash",
}  # fmt: skip


def _training(result: TrainResult, spec_file: Path) -> Shown:
    rows = result.train_rows
    curve = [[str(point.step), f"{point.loss:.4f}"] for point in result.loss_curve[:: max(1, result.steps // 12)]]
    validation = [[f"{point.epoch:g}", f"{point.loss:.4f}"] for point in result.validation_curve]
    counts = {"read": rows.read, "trained on": rows.used, "cut by max_length": rows.cut, "lost to it": rows.lost}
    return {
        **result.model_dump(include=_AS_THEY_ARE),
        "rows": counts_table(counts, of="training rows"),
        "trained_text": markdown(f"```text\n{result.mask_preview}\n```"),
        "loss": markdown(markdown_table(["step", "training loss"], curve)),
        "validation_loss": markdown(markdown_table(["epoch", "validation loss"], validation) or "no validation rows"),
        "memory": markdown(_memory_table(result)),
        "resumed_from_steps": ", ".join(map(str, result.resumed_from)) or "not interrupted",
        "reused": "yes: the same training had been finished before" if result.reused else "no",
        "trainable_percent": round(100 * result.trainable_parameters / result.parameters, 2),
        "training_seconds": result.seconds,
        "process_seconds": result.total_seconds,
        "adapter": dg.MetadataValue.path(str(result.adapter)),
        "spec": dg.MetadataValue.path(str(spec_file)),
        "mlflow_run": result.mlflow_run_id or "not tracked",
    }


def _memory_table(result: TrainResult) -> str:
    memory = result.memory
    parts = (memory.weights_mb, memory.adapter_mb, memory.activations_mb, memory.logits_mb, memory.total_mb)
    free = f"{memory.available_mb:.0f}" if memory.available_mb is not None else "not known"
    shown = [*(f"{part:.0f}" for part in parts), free, str(result.peak_memory_mb)]
    header = ["weights MB", "adapter, optimiser", "activations", "logits", "estimate", "was free", "measured peak"]
    rows = f"{result.micro_batch} rows at once, {result.rows_per_step} a step"
    kept = ", activations recomputed" if result.gradient_checkpointing else ""
    return "\n\n".join((markdown_table(header, [shown]), rows + kept, *result.rungs))
