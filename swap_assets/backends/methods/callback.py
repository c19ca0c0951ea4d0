"""What a training says while it runs, the curves it leaves behind, and when it saves or stops."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.backends.processes.specs import LossPoint
from swap_assets.domain.experiment.recipe import TrainingSettings

if TYPE_CHECKING:
    from transformers import TrainerCallback


class CurveKeeper:
    """Keeps the training and validation losses, over interruptions too, and reports progress.

    Args:
        reporter: Where progress goes.
        tokens_per_epoch: Tokens of the used rows, without padding.
        seconds_before: Training seconds of the processes that were interrupted.
    """

    def __init__(self, reporter: Reporter, *, tokens_per_epoch: int, seconds_before: float = 0.0) -> None:
        self.training: list[LossPoint] = []
        self.validation: list[LossPoint] = []
        self._reporter = reporter
        self._tokens_per_epoch = tokens_per_epoch
        self._seconds_before = seconds_before
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
            self._reporter.line(f"epoch {point.epoch:.0f}: validation loss {point.loss:.4f}")
        elif "loss" in logs:
            self.training.append(_point(entry, "loss"))
            self._report(self.training[-1], steps=steps)

    def _report(self, point: LossPoint, *, steps: int) -> None:
        # Speed and time left are this process's: an interrupted one may have run on another machine.
        seconds = max(time.monotonic() - self._began, 1e-9)
        step, epoch = (self._first.step, self._first.epoch) if self._first else (0, 0.0)
        speed = (point.epoch - epoch) * self._tokens_per_epoch / seconds
        left = seconds / max(point.step - step, 1) * (steps - point.step)
        text = f"step {point.step}/{steps}, loss {point.loss:.4f}, {speed:.0f} tokens/s, {duration(left)} left"
        self._reporter.progress(text, last=point.step == steps)


def _point(entry: dict[str, Any], name: str) -> LossPoint:
    return LossPoint(step=entry["step"], epoch=float(entry["epoch"]), loss=entry[name])


def out_of_patience(validation: Sequence[LossPoint], patience: int | None) -> bool:
    """Whether the validation loss has not been lower than its best for `patience` epochs; None never stops."""
    if patience is None or len(validation) <= patience:
        return False
    best = min(point.loss for point in validation)
    return min(point.loss for point in validation[-patience:]) > best


def callbacks(keeper: CurveKeeper, settings: TrainingSettings) -> list[TrainerCallback]:
    """Return the trainer's callbacks: they feed the keeper, ask for checkpoints and stop early."""
    from transformers import TrainerCallback

    class Feed(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            keeper.begin(state.log_history)

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            keeper.log(kwargs.get("logs") or {}, step=state.global_step, steps=state.max_steps)

        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if out_of_patience(keeper.validation, settings.early_stopping_patience):
                control.should_training_stop = True

    class Save(TrainerCallback):
        def __init__(self) -> None:
            self._saved = time.monotonic()

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._saved = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # The epoch's last step is saved with the validation loss that follows it, or a resumed run would skip that.
            within = state.global_step % (state.max_steps // state.num_train_epochs) != 0
            due = time.monotonic() - self._saved >= 60 * settings.checkpoint_minutes
            control.should_save = within and agreed(due)

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._saved = time.monotonic()

    return [Feed(), Save()]


def agreed(answer: bool) -> bool:
    """Return the first process's answer in every process: clocks differ, and all have to save at the same step."""
    import torch.distributed as processes

    if not (processes.is_available() and processes.is_initialized() and processes.get_world_size() > 1):
        return answer
    said = [answer]
    processes.broadcast_object_list(said, src=0)
    return said[0]
