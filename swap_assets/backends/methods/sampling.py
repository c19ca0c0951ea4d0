"""The rows of a step: their order, their length, whether they are padded, flattened or packed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.methods.batches import BatchPlan
from swap_assets.backends.methods.masking import TokenRow
from swap_assets.backends.processes.specs import TrainSpec

if TYPE_CHECKING:
    from datasets import Dataset


class StepSampler:
    """Draws each epoch's order from the seed, and within one optimiser step puts rows of like length side by side.

    Which rows make a step is accelerate's own choice for that seed and epoch, so it does not depend on how many of them
    go through the model at once; only their order within the step does.

    Args:
        lengths: Tokens of each row.
        rows_per_step: Rows of one optimiser step.
        seed: The data's seed.
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


def choose_attention(model: Any, spec: TrainSpec, plan: BatchPlan) -> None:
    """Switch to the kernel that flattened rows want, where there is one."""
    if flattened(spec, plan) and has_flash_attention():
        model.set_attn_implementation("flash_attention_2")
