"""One key-value cache for many rows at once: each row has a slot, and a slot is used again when its row has ended.

The stores are made once. A row lies from the left end of its slot, so rows of different lengths need no padding: each
writes its next column at its own length, and a mask hides what lies beyond it. Who gets a slot lives in `decoding`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache

# Columns are taken in steps of so many: fused kernels on a card want masks whose rows are aligned.
_ALIGNED = 16


class Slots:
    """`count` slots of `room` tokens each; the first `len(lengths)` of them are in use.

    `lengths` says how many tokens each used slot holds. They stay side by side: freeing one moves the last into it.
    """

    def __init__(self, count: int, room: int) -> None:
        from transformers import Cache

        self.count = count
        self.room = -(-room // _ALIGNED) * _ALIGNED
        self.lengths: list[int] = []
        self.cache = Cache(layers=[])
        self._layers: list[_SlotLayer] = []

    @property
    def free(self) -> int:
        """How many slots are not in use."""
        return self.count - len(self.lengths)

    def insert(self, prefilled: DynamicCache, row: int, length: int) -> int:
        """Copy the first `length` tokens of one row of a prefilled cache into a free slot and return its number."""
        if not self._layers:
            self._layers = [_layer_class()(layer, self) for layer in prefilled.layers]
            self.cache.layers = list(self._layers)  # type: ignore[arg-type]
        slot = len(self.lengths)
        for layer, source in zip(self._layers, prefilled.layers, strict=True):
            states: Any = source
            layer.fill(slot, states.keys[row, :, :length], states.values[row, :, :length])
        self.lengths.append(length)
        return slot

    def release(self, slot: int) -> int:
        """Free a slot by moving the last used one into it; return the number that the moved one had."""
        last = len(self.lengths) - 1
        if slot != last:
            for layer in self._layers:
                layer.move(last, slot, self.lengths[last])
        self.lengths[slot] = self.lengths[last]
        self.lengths.pop()
        return last

    def open_column(self, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Make room for one more token in each used slot.

        Returns:
            The position of the new token, (rows, 1), and the additive mask over the columns, (rows, 1, 1, columns).
        """
        import torch

        positions = torch.tensor(self.lengths, device=device)
        columns = min(self.room, (max(self.lengths) // _ALIGNED + 1) * _ALIGNED)
        hidden = torch.arange(columns, device=device)[None] > positions[:, None]
        mask = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, torch.finfo(dtype).min)
        for layer in self._layers:
            layer.open(positions, columns)
        self.lengths = [length + 1 for length in self.lengths]
        return positions[:, None], mask[:, None, None]


class _SlotLayer:
    """One layer's stores, (slots, heads, room, width); `update` writes one token a row and returns what is in use."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, like: Any, slots: Slots) -> None:
        super().__init__()
        self.is_initialized = True
        # Zeros, not whatever lay in memory: a hidden column's value is multiplied by 0, and 0 x NaN is NaN.
        self._stores = tuple(
            states.new_zeros((slots.count, states.shape[1], slots.room, states.shape[-1]))
            for states in (like.keys, like.values)
        )
        self.keys, self.values = self._stores

    def fill(self, slot: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        for store, states in zip(self._stores, (keys, values), strict=True):
            store[slot, :, : states.shape[-2]] = states

    def move(self, source: int, target: int, length: int) -> None:
        for store in self._stores:
            store[target, :, :length] = store[source, :, :length]

    def open(self, positions: torch.Tensor, columns: int) -> None:
        import torch

        self._place = (torch.arange(len(positions), device=positions.device), slice(None), positions)
        self.keys, self.values = (store[: len(positions), :, :columns] for store in self._stores)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys[self._place] = key_states[:, :, 0]
        self.values[self._place] = value_states[:, :, 0]
        return self.keys, self.values


@functools.cache
def _layer_class() -> Any:
    from transformers.cache_utils import DynamicLayer

    class SlotLayer(_SlotLayer, DynamicLayer):  # type: ignore[misc]
        """What transformers takes for one layer of a cache."""

    return SlotLayer
