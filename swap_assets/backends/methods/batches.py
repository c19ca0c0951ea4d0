"""How the rows of an optimiser step pass through the model: how many at once, in which order, padded or packed.

Measured (`benchmarks/training.py`, docs/training.md): rows without padding train 1.57 to 1.70 times as fast on CPU as
TRL's padded batches of four; with the head only where there is loss (`trainer`) 2.7 to 3.4 times plain TRL in all.
That is why order and batches are ours. Not here: what to do when memory does not suffice (`memory`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from swap_assets.backends.methods.data import IGNORED, TokenRow
from swap_assets.backends.processes.specs import TrainSpec
from swap_assets.domain.experiment.recipes import rows_each
from swap_assets.domain.model import Frozen

if TYPE_CHECKING:
    from datasets import Dataset


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
    all at once 0.90 s. A card wants the approach's batches. ValueError where the spec's processes cannot share the rows
    of a step evenly.
    """
    rows = rows_each(spec.training, spec.processes)
    wanted = spec.training.micro_batch or (spec.training.batch_size if device == "cuda" else 1)
    size = largest_divisor(rows, at_most=wanted)
    return BatchPlan(micro_batch=size, accumulation=rows // size, processes=spec.processes)


class StepSampler:
    """Draws each epoch's order from the seed, and within one optimiser step puts rows of like length side by side.

    Which rows make a step is accelerate's own choice for that seed and epoch, so it does not depend on how many of them
    go through the model at once; only their order within the step does. (Transformers' sampler by length mixes rows of
    several steps, which is another recipe.) `lengths` are the tokens of each row.
    """

    def __init__(self, lengths: Sequence[int], *, rows_per_step: int, seed: int) -> None:
        self._lengths, self._rows_per_step, self._seed = lengths, rows_per_step, seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        import torch

        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        for start in range(0, len(order), self._rows_per_step):
            yield from sorted(order[start : start + self._rows_per_step], key=self._lengths.__getitem__)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is drawn, counted from 0."""
        self._epoch = epoch


def dataset(rows: Sequence[TokenRow], spec: TrainSpec) -> Dataset:
    """Return training rows as the trainer takes them: as they are, or packed where the approach says so."""
    from datasets import Dataset

    plain = Dataset.from_list([row._asdict() for row in rows])
    if not spec.training.packing:
        return plain
    from trl.data_utils import pack_dataset

    # Best fit decreasing: no row is cut (Ding et al. 2024), and positions start anew with each of them.
    return pack_dataset(plain.shuffle(seed=spec.seed), spec.training.max_length, "bfd")


def flattened(spec: TrainSpec, plan: BatchPlan) -> bool:
    """Whether rows lie one after the other without padding instead of one below the other with it.

    Packed ones always do. Others do on a card where flash attention is installed; its kernel keeps them apart at no
    cost, while other kernels pay for a mask over all of them, so there rows of like length are padded. One row at a
    time has no padding anyway.
    """
    return spec.training.packing or (plan.micro_batch > 1 and has_flash_attention())


def has_flash_attention() -> bool:
    """Whether there is a card and the library that keeps flattened rows apart in the attention kernel."""
    import torch
    from transformers.utils.import_utils import is_flash_attn_2_available

    return torch.cuda.is_available() and is_flash_attn_2_available()


def own_rows(remainder: int, *, process: int, size: int) -> int:
    """Return how many rows of a process's part of an epoch's last round are the epoch's own.

    So that all processes get equally many batches, accelerate fills that round with rows from the epoch's beginning,
    which would be trained once more than the recipe says. `remainder` rows are left for all processes together; they
    are numbered from 0, and `size` rows go through each one's model at once.
    """
    return min(max(remainder - process * size, 0), size)


def ignore_rows_after(batch: dict[str, Any], rows: int) -> None:
    """Take the loss from all but the first `rows` rows of a batch: padded ones (rows, tokens) or flattened into one."""
    labels = batch["labels"]
    if "attention_mask" in batch or rows == 0:
        labels[rows:] = IGNORED
        return
    starts = (batch["position_ids"][0] == 0).nonzero().squeeze(1).tolist()
    if rows < len(starts):
        labels[:, starts[rows] :] = IGNORED
