"""Random states: seeding them, and remembering them so that a failed step can be taken again as it was."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from swap_assets.backends.processes.specs import TrainSpec

if TYPE_CHECKING:
    from transformers import TrainerCallback


class RandomStates(NamedTuple):
    """The states of every generator that a training draws from."""

    python: Any
    numpy: Any
    torch: Any
    cuda: Any

    @classmethod
    def now(cls) -> RandomStates:
        """Remember the present states."""
        import torch

        cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda)

    def restore(self) -> None:
        """Put the states back."""
        import torch

        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)


class StepGuard:
    """Remembers the random states before each step, so that a step which fails for want of memory can be taken again.

    `before_step` is None once the optimiser has begun to change weights: that state can no longer be reached.
    """

    before_step: RandomStates | None = None

    def callback(self) -> TrainerCallback:
        """Return the trainer's callback that feeds this guard."""
        from transformers import TrainerCallback

        guard = self

        class Guard(TrainerCallback):
            def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                guard.before_step = RandomStates.now()

            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                # For an epoch's first step those of its beginning hold: the data loader draws from them in between.
                if state.global_step % (state.max_steps // state.num_train_epochs):
                    guard.before_step = RandomStates.now()

            def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                guard.before_step = None

        return Guard()


def seed_everything(spec: TrainSpec) -> None:
    """Seed Python, NumPy and torch."""
    from transformers import set_seed

    set_seed(spec.seed)
