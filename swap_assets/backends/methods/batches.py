"""How the rows of an optimiser step pass through the model, and the ladder down when memory is short."""

from __future__ import annotations

from pydantic import Field

from swap_assets.backends.processes.specs import TrainSpec
from swap_assets.domain.experiment.recipe import rows_each
from swap_assets.domain.model import Frozen


class BatchPlan(Frozen):
    """So many rows at once, so often, make one optimiser step; changing it changes speed and memory, not the recipe.

    That holds because the loss is a mean over the trained tokens of the whole step.
    """

    micro_batch: int = Field(ge=1, description="rows that go through the model at once")
    accumulation: int = Field(ge=1, description="times that they do so in one optimiser step")
    processes: int = Field(default=1, ge=1, description="each of which does so with rows of its own")
    checkpointing: bool = Field(default=False, description="activations are computed again instead of kept")

    @property
    def rows_per_step(self) -> int:
        """How many rows one optimiser step sees."""
        return self.micro_batch * self.accumulation * self.processes

    def next_rung(self) -> BatchPlan | None:
        """Return the next plan that needs less memory for the same rows a step, None after the last.

        First half as many rows at once (the largest divisor, where it does not halve), down to one; then gradient
        checkpointing.
        """
        if self.micro_batch > 1:
            rows = self.micro_batch * self.accumulation
            size = largest_divisor(rows, at_most=self.micro_batch // 2)
            return self.model_copy(update={"micro_batch": size, "accumulation": rows // size})
        return None if self.checkpointing else self.model_copy(update={"checkpointing": True})

    def __str__(self) -> str:
        kept = ", activations recomputed (gradient checkpointing)" if self.checkpointing else ""
        shared = f" x {self.processes} processes" if self.processes > 1 else ""
        return f"{self.micro_batch} rows at once x {self.accumulation}{shared}{kept}"


def largest_divisor(number: int, *, at_most: int) -> int:
    """Return the largest divisor of a number that is not above `at_most` (at least 1)."""
    return max(divisor for divisor in range(1, max(1, at_most) + 1) if number % divisor == 0)


def first_plan(spec: TrainSpec, device: str) -> BatchPlan:
    """Return the plan that a training starts with on `cpu` or `cuda`.

    On CPU one row at a time has no padding: rows of 400 tokens on average took 0.54 s a step of four, in pairs 0.71 s,
    all at once 0.90 s. A card wants the approach's batches.

    Raises:
        ValueError: the spec's processes cannot share the rows of a step evenly.
    """
    rows = rows_each(spec.training, spec.processes)
    wanted = spec.training.micro_batch or (spec.training.batch_size if device == "cuda" else 1)
    size = largest_divisor(rows, at_most=wanted)
    return BatchPlan(micro_batch=size, accumulation=rows // size, processes=spec.processes)
