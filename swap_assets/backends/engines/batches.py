"""Greedy answers in left-padded batches through `model.generate`, for models whose rows cannot share one cache.

Slower than `decoding`: the cache is of whatever kind the model wants, and a batch lasts as long as its longest answer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.engines.rows import Budget, Row, is_out_of_memory

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def decode_in_batches(
    model: PreTrainedModel, rows: Sequence[Row], *, stops: frozenset[int], budget: Budget, alone: bool = False
) -> Iterator[list[Row]]:
    """Answer rows, longest first, and yield them batch by batch.

    Args:
        model: Any causal language model.
        rows: What to answer.
        stops: The tokens that end an answer.
        budget: How many rows make a batch; it is halved where memory runs out.
        alone: One row at a time, whatever the budget.

    Raises:
        OutOfRoomError: memory does not hold a single row.
    """
    waiting = deque(sorted(rows, key=lambda row: (-row.need, row.index)))
    while waiting:
        size = 1 if alone else min(len(waiting), budget.rows(waiting[0].need))
        batch = [waiting.popleft() for _ in range(size)]
        try:
            _answer(model, batch, stops)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            waiting.extendleft(reversed(batch))
            budget.halve(error, rows=size, need=batch[0].need)
        else:
            yield batch


def _answer(model: PreTrainedModel, batch: list[Row], stops: frozenset[int]) -> None:
    import torch
    from transformers import GenerationConfig, LogitsProcessorList

    began = time.perf_counter()
    longest = max(len(row.prompt) for row in batch)
    padded = torch.tensor([[0] * (longest - len(row.prompt)) + row.prompt for row in batch], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in batch])
    for row in batch:
        row.begin()
    # What is left out here is taken from the model's own settings, which may carry penalties.
    settings = GenerationConfig(
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        max_new_tokens=max(row.limit for row in batch),
        eos_token_id=sorted(stops),
        pad_token_id=min(stops, default=0),
    )
    with torch.inference_mode():
        generator: Any = model
        answers = generator.generate(
            inputs=padded,
            attention_mask=mask.to(model.device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([_allowing(batch, longest, stops)]),
        )
    for row, answer in zip(batch, answers[:, longest:].tolist(), strict=True):
        _catch_up(row, answer, stops)
        row.seconds = (time.perf_counter() - began) / len(batch)


def _allowing(batch: list[Row], prompt_length: int, stops: frozenset[int]) -> Any:
    """Return a logits processor that tells rows what they said and takes out what they may not say next."""

    def process(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        for row, answer in zip(batch, input_ids[:, prompt_length:].tolist(), strict=True):
            _catch_up(row, answer, stops)
        return torch.stack([scores[i] if row.ended else row.allowed(scores[i]) for i, row in enumerate(batch)])

    return process


def _catch_up(row: Row, answer: list[int], stops: frozenset[int]) -> None:
    for token in answer[len(row.tokens) :]:
        if not row.ended:
            row.take(token, stops)
