"""Prompts on their way to answers, how many of them memory holds at once, and one key-value cache for all of them.

A row of the cache has a slot, which is used again when the row has ended. The stores are made once. A row lies from the
left end of its slot, so rows of different lengths need no padding: each writes its next column at its own length, and a
mask hides what lies beyond it. Who gets a slot lives in `decoding`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swap_assets.backends.engines.endings import Loop
from swap_assets.domain.predictions import FinishReason

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache

# Columns are taken in steps of so many: fused kernels on a card want masks whose rows are aligned.
_ALIGNED = 16


class OutOfRoomError(RuntimeError):
    """Not even one row fits into memory; the message is one sentence that says what to do."""


class Constraint:
    """What one answer may say next; it follows the answer from its first token on. This one forbids nothing."""

    def allow(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits, (tokens,), with what may not come next at minus infinity."""
        return logits

    def take(self, token: int) -> None:
        """Note the token that was chosen."""


@dataclass(eq=False)
class Row:
    """One prompt, and at the end its answer.

    `tokens` ends with the stop token where there was one, `text` is without it. `seconds` is the row's share of the
    time: its part of reading prompts, and of each step an even part among the rows of that step; `first_s` is the same
    up to its first token, None where nobody saw that token come. With `turns`, the tokens that begin a turn, an answer
    is `cut` where it begins another turn or repeats itself.
    """

    index: int
    prompt: list[int]
    limit: int
    constrain: Callable[[], Constraint] | None = None
    turns: frozenset[int] | None = None
    tokens: list[int] = field(default_factory=list)
    seconds: float = 0.0
    first_s: float | None = None
    stopped: bool = False
    cut: FinishReason | None = None
    text: str = ""
    _constraint: Constraint = field(default_factory=Constraint)
    _loop: Loop = field(default_factory=Loop)

    @property
    def need(self) -> int:
        """The most tokens that the row can come to."""
        return len(self.prompt) + self.limit

    def begin(self) -> None:
        """Start the answer; what was said in an earlier attempt is forgotten, greedy decoding says it again."""
        self.tokens, self.seconds, self.first_s, self.stopped, self.cut = [], 0.0, None, False, None
        self._loop = Loop(self.prompt)
        self._constraint = self.constrain() if self.constrain else Constraint()

    @property
    def ended(self) -> bool:
        """Whether the answer is whole, cut, or as long as it may be."""
        return self.stopped or self.cut is not None or len(self.tokens) == self.limit

    @property
    def said(self) -> list[int]:
        """The tokens without the one that ends the answer."""
        return self.tokens[:-1] if self.stopped else self.tokens

    @property
    def finish(self) -> FinishReason:
        """Why the answer ended."""
        return "stop" if self.stopped else self.cut or "length"

    def allowed(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits, (tokens,), without what the row may not say next."""
        return self._constraint.allow(logits)

    def take(self, token: int, stops: frozenset[int]) -> None:
        """Add a token to the answer."""
        self.tokens.append(token)
        self.stopped = token in stops
        if self.stopped:
            return
        self._constraint.take(token)
        if self.turns is not None:
            self.cut = "second_turn" if token in self.turns else "repetition" if self._loop.closes(token) else None


class Budget:
    """The tokens of all rows under way together: prompts and the answers' limits. Out of memory halves it."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def rows(self, need: int) -> int:
        """Return how many rows of so many tokens are computed at once."""
        return max(1, self.tokens // need)

    def halve(self, error: Exception, *, rows: int, need: int) -> None:
        """Answer an error of memory with so many rows of so many tokens under way; OutOfRoomError with only one."""
        if rows <= 1:
            raise OutOfRoomError(
                "memory does not hold a single row: use a model of a smaller dtype, a lower max_answer_tokens, or a "
                "bigger card"
            ) from error
        from accelerate.utils.memory import clear_device_cache

        self.tokens = min(self.tokens, rows * need) // 2
        error.with_traceback(None)  # its frames hold the very tensors that are to go
        clear_device_cache(garbage_collection=True)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that the card or the machine has no memory left."""
    import torch

    out = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return out or (isinstance(error, RuntimeError) and "allocate memory" in str(error))


class Slots:
    """`count` slots of `room` tokens each; the first `len(lengths)` of them are in use.

    `lengths` says how many tokens each used slot holds. They stay side by side: freeing one moves the last into it.
    """

    def __init__(self, count: int, room: int) -> None:
        from transformers import Cache

        self.count, self.room = count, -(-room // _ALIGNED) * _ALIGNED
        self.lengths: list[int] = []
        self.cache = Cache(layers=[])
        self._layers: list[_SlotLayer] = []

    @property
    def free(self) -> int:
        """How many slots are not in use."""
        return self.count - len(self.lengths)

    def insert(self, prefilled: DynamicCache, row: int, length: int) -> None:
        """Copy the first `length` tokens of one row of a prefilled cache into the next free slot."""
        if not self._layers:
            self._layers = [_layer_class()(layer, self) for layer in prefilled.layers]
            self.cache.layers = list(self._layers)  # type: ignore[arg-type]
        for layer, source in zip(self._layers, prefilled.layers, strict=True):
            states: Any = source
            layer.fill(len(self.lengths), states.keys[row, :, :length], states.values[row, :, :length])
        self.lengths.append(length)

    def release(self, slot: int) -> int:
        """Free a slot by moving the last used one into it; return the number that the moved one had."""
        last = len(self.lengths) - 1
        for layer in self._layers if slot != last else ():
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

    return type("SlotLayer", (_SlotLayer, DynamicLayer), {})
