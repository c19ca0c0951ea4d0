"""May rows of a model share one cache with each row at its own length, and up to which length?

What must hold: every layer keeps all keys and values, a mask given by hand is used as it is, and no row's length
changes how another row is computed. Some models break the last one: with `longrope` (Phi-4) all rows of a batch turn
to other rotary frequencies as soon as one of them passes the original context length.

Rows that may not are answered here too, in left-padded batches through `model.generate`. That is slower: on two cores
1.40x one by one, one cache 2.82x (`benchmarks/generation.py`), since a batch lasts as long as its longest answer.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.backends.engines.decoding import decode
from swap_assets.backends.engines.rows import Budget, Constraint, Row, is_out_of_memory

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

UNLIMITED = sys.maxsize
_MASKED_BY_HAND = ("sdpa", "eager")
# Greatest relative difference of logits that rounding may cause; a wrong mask or position causes far more.
_TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "bfloat16": 1e-1}


class Sharing(NamedTuple):
    """Rows of at most `longest` tokens may share; `reason` says why longer ones may not.

    `alone` means that longer ones are to be answered one at a time, since a batch would change their texts.
    """

    longest: int = UNLIMITED
    reason: str = ""
    alone: bool = False


def sharing(model: PreTrainedModel) -> Sharing:
    """Find out from the model's settings, then by computing three short rows in both ways."""
    limits = [_from_layers(model), _from_rotation(model)]
    tightest = min(limits, key=lambda found: found.longest)
    if tightest.longest and (problem := _differs(model)):
        return Sharing(0, problem, alone=tightest.alone)
    return tightest


def _from_layers(model: PreTrainedModel) -> Sharing:
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    how = getattr(model.config, "_attn_implementation", "")
    if how not in _MASKED_BY_HAND:
        return Sharing(0, f"its attention is computed by {how or 'code of its own'}")
    layers: list[Any] = DynamicCache(config=model.config).layers
    known = (DynamicLayer, DynamicSlidingWindowLayer)
    if other := [type(layer).__name__ for layer in layers if type(layer) not in known]:
        return Sharing(0, f"its cache has layers of the kind {min(other)}")
    windows = [layer.sliding_window for layer in layers if isinstance(layer, DynamicSlidingWindowLayer)]
    return Sharing(min(windows), f"its attention reaches back {min(windows)} tokens only") if windows else Sharing()


def _from_rotation(model: PreTrainedModel) -> Sharing:
    config = model.config.get_text_config(decoder=True)
    rope = getattr(config, "rope_parameters", None) or {}
    settings = [rope] if "rope_type" in rope else [item for item in rope.values() if isinstance(item, dict)]
    turning = [item for item in settings if item.get("rope_type") in ("longrope", "dynamic")]
    if not turning:
        return Sharing()
    known = getattr(config, "original_max_position_embeddings", None) or config.max_position_embeddings
    longest = min(item.get("original_max_position_embeddings") or known for item in turning)
    return Sharing(longest, f"its positions are computed otherwise beyond {longest} tokens", alone=True)


def _differs(model: PreTrainedModel) -> str:
    """Compare the logits of short rows computed together with those of the plain model; empty where they agree."""
    import torch

    try:
        with torch.inference_mode():
            worst = max(_differences(model))
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return f"rows cannot be computed together ({type(error).__name__})"
    if worst <= _TOLERANCE.get(str(model.dtype).removeprefix("torch."), 0.1):
        return ""
    return f"rows computed together differ from rows alone by {100 * worst:.1f} % of the largest logit"


def _differences(model: PreTrainedModel) -> Iterator[float]:
    import torch

    watches = [_Watch() for _ in (7, 3, 5)]
    rows = [
        Row(index, [1 + place % 5 for place in range(length)], 3, lambda watch=watch: watch)
        for index, (length, watch) in enumerate(zip((7, 3, 5), watches, strict=True))
    ]
    for _ in decode(model, rows, stops=frozenset(), budget=Budget(UNLIMITED)):
        pass
    for row, watch in zip(rows, watches, strict=True):
        tokens = torch.tensor([row.prompt + row.tokens[:-1]], device=model.device)
        alone = model(input_ids=tokens).logits[0, len(row.prompt) - 1 :].float()
        together = torch.stack(watch.seen)
        yield float((alone - together).abs().max() / alone.abs().max())


class _Watch(Constraint):
    """Keeps the logits that it was shown."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def allow(self, logits: torch.Tensor) -> torch.Tensor:
        self.seen.append(logits.float())
        return logits


def decode_in_batches(
    model: PreTrainedModel, rows: Sequence[Row], *, stops: frozenset[int], budget: Budget, alone: bool = False
) -> Iterator[list[Row]]:
    """Answer rows as `decoding.decode` does, batch by batch, by any causal language model; `alone` one at a time."""
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

    def allow(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Tell rows what they said, and take out what they may not say next."""
        _catch_up(batch, input_ids[:, longest:].tolist(), stops)
        allowed = [one if row.ended else row.allowed(one) for one, row in zip(scores, batch, strict=True)]
        for one in (one for one, row in zip(allowed, batch, strict=True) if row.cut):
            one.fill_(float("-inf"))[min(stops, default=0)] = 0.0  # it ends here, so that nobody waits for it
        return torch.stack(allowed)

    began = time.perf_counter()
    longest = max(len(row.prompt) for row in batch)
    padded = torch.tensor([[0] * (longest - len(row.prompt)) + row.prompt for row in batch], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in batch])
    for row in batch:
        row.begin()
    # What is left out here is taken from the model's own settings, which may carry penalties.
    greedy = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
    ends = {"eos_token_id": sorted(stops), "pad_token_id": min(stops, default=0)}
    settings = GenerationConfig(**greedy, **ends, max_new_tokens=max(row.limit for row in batch))
    with torch.inference_mode():
        generator: Any = model
        answers = generator.generate(
            inputs=padded,
            attention_mask=mask.to(model.device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([allow]),
        )
    _catch_up(batch, answers[:, longest:].tolist(), stops)
    for row in batch:
        row.seconds = (time.perf_counter() - began) / len(batch)


def _catch_up(batch: list[Row], answers: list[list[int]], stops: frozenset[int]) -> None:
    for row, answer in zip(batch, answers, strict=True):
        for token in answer[len(row.tokens) :]:
            if not row.ended:
                row.take(token, stops)
