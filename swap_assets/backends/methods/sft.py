"""Supervised fine-tuning, in chapters: seed, tokenizer, data, what there is already, model, trainer, train, save.

LoRA (Hu et al. 2021) or QLoRA (Dettmers et al. 2023) with peft and trl, loss on the assistant's tokens alone. On CPU
the same spec gives the same adapter to the last bit, interrupted or not.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends.hub.cards import README, write_adapter_readme
from swap_assets.backends.methods import memory
from swap_assets.backends.methods.batches import BatchPlan, first_plan
from swap_assets.backends.methods.callbacks import CurveKeeper
from swap_assets.backends.methods.checkpoints import Checkpoints, Progress, finished, identity, note_finished
from swap_assets.backends.methods.data import TrainingData
from swap_assets.backends.methods.trainer import load_adapter_weights, restore, save_before_failed_step, trainer_for
from swap_assets.backends.models import provenance
from swap_assets.backends.models.local_model import device_name, load_base, load_tokenizer
from swap_assets.backends.models.provenance import ADAPTER_CARD, AdapterCard
from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.backends.processes.specs import MemoryEstimate, TrainResult, TrainSpec
from swap_assets.backends.processes.supervision import is_first_process
from swap_assets.backends.serving.saved import save_tokenizer
from swap_assets.backends.store.whole import whole_folder, write_json
from swap_assets.backends.tracking.mlflow_runs import TrackedRun, record_curves, record_training, tracked_training

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LIBRARIES = ("trl.trainer.sft_trainer", "peft", "datasets")


def train(spec: TrainSpec, *, folder: Path, reporter: Reporter) -> TrainResult:
    """Train the adapter that a spec describes into `spec.output` and return what came of it.

    Started again after an interruption it goes on from the last whole checkpoint in `folder`. A training that had been
    finished with the same settings, data, base and code is not repeated.

    Raises:
        MaskError: rows without trained tokens. TemplateError: the model's chat template cannot be used.
        ModelUnavailableError: no such base model. ExamplesError: the file of examples is missing, empty or malformed.
        CheckpointError: the checkpoint in `folder` is another training's, or one cannot be written.
        DoesNotFitError: memory does not suffice for a single row with gradient checkpointing.
    """
    from transformers import set_seed

    began, first = time.monotonic(), is_first_process()
    reporter = reporter if first else Reporter(write=lambda _: None)
    set_seed(spec.seed)
    tokenizer = load_tokenizer(spec.weights)
    data = TrainingData(spec, tokenizer)
    data.report(reporter)
    same = identity(spec, data.hashes)
    if done := finished(folder, spec.output, same):
        reporter.line(f"adapter {done.adapter_hash} is there already, trained with the same settings, data and code")
        return done
    checkpoints = Checkpoints(folder / "checkpoints", same)
    last = checkpoints.last()
    with tracked_training(spec, data.hashes, same, folder=folder, active=first) as run:
        session = _Session(spec, data, tokenizer, reporter, run=run, checkpoints=checkpoints, last=last)
        session.train()
        if first:
            _save(spec, session.trainer, tokenizer, data.hashes)
        session.trainer.accelerator.wait_for_everyone()  # all of them read what the first has written
        result = session.result(total_seconds=time.monotonic() - began)
        record_training(run, result)
    if first:
        write_adapter_readme(result)
        note_finished(folder, same, result)
        checkpoints.clear()
    reporter.line(f"adapter {result.adapter_hash} after {result.steps} steps, {duration(result.seconds)} of training")
    return result


def _save(spec: TrainSpec, trainer: Any, tokenizer: PreTrainedTokenizerBase, hashes: dict[str, str]) -> None:
    with whole_folder(spec.output) as folder:
        trainer.model.save_pretrained(str(folder), safe_serialization=True)
        own = trainer.model.generation_config
        save_tokenizer(folder, tokenizer, spec, own.eos_token_id if own else None)
        card = AdapterCard(
            spec=spec,
            **{name: hashes[name] for name in ("base_hash", "dataset_hash", "prompt_hash")},
            adapter_hash=provenance.adapter_hash(folder),
            versions=provenance.versions(),
            git_commit=provenance.git_commit(),
            files={path.name: provenance.file_hash(path) for path in folder.iterdir() if path.name != README},
        )
        write_json(folder / ADAPTER_CARD, card)


class _Session:
    """One process's part: from the checkpoint `last` (None: the beginning) to the end, down the memory ladder.

    Afterwards `trainer` holds the wanted epoch's weights. The MLflow `run` is told of each rung of the ladder.
    """

    def __init__(
        self, spec: TrainSpec, data: TrainingData, tokenizer: PreTrainedTokenizerBase, reporter: Reporter, *,
        run: TrackedRun, checkpoints: Checkpoints, last: Progress | None,
    ) -> None:  # fmt: skip
        self._spec, self._data, self._tokenizer, self._reporter, self._run = spec, data, tokenizer, reporter, run
        self._checkpoints, self._last = checkpoints, last
        self._shape = memory.model_shape(spec)
        self._rungs: list[str] = []
        self._start_over()

    def train(self) -> None:
        """Train to the end, with less memory at once where it did not suffice; DoesNotFitError on the last rung."""
        from accelerate.utils.memory import clear_device_cache

        if is_first_process():
            self._checkpoints.tidy(self._last)
        wanted = first_plan(self._spec, device_name())
        self._plan = memory.first_fitting(wanted, self._estimate)
        if self._plan != wanted:
            self._note(f"begins with {self._plan} instead of {wanted}, by the memory estimate")
        self._memory = self._estimate(self._plan)
        self._reporter.line(memory.sentence(self._memory, self._plan))
        try:
            while not self._attempt():
                # The failed attempt's tensors hang on its frames, which are gone only now.
                clear_device_cache(garbage_collection=True)
        except Exception:
            record_curves(self._run, self._keeper.training, self._keeper.validation)
            raise
        self._take_the_wanted_epoch()

    def _attempt(self) -> bool:
        from accelerate.utils.memory import should_reduce_batch_size

        self._start_over()
        spec, data = self._spec, self._data
        try:
            self.trainer = trainer_for(
                load_base(spec.weights, quantisation=spec.training.quantisation), spec, (data.train, data.validation),
                self._tokenizer, plan=self._plan, keeper=self._keeper, checkpoints=self._checkpoints,
                resumed_from=self._resumed_from,
            )  # fmt: skip
            if names := self.trainer.untrained.names(self._tokenizer):
                told = f"no text has trained the embeddings of {', '.join(names)}: they are trained beside the adapter"
                self._reporter.line(told)
            self._train_from(self._last)
        except Exception as error:
            if not should_reduce_batch_size(error) or self._spec.processes > 1:
                raise
            self._step_down(error)
            return False
        return True

    def _step_down(self, error: Exception) -> None:
        lower = self._plan.next_rung()
        if lower is None:
            told = memory.what_would_fit(self._spec, self._memory, at_length=self._last_rung)
            raise memory.DoesNotFitError(told) from error
        saved = self.trainer is not None and save_before_failed_step(self.trainer)
        self._last = self._checkpoints.last()
        step = self._last.step if self._last else 0
        where = f"after step {step}" if saved else f"from step {step} again"
        self._note(f"out of memory with {self._plan}: goes on {where} with {lower}")
        self._plan, self._memory, self.trainer = lower, self._estimate(lower), None

    def _note(self, rung: str) -> None:
        self._rungs.append(rung)
        self._reporter.line(rung)
        self._run.tags({f"memory_rung_{len(self._rungs)}": rung})

    def _last_rung(self, spec: TrainSpec, longest: int) -> MemoryEstimate:
        return self._estimate(self._plan.model_copy(update={"micro_batch": 1, "checkpointing": True}), spec, longest)

    def _estimate(self, plan: BatchPlan, spec: TrainSpec | None = None, at_most: int = sys.maxsize) -> MemoryEstimate:
        longest = min(at_most, self._data.longest)
        most, device = min(longest, self._data.most_trained), device_name()
        return memory.estimate(spec or self._spec, self._shape, plan, longest=longest, most_trained=most, device=device)

    def _start_over(self) -> None:
        """Forget an attempt that failed; the next one goes on from `_last`."""
        last = self._last
        self.trainer: Any = None
        self._resumed_from = (*last.resumed_from, last.step) if last else ()
        tokens, before = self._data.train_counts.tokens, last.seconds if last else 0.0
        self._keeper = CurveKeeper(self._reporter, tokens_per_epoch=tokens, seconds_before=before)

    def _train_from(self, last: Progress | None) -> None:
        folder = self._checkpoints.path(last.step) if last else None
        if last:
            self._reporter.line(f"goes on from the checkpoint after step {last.step}, {duration(last.seconds)} into it")
        if folder and last and last.finished:
            restore(self.trainer, folder)
        else:
            self.trainer.train(resume_from_checkpoint=str(folder) if folder else None)
        self._seconds = last.seconds if last and last.finished else self._keeper.seconds

    def _take_the_wanted_epoch(self) -> None:
        best = self._keeper.best_step
        self._kept_step = self.trainer.state.global_step
        if self._spec.training.keep == "best" and best not in (None, self._kept_step):
            load_adapter_weights(self.trainer.model, self._checkpoints.path(best))
            self._kept_step = best
            self._reporter.line(f"keeps the weights after step {best}, where the validation loss was lowest")

    def result(self, *, total_seconds: float) -> TrainResult:
        """Return what came of it; `total_seconds` are the process's."""
        spec, data, curve = self._spec, self._data, self._keeper.training
        trained, parameters = self.trainer.model.get_nb_trainable_parameters()
        return TrainResult(
            adapter=spec.output, adapter_hash=provenance.adapter_hash(spec.output),
            dataset_hash=data.hashes["dataset_hash"], prompt_hash=data.hashes["prompt_hash"],
            train_rows=data.train_counts, validation_rows=data.validation_counts, mask_preview=data.preview,
            steps=self.trainer.state.global_step, kept_step=self._kept_step, resumed_from=self._resumed_from,
            rows_per_step=self._plan.rows_per_step, micro_batch=self._plan.micro_batch,
            gradient_checkpointing=self._plan.checkpointing, rungs=tuple(self._rungs), memory=self._memory,
            untrained_tokens=self.trainer.untrained.names(self._tokenizer),
            train_loss=sum(point.loss for point in curve) / len(curve), loss_curve=tuple(curve),
            validation_curve=tuple(self._keeper.validation),
            tokens_per_second=round(data.train_counts.tokens * curve[-1].epoch / self._seconds, 1),
            seconds=round(self._seconds, 3), total_seconds=round(total_seconds, 3), peak_memory_mb=peak_memory_mb(),
            device=device_name(), versions=provenance.versions(), git_commit=provenance.git_commit(),
            mlflow_run_id=self._run.id, trainable_parameters=trained, parameters=parameters,
        )  # fmt: skip


def peak_memory_mb() -> int:
    """Return the most memory this process has held: of the card where there is one, else of the machine, in MB."""
    if device_name() == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() // 1_000_000
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1_000_000 if sys.platform == "darwin" else peak // 1000
