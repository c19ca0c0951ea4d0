"""What a training says while it runs, the curves it leaves behind, when it saves or stops, and its random states.

Not here: what a checkpoint holds (`trainer`) and how it is written (`checkpoints`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.backends.processes.specs import LossPoint
from swap_assets.domain.experiment.recipes import TrainingSettings

if TYPE_CHECKING:
    from transformers import TrainerCallback


class CurveKeeper:
    """Keeps the training and validation losses, over interruptions too, and reports progress.

    `tokens_per_epoch` are those of the used rows, without padding; `seconds_before` those of training in processes that
    were interrupted. `before_step` puts the random states before the present step back: a step that fails for want of
    memory can be taken again from there. It is None once the optimiser has begun to change weights.
    """

    def __init__(self, reporter: Reporter, *, tokens_per_epoch: int, seconds_before: float = 0.0) -> None:
        self.training: list[LossPoint] = []
        self.validation: list[LossPoint] = []
        self.before_step: Callable[[], None] | None = None
        self._reporter, self._tokens_per_epoch, self._seconds_before = reporter, tokens_per_epoch, seconds_before
        self._began = time.monotonic()
        self._first: LossPoint | None = None

    @property
    def seconds(self) -> float:
        """Training seconds so far, with those before an interruption."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def best_step(self) -> int | None:
        """The step of the lowest validation loss, the earliest of equals; None without validation rows."""
        return min(self.validation, key=lambda point: point.loss).step if self.validation else None

    def begin(self, history: Sequence[dict[str, Any]]) -> None:
        """Start the clock, with the log entries that an interrupted training has left."""
        self._began = time.monotonic()
        self.training = [_point(entry, "loss") for entry in history if "loss" in entry]
        self.validation = [_point(entry, "eval_loss") for entry in history if "eval_loss" in entry]
        self._first = self.training[-1] if self.training else None

    def log(self, logs: dict[str, float], *, step: int, steps: int) -> None:
        """Take the trainer's log entry after `step` of `steps` optimiser steps."""
        entry = {"epoch": 0.0, "step": step, **logs}
        if "eval_loss" in logs:
            point = _point(entry, "eval_loss")
            self.validation.append(point)
            self._reporter.line(f"epoch {point.epoch:.0f}: validation {_told(point)}")
        elif "loss" in logs:
            self.training.append(_point(entry, "loss"))
            self._report(self.training[-1], steps=steps)

    def _report(self, point: LossPoint, *, steps: int) -> None:
        # Speed and time left are this process's: an interrupted one may have run on another machine.
        seconds = max(time.monotonic() - self._began, 1e-9)
        step, epoch = (self._first.step, self._first.epoch) if self._first else (0, 0.0)
        speed = (point.epoch - epoch) * self._tokens_per_epoch / seconds
        left = seconds / max(point.step - step, 1) * (steps - point.step)
        text = f"step {point.step}/{steps}, {_told(point)}, {speed:.0f} tokens/s, {duration(left)} left"
        self._reporter.progress(text, last=point.step == steps)


def _point(entry: dict[str, Any], name: str) -> LossPoint:
    end = entry.get(name.replace("loss", "end_loss"))
    return LossPoint(step=entry["step"], epoch=float(entry["epoch"]), loss=entry[name], end=end)


def _told(point: LossPoint) -> str:
    return f"loss {point.loss:.4f}" + (f" (of the token that ends an answer {point.end:.4f})" if point.end else "")


def out_of_patience(validation: Sequence[LossPoint], patience: int | None) -> bool:
    """Whether the validation loss has not been lower than its best for `patience` epochs; None never stops."""
    if patience is None or len(validation) <= patience:
        return False
    best = min(point.loss for point in validation)
    return min(point.loss for point in validation[-patience:]) > best


def random_states() -> Callable[[], None]:
    """Remember the states of every generator that a training draws from; return what puts them back."""
    import torch

    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    python, arrays, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.set_rng_state(tensors)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda)

    return restore


class _Callback:
    """Tells the keeper what happens, stops early, and asks for checkpoints.

    One is due at each epoch's end and, in between, when so many minutes have gone by.
    """

    def __init__(self, keeper: CurveKeeper, settings: TrainingSettings) -> None:
        self._keeper, self._patience = keeper, settings.early_stopping_patience
        self._saved, self._every_s = time.monotonic(), 60 * settings.checkpoint_minutes

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._keeper.begin(state.log_history)
        self._saved = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._keeper.log(kwargs.get("logs") or {}, step=state.global_step, steps=state.max_steps)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if out_of_patience(self._keeper.validation, self._patience):
            control.should_training_stop = True

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._keeper.before_step = random_states()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # For an epoch's first step those of its beginning hold: the data loader draws from them in between.
        if not _ends_epoch(state):
            self._keeper.before_step = random_states()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._keeper.before_step = None

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        from accelerate.utils import broadcast_object_list

        # By the first process's clock: all have to save at the same step.
        (due,) = broadcast_object_list([time.monotonic() - self._saved >= self._every_s])
        # The epoch's last step is saved with the validation loss that follows it, or a resumed run would skip that.
        control.should_save = due and not _ends_epoch(state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._saved = time.monotonic()


def _ends_epoch(state: Any) -> bool:
    return state.global_step % (state.max_steps // state.num_train_epochs) == 0


def callback(keeper: CurveKeeper, settings: TrainingSettings) -> TrainerCallback:
    """Return the trainer's callback; its base takes seconds to import, so it is mixed in here."""
    from transformers import TrainerCallback

    return type("Callback", (_Callback, TrainerCallback), {})(keeper, settings)
