"""Greedy decoding of many rows over one key-value cache, whose slots are filled again as soon as a row has ended.

The same tokens as `model.generate(do_sample=False)` row by row, without penalties, at less cost: nothing is computed
for padding or for rows that have ended, and the cache is never copied to grow. Prompts are read alone or among their
like, so a long one pads no other. Measured by `benchmarks/generation.py` on two cores: 2.26x to 2.82x one by one, where
sorted batches of `generate` bring 1.3x to 1.8x and transformers' continuous batching 0.42x; so the loop stays ours.
Rows that cannot share such a cache are answered by `sharing.decode_in_batches`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.engines.rows import Budget, Row, Slots, is_out_of_memory

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Prompts are read together while their padded total stays below this and the shortest is not much shorter.
_TOGETHER_TOKENS = 2048
_ALIKE = 0.8


def decode(
    model: PreTrainedModel, rows: Sequence[Row], *, stops: frozenset[int], budget: Budget
) -> Iterator[list[Row]]:
    """Answer rows by a causal language model that can share a cache, and yield them as they end.

    The longest go first: memory runs out at the start or not at all. Then the `budget` is halved. `stops` are the
    tokens that end an answer, and rows that end in one step come together. OutOfRoomError where memory does not hold a
    single row.
    """
    waiting = deque(sorted(rows, key=lambda row: (-row.need, row.index)))
    while waiting:
        band = _Band(model, waiting, stops=stops, budget=budget)
        try:
            yield from band.run()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if ended := band.take_ended():
                yield ended
            waiting.extendleft(reversed(band.give_up()))
            size = band.size
            del band
            budget.halve(error, rows=size, need=waiting[0].need)


class _Band:
    """Rows of like length over one cache. The next band gets more slots where its rows are half as long."""

    def __init__(self, model: PreTrainedModel, waiting: deque[Row], *, stops: frozenset[int], budget: Budget) -> None:
        self._model, self._waiting, self._stops, self._budget = model, waiting, stops, budget
        self.size = min(len(waiting), budget.rows(waiting[0].need))
        self._slots = Slots(self.size, waiting[0].need)
        self._active: list[Row] = []  # the rows of the used slots, in their order
        self._reading: list[Row] = []  # the rows whose prompts are being computed
        self._ended: list[Row] = []

    def run(self) -> Iterator[list[Row]]:
        """Answer rows until none waits, or until the waiting ones are so short that a new band serves them better."""
        import torch

        while True:
            with torch.inference_mode():
                while self._slots.free and self._wanted():
                    self._read(self._next_group())
                if self._active:
                    self._step()
            if self._ended:
                yield self.take_ended()
            if not self._active and not self._wanted():
                return

    def take_ended(self) -> list[Row]:
        """Return the rows that have ended since this was last asked."""
        ended, self._ended = self._ended, []
        return ended

    def give_up(self) -> list[Row]:
        """Return the rows under way, longest first, to be answered anew."""
        return sorted(self._active + self._reading, key=lambda row: (-row.need, row.index))

    def _wanted(self) -> bool:
        if not self._waiting:
            return False
        many = self._budget.rows(self._waiting[0].need) >= 2 * self.size
        return not (many and len(self._waiting) > self.size)

    def _next_group(self) -> list[Row]:
        group = [self._waiting.popleft()]
        longest = len(group[0].prompt)
        while self._waiting and len(group) < self._slots.free:
            length = len(self._waiting[0].prompt)
            longest = max(longest, length)
            if length < _ALIKE * longest or longest * (len(group) + 1) > _TOGETHER_TOKENS:
                break
            group.append(self._waiting.popleft())
        return group

    def _read(self, group: list[Row]) -> None:
        """Compute the prompts of a group, choose each row's first token, and give the rows slots."""
        import torch
        from transformers import DynamicCache

        self._reading = group
        began = time.perf_counter()
        lengths = [len(row.prompt) for row in group]
        longest = max(lengths)
        # Padding lies to the right: no token sees what comes after it, so no mask is needed.
        padded = torch.tensor([row.prompt + [0] * (longest - len(row.prompt)) for row in group])
        last = sorted({length - 1 for length in lengths})
        cache = DynamicCache()
        answer: Any = self._model(
            input_ids=padded.to(self._model.device),
            position_ids=torch.arange(longest, device=self._model.device)[None].expand(len(group), -1),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=torch.tensor(last, device=self._model.device),
        )
        logits = torch.stack([answer.logits[place, last.index(length - 1)] for place, length in enumerate(lengths)])
        for row in group:
            row.begin()
        self._choose(group, logits)
        share = (time.perf_counter() - began) / len(group)
        for place, row in enumerate(group):
            row.seconds = row.first_s = share
            if not row.ended:
                self._slots.insert(cache, place, lengths[place])
        # Only now, so that rows whose store memory did not hold are still among those being read.
        self._active += [row for row in group if not row.ended]
        self._ended += [row for row in group if row.ended]
        self._reading = []

    def _step(self) -> None:
        """Compute one more token of every row under way; rows that have ended leave their slots."""
        import torch

        began = time.perf_counter()
        device = self._model.device
        positions, mask = self._slots.open_column(device, self._model.dtype)
        answer: Any = self._model(
            input_ids=torch.tensor([[row.tokens[-1]] for row in self._active], device=device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self._slots.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        under_way = list(self._active)
        self._choose(under_way, answer.logits[:, -1])
        share = (time.perf_counter() - began) / len(under_way)
        for row in under_way:
            row.seconds += share
        # From the end, so that the row that moves into a freed slot is never one that has ended.
        for slot in reversed(range(len(under_way))):
            if under_way[slot].ended:
                self._active[slot] = self._active[self._slots.release(slot)]
                self._active.pop()
        self._ended += [row for row in under_way if row.ended]

    def _choose(self, rows: Sequence[Row], logits: torch.Tensor) -> None:
        best = logits.argmax(dim=-1).tolist()
        for place, row in enumerate(rows):
            row.take(int(row.allowed(logits[place]).argmax()) if row.constrain else best[place], self._stops)
