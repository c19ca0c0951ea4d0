"""Putting a trainer together: base model, LoRA, rows, the trainer's many settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.methods.batches import BatchPlan, dataset, flattened, has_flash_attention
from swap_assets.backends.methods.callbacks import CurveKeeper, StepGuard, callbacks
from swap_assets.backends.methods.checkpoints import Checkpoints
from swap_assets.backends.methods.data import TokenRow
from swap_assets.backends.methods.trainer import trainer_class
from swap_assets.backends.models.local_model import device_name
from swap_assets.backends.processes.specs import TrainSpec

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedTokenizerBase


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
    checkpoints: Checkpoints,
    resumed_from: tuple[int, ...] = (),
) -> Any:
    """Return the trainer of a base model that is loaded already.

    Args:
        model: The base, without an adapter.
        spec: What to train; its `weights` are not read.
        rows: Those to train on and those to validate on; the latter may be none.
        tokenizer: The base model's.
        plan: How many rows go through the model at once.
        keeper: Takes the curves.
        checkpoints: Takes the checkpoints.
        resumed_from: The steps from which interrupted trainings of this adapter were taken up.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    train, validation = rows
    if flattened(spec, plan) and has_flash_attention():
        model.set_attn_implementation("flash_attention_2")
    set_seed(spec.seed)  # again, so that LoRA's first weights do not depend on how the base was loaded
    guard = StepGuard()
    trainer: Any = trainer_class()(
        model=model,
        args=_settings(spec, plan=plan, validates=bool(validation), folder=str(checkpoints.folder)),
        train_dataset=dataset(train, spec),
        eval_dataset=Dataset.from_list([row._asdict() for row in validation]) if validation else None,
        processing_class=tokenizer,
        peft_config=lora_config(spec),
        callbacks=callbacks(keeper, guard, spec.training),
    )
    trainer.keeper, trainer.guard = keeper, guard
    trainer.checkpoints, trainer.resumed_from = checkpoints, resumed_from
    trainer.remove_callback(PrinterCallback)
    return trainer


def _settings(spec: TrainSpec, *, plan: BatchPlan, validates: bool, folder: str) -> Any:
    from trl.trainer.sft_config import SFTConfig

    on_gpu = device_name() == "cuda"
    return SFTConfig(
        output_dir=folder,
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
