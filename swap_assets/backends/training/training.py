"""Training one adapter, in chapters: seed, data, tokenizer, model, trainer, train, save.

LoRA (Hu et al. 2021) or QLoRA (Dettmers et al. 2023) with peft and trl, loss on the assistant's tokens alone. On CPU
the same spec gives the same adapter to the last bit.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends import provenance
from swap_assets.backends.local_model import device_name, load_base, load_tokenizer
from swap_assets.backends.reporting import Reporter, duration
from swap_assets.backends.specs import ADAPTER_CARD, AdapterCard, RowCounts, TrainResult, TrainSpec
from swap_assets.backends.training.callback import CurveKeeper
from swap_assets.backends.training.masking import TokenRow, preview, tokenise
from swap_assets.backends.training.rows import read_conversations
from swap_assets.backends.training.run_tracking import tracked_training
from swap_assets.backends.training.trainer import trainer_class
from swap_assets.domain.model import content_hash
from swap_assets.domain.prompts import prompt_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from trl.trainer.sft_trainer import SFTTrainer

_LARGE_MODEL = 1_000_000_000  # parameters from which on activations are recomputed instead of kept
_VALIDATION_BATCH = 8


def train(spec: TrainSpec, *, folder: Path, reporter: Reporter) -> TrainResult:
    """Train the adapter that a spec describes into `spec.output` and return what came of it.

    Raises:
        MaskError: rows without trained tokens. TemplateError: the model's template marks no assistant text.
        ModelUnavailableError: no such base model. ExamplesError: the file of examples is missing, empty or malformed.
    """
    began = time.monotonic()
    _seed_everything(spec)
    tokenizer = load_tokenizer(spec.weights)
    data = _Data(spec, tokenizer)
    data.report(reporter)
    with tracked_training(spec, data.hashes, folder=folder) as run:
        keeper = CurveKeeper(reporter, tokens_per_epoch=data.train_counts.tokens)
        trainer = _trainer(spec, data, tokenizer, keeper, folder=folder)
        started = time.monotonic()
        outcome = trainer.train()
        seconds = time.monotonic() - started
        _save(spec, trainer, tokenizer, data.hashes)
        result = _result(spec, data, trainer, keeper, train_loss=outcome.training_loss, seconds=seconds)
        result = result.model_copy(
            update={"mlflow_run_id": run.id, "total_seconds": round(time.monotonic() - began, 3)}
        )
        run.record(result)
    shutil.rmtree(folder / "trainer", ignore_errors=True)
    reporter.line(f"adapter {result.adapter_hash} after {result.steps} steps, {duration(seconds)} of training")
    return result


def rows_per_step(spec: TrainSpec) -> int:
    """Return how many rows one optimiser step sees."""
    return spec.training.batch_size * spec.training.gradient_accumulation


def micro_batch(spec: TrainSpec, device: str) -> int:
    """Return how many rows go through the model at once; the loss is a mean over the whole step's trained tokens.

    So this changes the speed and not the recipe. On CPU one row at a time has no padding: rows of 400 tokens on average
    took 0.54 s a step of four, in pairs 0.71 s, all at once 0.90 s.
    """
    return spec.training.batch_size if device == "cuda" else 1


def peak_memory_mb() -> int:
    """Return the most memory this process has held: of the card where there is one, else of the machine, in MB."""
    if device_name() == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() // 1_000_000
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1_000_000 if sys.platform == "darwin" else peak // 1000


class _Data:
    """The tokenised rows of a training and what became of them."""

    def __init__(self, spec: TrainSpec, tokenizer: PreTrainedTokenizerBase) -> None:
        length = spec.training.max_length
        conversations = read_conversations(spec.train_file, spec.contract, spec.prompt_style)
        self.train, self.train_counts = tokenise(tokenizer, conversations, max_length=length)
        self.validation: list[TokenRow] = []
        self.validation_counts: RowCounts | None = None
        if spec.validation_file:
            held_out = read_conversations(spec.validation_file, spec.contract, spec.prompt_style)
            self.validation, self.validation_counts = tokenise(tokenizer, held_out, max_length=length)
        self.micro_batch = micro_batch(spec, device_name())
        self.preview = preview(tokenizer, self.train[0])
        template = str(tokenizer.chat_template)
        self.hashes = {
            "dataset_hash": content_hash(conversations),
            "prompt_hash": prompt_hash(spec.contract, spec.prompt_style, chat_template=template),
        }

    def report(self, reporter: Reporter) -> None:
        """Say how many rows train and what `max_length` took from them."""
        for name, counts in (("training", self.train_counts), ("validation", self.validation_counts)):
            if counts:
                reporter.line(
                    f"{name}: {counts.used} of {counts.read} rows, {counts.tokens} tokens of which "
                    f"{counts.trained_tokens} are trained; {counts.cut} rows cut and {counts.lost} lost by max_length"
                )


def _seed_everything(spec: TrainSpec) -> None:
    from transformers import set_seed

    set_seed(spec.seed)


def _trainer(
    spec: TrainSpec, data: _Data, tokenizer: PreTrainedTokenizerBase, keeper: CurveKeeper, *, folder: Path
) -> SFTTrainer:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PrinterCallback

    model = load_base(spec.weights, quantisation=spec.training.quantisation)
    targets = spec.lora.target_modules
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=spec.lora.r,
        lora_alpha=spec.lora.alpha,
        lora_dropout=spec.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )
    _seed_everything(spec)  # again, so that LoRA's first weights do not depend on how the base was loaded
    rows = Dataset.from_list([row._asdict() for row in data.train])
    trainer = trainer_class()(
        model=model,
        args=_settings(spec, data, large=model.num_parameters() >= _LARGE_MODEL, folder=folder),
        train_dataset=rows,
        eval_dataset=Dataset.from_list([row._asdict() for row in data.validation]) if data.validation else None,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[keeper.callback()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _settings(spec: TrainSpec, data: _Data, *, large: bool, folder: Path) -> Any:
    from trl.trainer.sft_config import SFTConfig

    on_gpu = device_name() == "cuda"
    return SFTConfig(
        output_dir=str(folder / "trainer"),
        seed=spec.seed,
        data_seed=spec.seed,
        per_device_train_batch_size=data.micro_batch,
        gradient_accumulation_steps=rows_per_step(spec) // data.micro_batch,
        per_device_eval_batch_size=_VALIDATION_BATCH,
        num_train_epochs=spec.training.epochs,
        learning_rate=spec.training.learning_rate,
        lr_scheduler_type=spec.training.scheduler,
        warmup_steps=spec.training.warmup_ratio,  # transformers 5 reads a number below 1 as a share
        weight_decay=spec.training.weight_decay,
        # Rows come tokenised, cut and labelled: the trainer's own preparation would cut again and drop rows silently.
        max_length=None,
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        eval_strategy="epoch" if data.validation else "no",
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        bf16=on_gpu,
        use_cpu=not on_gpu,
        gradient_checkpointing=large,
        dataloader_pin_memory=on_gpu,
    )


def count_parameters(model: Any, *, trained_only: bool = False) -> int:
    """Return how many parameters a model has; under nf4 two share a byte and count as one."""
    return sum(part.numel() for part in model.parameters() if part.requires_grad or not trained_only)


def _result(
    spec: TrainSpec, data: _Data, trainer: SFTTrainer, keeper: CurveKeeper, *, train_loss: float, seconds: float
) -> TrainResult:
    return TrainResult(
        adapter=spec.output,
        adapter_hash=provenance.adapter_hash(spec.output),
        dataset_hash=data.hashes["dataset_hash"],
        prompt_hash=data.hashes["prompt_hash"],
        train_rows=data.train_counts,
        validation_rows=data.validation_counts,
        mask_preview=data.preview,
        steps=trainer.state.global_step,
        rows_per_step=rows_per_step(spec),
        micro_batch=data.micro_batch,
        train_loss=train_loss,
        loss_curve=tuple(keeper.training),
        validation_curve=tuple(keeper.validation),
        tokens_per_second=round(data.train_counts.tokens * spec.training.epochs / seconds, 1),
        seconds=round(seconds, 3),
        total_seconds=round(seconds, 3),
        peak_memory_mb=peak_memory_mb(),
        device=device_name(),
        versions=provenance.versions(),
        git_commit=provenance.git_commit(),
        trainable_parameters=count_parameters(trainer.model, trained_only=True),
        parameters=count_parameters(trainer.model),
    )


def _save(spec: TrainSpec, trainer: SFTTrainer, tokenizer: PreTrainedTokenizerBase, hashes: dict[str, str]) -> None:
    unfinished = spec.output.with_name(spec.output.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    trainer.model.save_pretrained(str(unfinished), safe_serialization=True)  # type: ignore[union-attr]
    tokenizer.save_pretrained(str(unfinished))
    card = AdapterCard(
        spec=spec,
        base_hash=provenance.weights_hash(spec.weights.source, spec.weights.revision),
        adapter_hash=provenance.adapter_hash(unfinished),
        versions=provenance.versions(),
        git_commit=provenance.git_commit(),
        **hashes,
    )
    (unfinished / ADAPTER_CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    # A reader meets the whole new adapter or the old one, never half of either.
    shutil.rmtree(spec.output, ignore_errors=True)
    unfinished.rename(spec.output)
