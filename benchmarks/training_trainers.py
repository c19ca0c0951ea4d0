"""The trainers that the benchmark compares: TRL's as its guide sets it up, and the project's own; and their clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swap_assets.backends.methods.batches import BatchPlan
from swap_assets.backends.processes.specs import TrainSpec


class Rows:
    """The rows of a job: as conversations, as TRL takes them, and as tokens, as the project's trainer does."""

    def __init__(self, spec: TrainSpec, tokenizer: Any) -> None:
        from swap_assets.backends.methods.data import read_track, rendered, tokenise

        self.spec, self.tokenizer = spec, tokenizer
        self.conversations = rendered(read_track(spec.data_file).train, spec.answer_format, spec.prompt_style)
        self.tokens, self.counts = tokenise(tokenizer, self.conversations, max_length=spec.training.max_length)

    def plan(self, device: str) -> BatchPlan:
        """Return the plan with which the project would begin on a device."""
        from swap_assets.backends.methods.batches import first_plan
        from swap_assets.backends.methods.memory import estimate, first_fitting, model_shape

        shape = model_shape(self.spec)
        longest = max(len(row.input_ids) for row in self.tokens)
        most = max(row.trained for row in self.tokens)

        def estimated(plan: BatchPlan) -> Any:
            return estimate(self.spec, shape, plan, longest=longest, most_trained=most, device=device)

        return first_fitting(first_plan(self.spec, device), estimated)


def our_trainer(spec: TrainSpec, rows: Rows, model: Any, plan: BatchPlan, folder: Path) -> Any:
    """Return the project's own trainer, put together as each of its trainings is."""
    from swap_assets.backends.methods.callbacks import CurveKeeper
    from swap_assets.backends.methods.checkpoints import Checkpoints
    from swap_assets.backends.methods.trainer import trainer_for
    from swap_assets.backends.processes.reporting import Reporter

    keeper = CurveKeeper(Reporter(write=lambda _: None), tokens_per_epoch=rows.counts.tokens)
    work = folder / f"ours-{spec.training.packing}"
    return trainer_for(
        model, spec, (rows.tokens, ()), rows.tokenizer, plan=plan, keeper=keeper, checkpoints=Checkpoints(work, {})
    )


def plain_trainer(spec: TrainSpec, rows: Rows, model: Any, plan: BatchPlan, folder: Path) -> Any:
    """Return TRL's own trainer, given conversations and settings as its guide shows.

    Its defaults hold but for what makes the recipe (cap, rate, rows a step, assistant-only loss) and for bfloat16,
    which it would switch on under CPU too; there all ways compute in float32.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed
    from trl.trainer.sft_trainer import SFTTrainer

    from swap_assets.backends.methods.trainer import lora_config

    set_seed(spec.seed)  # so that LoRA's first weights are those of our way
    trainer = SFTTrainer(
        model=model,
        args=_plain_settings(spec, plan, folder),
        train_dataset=Dataset.from_list([{"messages": messages} for messages in rows.conversations]),
        processing_class=rows.tokenizer,
        peft_config=lora_config(spec),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _plain_settings(spec: TrainSpec, plan: BatchPlan, folder: Path) -> Any:
    from trl.trainer.sft_config import SFTConfig

    on_card = spec.weights.dtype == "bfloat16"
    return SFTConfig(
        output_dir=str(folder / "trl"),
        seed=spec.seed,
        data_seed=spec.seed,
        assistant_only_loss=True,
        max_length=spec.training.max_length,
        per_device_train_batch_size=plan.micro_batch,
        gradient_accumulation_steps=plan.accumulation,
        gradient_checkpointing=plan.checkpointing,
        packing=spec.training.packing,
        learning_rate=spec.training.learning_rate,
        lr_scheduler_type="constant",
        num_train_epochs=spec.training.epochs,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        bf16=on_card,
        use_cpu=not on_card,
        dataloader_pin_memory=on_card,
    )


def peak_mb(device: str) -> int:
    """Return the most memory held so far in MB (10^6 bytes): of the card, else of this process by the system."""
    import resource

    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated() // 1_000_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 1_000_000


def held_mb(device: str) -> int:
    """Return what is held before the first step, MB; on a card the peak is counted anew from here on."""
    import torch

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    return peak_mb(device)


class StepClock:
    """Times each optimiser step from the end of the one before, so that making its batch counts; saving does not."""

    def __init__(self, device: str, turn: Callable[[], None]) -> None:
        self.seconds: list[float] = []
        self.start_mb = 0
        self._device, self._turn = device, turn

    def now(self) -> float:
        """Return processor seconds of this process, or on a card real seconds once it has caught up."""
        if self._device != "cuda":
            return time.process_time()
        import torch

        torch.cuda.synchronize()
        return time.perf_counter()

    def callback(self) -> Any:
        """Return the trainer's callback that keeps the time."""
        from transformers import TrainerCallback

        clock = self

        class Clock(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                clock.start_mb = held_mb(clock._device)

            def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                clock._began = clock.now()

            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                waits = clock.now()
                clock._turn()
                clock._began += clock.now() - waits

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                ended = clock.now()
                clock.seconds.append(ended - clock._began)
                clock._began = ended

        return Clock()
