"""What a training says while it runs: loss, speed, time left; and the curves it leaves behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from swap_assets.backends.reporting import Reporter, duration
from swap_assets.backends.specs import LossPoint

if TYPE_CHECKING:
    from transformers import TrainerCallback


class CurveKeeper:
    """Keeps the training and validation losses and reports progress; `callback` is what the trainer takes."""

    def __init__(self, reporter: Reporter, *, tokens_per_epoch: int) -> None:
        self.training: list[LossPoint] = []
        self.validation: list[LossPoint] = []
        self._reporter = reporter
        self._tokens_per_epoch = tokens_per_epoch
        self._began = time.monotonic()

    def callback(self) -> TrainerCallback:
        """Return the trainer's callback that feeds this keeper."""
        from transformers import TrainerCallback

        keeper = self

        class Feed(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                keeper._began = time.monotonic()

            def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                keeper.log(kwargs.get("logs") or {}, step=state.global_step, steps=state.max_steps)

        return Feed()

    def log(self, logs: dict[str, float], *, step: int, steps: int) -> None:
        """Take the trainer's log entry after `step` of `steps` optimiser steps."""
        epoch = float(logs.get("epoch", 0.0))
        if "eval_loss" in logs:
            self.validation.append(LossPoint(step=step, epoch=epoch, loss=logs["eval_loss"]))
            self._reporter.line(f"epoch {epoch:.0f}: validation loss {logs['eval_loss']:.4f}")
        elif "loss" in logs:
            self.training.append(LossPoint(step=step, epoch=epoch, loss=logs["loss"]))
            self._report(logs["loss"], epoch=epoch, step=step, steps=steps)

    def _report(self, loss: float, *, epoch: float, step: int, steps: int) -> None:
        seconds = max(time.monotonic() - self._began, 1e-9)
        speed = epoch * self._tokens_per_epoch / seconds
        left = seconds / max(step, 1) * (steps - step)
        text = f"step {step}/{steps}, loss {loss:.4f}, {speed:.0f} tokens/s, {duration(left)} left"
        self._reporter.progress(text, last=step == steps)
