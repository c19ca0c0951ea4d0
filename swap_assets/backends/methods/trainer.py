"""TRL's trainer with parts of its own (the head only where there is loss, validation by tokens, whole checkpoints).

Here it is put together: base model, LoRA, rows, its many settings.

The output head: on a GPU with Triton TRL computes it only where there is loss; on CPU it scores every position, the
prompt's too. Measured on CPU (`benchmarks/training.py`, docs/training.md): rows without padding train 1.28 to 1.36
times as fast with ours, with the same losses to 1e-6; both together 2.7 to 3.4 times as fast as plain TRL, in half of
its memory.

Checkpoints: the trainer writes into a folder under its final name, so a kill leaves a torn one that it would take up.
Ours go through `checkpoints`; of 17 kills in training all ended in the weights of a training that nothing interrupted.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from swap_assets.backends.methods import batches
from swap_assets.backends.methods.callbacks import CurveKeeper, callback
from swap_assets.backends.methods.checkpoints import Checkpoints, Progress
from swap_assets.backends.methods.data import IGNORED, TokenRow
from swap_assets.backends.methods.losses import EndLoss, answer_loss
from swap_assets.backends.models.chat_template import end_of_turn
from swap_assets.backends.models.local_model import device_name
from swap_assets.backends.models.turn_tokens import Untrained, learnt_ends, untrained_in_model
from swap_assets.backends.processes.specs import TrainSpec

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_Base = cast(Any, object)  # the transformers trainer's attributes and methods are there too


class _AnswerTraining(_Base):
    """What is ours in the trainer; mixed into TRL's by `_trainer_class`, for that takes seconds to import."""

    checkpoints: Checkpoints
    keeper: CurveKeeper
    ends: EndLoss
    resumed_from: tuple[int, ...] = ()

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        import torch

        if return_outputs or torch.cuda.is_available() or self.aux_loss_enabled:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss = answer_loss(model, inputs, items=num_items_in_batch, ends=self.ends)
        # The items are those of all processes, whose gradients are averaged.
        return loss * self.accelerator.num_processes if num_items_in_batch is not None else loss

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows = self.train_dataset
        at_once = self.args.per_device_train_batch_size
        if at_once == 1:
            return super()._get_train_sampler(train_dataset)
        lengths = [len(ids) for ids in rows["input_ids"]]
        step = at_once * self.args.gradient_accumulation_steps * self.accelerator.num_processes
        return batches.StepSampler(lengths, rows_per_step=step, seed=self.args.data_seed)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: Any) -> Any:
        state, shared = self.accelerator.gradient_state, self.accelerator.num_processes
        if shared > 1 and batch_samples and state.end_of_dataloader and state.remainder > 0:
            size = self.args.per_device_train_batch_size
            own = batches.own_rows(state.remainder, process=self.accelerator.process_index, size=size)
            batches.ignore_rows_after(batch_samples[-1], own)
        return super()._get_num_items_in_batch(batch_samples, device)

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        loss, end = validation_loss(self)
        metrics = {f"{metric_key_prefix}_loss": loss, **({f"{metric_key_prefix}_end_loss": end} if end else {})}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        # TRL averages metrics that its own loss collects; where it collected none there is nothing to average.
        self._metrics["train"].clear()
        self._metrics["eval"].clear()
        if "loss" in logs and (end := self.ends.taken()) is not None:
            logs["end_loss"] = end
        super().log(logs, start_time)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.checkpoints.unfinished)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        from transformers import Trainer

        with self.checkpoints.writing(self.state.global_step):
            # Not TRL's, which writes a model card first.
            Trainer._save_checkpoint(self, model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                done = Progress(
                    step=self.state.global_step,
                    best_step=self.keeper.best_step,
                    finished=bool(self.control.should_training_stop),
                    seconds=self.keeper.seconds,
                    resumed_from=self.resumed_from,
                )
                self.checkpoints.commit(done)
        self.accelerator.wait_for_everyone()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        # The adapter alone: tokenizer and arguments are the training's own and would be written each time.
        self.model.save_pretrained(output_dir, is_main_process=self.args.should_save, save_embedding_layers=False)


@functools.cache
def _trainer_class() -> Any:
    from trl.trainer.sft_trainer import SFTTrainer

    return type("AnswerTrainer", (_AnswerTraining, SFTTrainer), {})


def save_before_failed_step(trainer: Any) -> bool:
    """Write a checkpoint of the state before the step that has just failed; False where it cannot be reached."""
    if trainer.keeper.before_step is None or not trainer.state.global_step:
        return False
    trainer.keeper.before_step()
    trainer._save_checkpoint(trainer.model, None)
    return True


def restore(trainer: Any, checkpoint: Path) -> None:
    """Take weights and curve of a checkpoint after which nothing is left to train."""
    from transformers import TrainerState

    trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    trainer.keeper.begin(trainer.state.log_history)
    load_adapter_weights(trainer.model, checkpoint)


def load_adapter_weights(model: Any, checkpoint: Path) -> None:
    """Take the adapter's weights of a checkpoint and nothing else."""
    from peft import load_peft_weights, set_peft_model_state_dict

    set_peft_model_state_dict(model, load_peft_weights(str(checkpoint), device="cpu"))


def validation_loss(trainer: Any) -> tuple[float, float | None]:
    """Return the mean losses over a trainer's validation rows, the same however they are batched.

    The first is over all trained tokens, the second over those that end an answer, None where no row keeps one. Every
    one of several processes computes all of it, so that none waits for another's longer share.
    """
    import torch

    # Rows of like length together, so that little is padded.
    rows = sorted(trainer.eval_dataset, key=lambda row: len(row["input_ids"]))
    size, total, tokens, ends = trainer.args.per_device_eval_batch_size, 0.0, 0, EndLoss(trainer.ends.token)
    trainer.model.eval()
    with torch.no_grad(), trainer.compute_loss_context_manager():
        for start in range(0, len(rows), size):
            inputs = trainer._prepare_inputs(trainer.data_collator(rows[start : start + size]))
            tokens += int((inputs["labels"][:, 1:] != IGNORED).sum())
            total += answer_loss(trainer.model, inputs, items=1, ends=ends).item()
    return total / tokens, ends.taken()


def lora_config(spec: TrainSpec, tokens: dict[str, list[int]] | None = None) -> LoraConfig:
    """Return the adapter's shape as peft takes it; `tokens` are rows that are trained too, by the layer's name."""
    from peft import LoraConfig

    lora = spec.lora
    targets = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    shape: Any = {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, "target_modules": targets}
    return LoraConfig(task_type="CAUSAL_LM", trainable_token_indices=tokens or None, **shape)


def rows_to_train(model: PreTrainedModel, untrained: Untrained) -> dict[str, list[int]]:
    """Return the tokens whose rows are to be trained beside LoRA, by their layer's name; tied layers are one."""
    parts: Any = model.get_input_embeddings(), model.get_output_embeddings()
    embedding, head = parts
    wanted = {id(embedding): untrained.read}
    if head.weight is not embedding.weight:
        wanted[id(head)] = untrained.said
    named = ((name, wanted[id(part)]) for name, part in model.named_modules() if id(part) in wanted)
    return {name: sorted(tokens) for name, tokens in named if tokens}


def begin_as(model: Any, token: int, other: int) -> None:
    """Let the trained row of `token` begin as the base's of `other`, wherever it is trained."""
    from peft.tuners.trainable_tokens import TrainableTokensLayer

    layers: list[Any] = [part for part in model.modules() if isinstance(part, TrainableTokensLayer)]
    for layer in layers:
        for name, tokens in layer.token_indices.items():
            if token in tokens:
                row = layer.get_base_layer().weight[other].detach()
                layer.trainable_tokens_delta[name].data[tokens.index(token)] = row


def trainer_for(
    model: Any, spec: TrainSpec, rows: tuple[Sequence[TokenRow], Sequence[TokenRow]],
    tokenizer: PreTrainedTokenizerBase, *, plan: batches.BatchPlan, keeper: CurveKeeper, checkpoints: Checkpoints,
    resumed_from: tuple[int, ...] = (),
) -> Any:  # fmt: skip
    """Return the trainer of a base model that is loaded already, without an adapter; the spec's `weights` are not read.

    `rows` are those to train on and those to validate on, which may be none. `keeper` takes the curves. `resumed_from`
    are the steps from which interrupted trainings of this adapter were taken up.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    (train, validation), end = rows, end_of_turn(tokenizer)
    if batches.flattened(spec, plan) and batches.has_flash_attention():
        model.set_attn_implementation("flash_attention_2")
    untrained = untrained_in_model(model, tokenizer)
    set_seed(spec.seed)  # again, so that LoRA's first weights do not depend on how the base was loaded
    trainer = _trainer_class()(
        model=model,
        args=_settings(spec, plan=plan, validates=bool(validation), folder=str(checkpoints.folder)),
        train_dataset=batches.dataset(train, spec),
        eval_dataset=Dataset.from_list([row._asdict() for row in validation]) if validation else None,
        processing_class=tokenizer,
        peft_config=lora_config(spec, rows_to_train(model, untrained)),
        callbacks=[callback(keeper, spec.training)],
    )
    if end in untrained.said and (others := learnt_ends(model, tokenizer)):
        begin_as(trainer.model, end, others[0])
    trainer.ends, trainer.untrained = EndLoss(end), untrained
    trainer.keeper, trainer.checkpoints, trainer.resumed_from = keeper, checkpoints, resumed_from
    trainer.remove_callback(PrinterCallback)
    return trainer


def _settings(spec: TrainSpec, *, plan: batches.BatchPlan, validates: bool, folder: str) -> Any:
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
        padding_free=batches.flattened(spec, plan),
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
