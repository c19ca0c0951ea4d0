"""Putting a trainer together: base model, LoRA, rows, the trainer's many settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends.methods.batches import BatchPlan
from swap_assets.backends.methods.callback import CurveKeeper, callbacks
from swap_assets.backends.methods.checkpoints import Checkpoints
from swap_assets.backends.methods.data import TrainingData
from swap_assets.backends.methods.masking import TokenRow
from swap_assets.backends.methods.randomness import StepGuard, seed_everything
from swap_assets.backends.methods.sampling import choose_attention, dataset, flattened
from swap_assets.backends.methods.trainer import trainer_class
from swap_assets.backends.models.local_model import device_name, load_base
from swap_assets.backends.processes.specs import TrainSpec

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedTokenizerBase


def assemble(
    spec: TrainSpec,
    data: TrainingData,
    tokenizer: PreTrainedTokenizerBase,
    *,
    plan: BatchPlan,
    keeper: CurveKeeper,
    checkpoints: Checkpoints,
    resumed_from: tuple[int, ...],
) -> Any:
    """Return the trainer (see `trainer.trainer_class`) with freshly loaded base and untrained adapter.

    Raises:
        ModelUnavailableError: no such base model.
    """
    trainer = trainer_for(
        load_base(spec.weights, quantisation=spec.training.quantisation),
        spec,
        (data.train, data.validation),
        tokenizer,
        plan=plan,
        keeper=keeper,
        folder=checkpoints.folder,
    )
    trainer.checkpoints, trainer.resumed_from = checkpoints, resumed_from
    return trainer


def lora_config(spec: TrainSpec) -> LoraConfig:
    """Return the adapter's shape as peft takes it."""
    from peft import LoraConfig

    targets = spec.lora.target_modules
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=spec.lora.r,
        lora_alpha=spec.lora.alpha,
        lora_dropout=spec.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )


def trainer_for(
    model: Any,
    spec: TrainSpec,
    rows: tuple[Sequence[TokenRow], Sequence[TokenRow]],
    tokenizer: PreTrainedTokenizerBase,
    *,
    plan: BatchPlan,
    keeper: CurveKeeper,
    folder: Path,
) -> Any:
    """Return the trainer of a base model that is loaded already.

    Args:
        model: The base, without an adapter.
        spec: What to train; its `weights` are not read.
        rows: Those to train on and those to validate on; the latter may be none.
        tokenizer: The base model's.
        plan: How many rows go through the model at once.
        keeper: Takes the curves.
        folder: Where the trainer may write.
    """
    from datasets import Dataset
    from transformers import PrinterCallback

    train, validation = rows
    choose_attention(model, spec, plan)
    seed_everything(spec)  # again, so that LoRA's first weights do not depend on how the base was loaded
    guard = StepGuard()
    trainer: Any = trainer_class()(
        model=model,
        args=_settings(spec, plan=plan, validates=bool(validation), folder=folder),
        train_dataset=dataset(train, spec),
        eval_dataset=Dataset.from_list([row._asdict() for row in validation]) if validation else None,
        processing_class=tokenizer,
        peft_config=lora_config(spec),
        callbacks=[*callbacks(keeper, spec.training), guard.callback()],
    )
    trainer.keeper, trainer.guard = keeper, guard
    trainer.remove_callback(PrinterCallback)
    return trainer


def _settings(spec: TrainSpec, *, plan: BatchPlan, validates: bool, folder: Path) -> Any:
    from trl.trainer.sft_config import SFTConfig

    on_gpu = device_name() == "cuda"
    return SFTConfig(
        output_dir=str(folder),
        seed=spec.seed,
        data_seed=spec.seed,
        per_device_train_batch_size=plan.micro_batch,
        gradient_accumulation_steps=plan.accumulation,
        per_device_eval_batch_size=plan.micro_batch,
        num_train_epochs=spec.training.epochs,
        learning_rate=spec.training.learning_rate,
        lr_scheduler_type=spec.training.scheduler,
        warmup_steps=spec.training.warmup_ratio,  # transformers 5 reads a number below 1 as a share
        weight_decay=spec.training.weight_decay,
        # Rows come tokenised, cut and labelled: the trainer's own preparation would cut again and drop rows silently.
        max_length=None,
        padding_free=flattened(spec, plan),
        dataset_kwargs={"skip_prepare_dataset": True},
        eval_strategy="epoch" if validates else "no",
        save_strategy="no",  # the callbacks say when
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        bf16=on_gpu,
        use_cpu=not on_gpu,
        gradient_checkpointing=plan.checkpointing,
        dataloader_pin_memory=on_gpu,
    )


def count_parameters(model: Any, *, trained_only: bool = False) -> int:
    """Return how many parameters a model has; under nf4 two share a byte and count as one."""
    return sum(part.numel() for part in model.parameters() if part.requires_grad or not trained_only)
