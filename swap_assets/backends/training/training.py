"""Training one adapter, in chapters: seed, data, tokenizer, what there is already, model, trainer, train, save.

LoRA (Hu et al. 2021) or QLoRA (Dettmers et al. 2023) with peft and trl, loss on the assistant's tokens alone. On CPU
the same spec gives the same adapter to the last bit, interrupted or not.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends import provenance
from swap_assets.backends.local_model import device_name, load_tokenizer
from swap_assets.backends.model_card import write_adapter_readme
from swap_assets.backends.reporting import Reporter, duration
from swap_assets.backends.specs import ADAPTER_CARD, AdapterCard, TrainResult, TrainSpec
from swap_assets.backends.training import finished
from swap_assets.backends.training.assembly import assemble, count_parameters, seed_everything
from swap_assets.backends.training.batches import BatchPlan, first_plan
from swap_assets.backends.training.callback import CurveKeeper
from swap_assets.backends.training.checkpoints import Checkpoints, Progress
from swap_assets.backends.training.data import TrainingData
from swap_assets.backends.training.identity import identity
from swap_assets.backends.training.run_tracking import tracked_training

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def train(spec: TrainSpec, *, folder: Path, reporter: Reporter) -> TrainResult:
    """Train the adapter that a spec describes into `spec.output` and return what came of it.

    Started again after an interruption it goes on from the last whole checkpoint in `folder`. A training that had been
    finished with the same settings, data, base and code is not repeated.

    Raises:
        MaskError: rows without trained tokens. TemplateError: the model's template marks no assistant text.
        ModelUnavailableError: no such base model. ExamplesError: the file of examples is missing, empty or malformed.
        CheckpointError: the checkpoint in `folder` is another training's, or one cannot be written.
    """
    began = time.monotonic()
    first = is_first_process()
    reporter = reporter if first else Reporter(write=lambda _: None)
    seed_everything(spec)
    tokenizer = load_tokenizer(spec.weights)
    data = TrainingData(spec, tokenizer)
    data.report(reporter)
    same = identity(spec, data.hashes)
    if done := finished.read(folder, spec.output, same):
        reporter.line(f"adapter {done.adapter_hash} is there already, trained with the same settings, data and code")
        return done
    checkpoints = Checkpoints(folder / "checkpoints", same)
    last = checkpoints.last()
    with tracked_training(spec, data.hashes, same, folder=folder, active=first) as run:
        session = _Session(spec, data, tokenizer, reporter, checkpoints=checkpoints, last=last)
        session.run()
        if first:
            _save(spec, session.trainer, tokenizer, data.hashes)
        session.trainer.accelerator.wait_for_everyone()  # all of them read what the first has written
        result = session.result(run_id=run.id, total_seconds=time.monotonic() - began)
        run.record(result)
    if first:
        write_adapter_readme(result)
        finished.write(folder, same, result)
        checkpoints.clear()
    reporter.line(f"adapter {result.adapter_hash} after {result.steps} steps, {duration(result.seconds)} of training")
    return result


def is_first_process() -> bool:
    """Whether this is the one of several processes (under `accelerate launch`) that reports and writes."""
    return int(os.environ.get("RANK", "0")) == 0


def peak_memory_mb() -> int:
    """Return the most memory this process has held: of the card where there is one, else of the machine, in MB."""
    if device_name() == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() // 1_000_000
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1_000_000 if sys.platform == "darwin" else peak // 1000


class _Session:
    """One process's part in a training: from the last whole checkpoint, or the start, to the end."""

    def __init__(
        self,
        spec: TrainSpec,
        data: TrainingData,
        tokenizer: PreTrainedTokenizerBase,
        reporter: Reporter,
        *,
        checkpoints: Checkpoints,
        last: Progress | None,
    ) -> None:
        self._spec, self._data, self._tokenizer, self._reporter = spec, data, tokenizer, reporter
        self._checkpoints, self._last = checkpoints, last
        self.plan = first_plan(spec, device_name())
        self.trainer: Any = None

    def run(self) -> None:
        """Train to the end and leave the wanted epoch's weights in the trainer's model."""
        if is_first_process():
            self._checkpoints.tidy(self._last)
        self._assemble(self.plan)
        if self._last is None:
            self.trainer.train()
            self._seconds = self.keeper.seconds
        else:
            self._go_on(self._last)
        self._take_the_wanted_epoch()

    def _assemble(self, plan: BatchPlan) -> None:
        last = self._last
        tokens = self._data.train_counts.tokens
        self._resumed_from = (*last.resumed_from, last.step) if last else ()
        self.keeper = CurveKeeper(self._reporter, tokens_per_epoch=tokens, seconds_before=last.seconds if last else 0.0)
        self.trainer = assemble(
            self._spec,
            self._data,
            self._tokenizer,
            plan=plan,
            keeper=self.keeper,
            checkpoints=self._checkpoints,
            resumed_from=self._resumed_from,
        )

    def _go_on(self, last: Progress) -> None:
        folder = self._checkpoints.path(last.step)
        self._reporter.line(f"goes on from the checkpoint after step {last.step}, {duration(last.seconds)} into it")
        if last.finished:
            self.trainer.restore(folder)
            self._seconds = last.seconds
            return
        self.trainer.train(resume_from_checkpoint=str(folder))
        self._seconds = self.keeper.seconds

    def _take_the_wanted_epoch(self) -> None:
        best = self.keeper.best_step
        self.kept_step = self.trainer.state.global_step
        if self._spec.training.keep == "best" and best not in (None, self.kept_step):
            self.trainer.load_adapter_weights(self._checkpoints.path(best))
            self.kept_step = best
            self._reporter.line(f"keeps the weights after step {best}, where the validation loss was lowest")

    def result(self, *, run_id: str, total_seconds: float) -> TrainResult:
        """Return what came of it; `total_seconds` are the process's."""
        spec, data, state, curve = self._spec, self._data, self.trainer.state, self.keeper.training
        return TrainResult(
            adapter=spec.output,
            adapter_hash=provenance.adapter_hash(spec.output),
            dataset_hash=data.hashes["dataset_hash"],
            prompt_hash=data.hashes["prompt_hash"],
            train_rows=data.train_counts,
            validation_rows=data.validation_counts,
            mask_preview=data.preview,
            steps=state.global_step,
            kept_step=self.kept_step,
            resumed_from=self._resumed_from,
            rows_per_step=self.plan.rows_per_step,
            micro_batch=self.plan.micro_batch,
            train_loss=sum(point.loss for point in curve) / len(curve),
            loss_curve=tuple(curve),
            validation_curve=tuple(self.keeper.validation),
            tokens_per_second=round(data.train_counts.tokens * curve[-1].epoch / self._seconds, 1),
            seconds=round(self._seconds, 3),
            total_seconds=round(total_seconds, 3),
            peak_memory_mb=peak_memory_mb(),
            device=device_name(),
            versions=provenance.versions(),
            git_commit=provenance.git_commit(),
            mlflow_run_id=run_id,
            trainable_parameters=count_parameters(self.trainer.model, trained_only=True),
            parameters=count_parameters(self.trainer.model),
        )


def _save(spec: TrainSpec, trainer: Any, tokenizer: PreTrainedTokenizerBase, hashes: dict[str, str]) -> None:
    unfinished = spec.output.with_name(spec.output.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    trainer.model.save_pretrained(str(unfinished), safe_serialization=True)
    tokenizer.save_pretrained(str(unfinished))
    card = AdapterCard(
        spec=spec,
        base_hash=hashes["base_hash"],
        dataset_hash=hashes["dataset_hash"],
        prompt_hash=hashes["prompt_hash"],
        adapter_hash=provenance.adapter_hash(unfinished),
        versions=provenance.versions(),
        git_commit=provenance.git_commit(),
    )
    (unfinished / ADAPTER_CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    # A reader meets the whole new adapter or the old one, never half of either.
    shutil.rmtree(spec.output, ignore_errors=True)
    unfinished.rename(spec.output)
