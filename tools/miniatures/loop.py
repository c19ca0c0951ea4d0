"""The training loop of the miniatures: batches without padding to speak of, two optimisers, checkpoints to go on from.

Rows of like length share a batch, right-padded, so that attention stays plainly causal (no dense mask) and the output
head runs only where there is loss. A killed run goes on from its last checkpoint, at a window of rows.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from tools.miniatures.stream import Message
from tools.miniatures.tokenizer import MAX_POSITIONS, ConversationEncoder, Encoded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train; rates hold until `decay_from` of the tokens, then fall to a twentieth.

    `window_rows` are drawn, sorted by length and cut into batches together; a checkpoint falls between two windows.
    Muon learns to copy from far fewer tokens than AdamW, but on CPU it takes more than half of a step's time (its
    iteration runs in bfloat16), so a model that copies already goes on with AdamW: `matrices` says which.
    """

    tokens: int
    batch_tokens: int = 2048
    window_rows: int = 512
    matrices: Literal["muon", "adamw"] = "muon"
    matrix_rate: float = 0.02
    other_rate: float = 3e-3
    warmup: float = 0.02
    decay_from: float = 0.5
    checkpoint_every: int = 1_000_000


@dataclass
class Progress:
    """Where a run stands; this is what a checkpoint keeps beside the weights."""

    window: int = 0
    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


def build_model(seed: int, vocabulary_size: int, *, pad: int, end: int, width: int = 192) -> Any:
    """Return an untrained Llama of 4 layers with heads 32 wide: 2.07M parameters at width 192."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=width,
        intermediate_size=width * 8 // 3 // 32 * 32,
        num_hidden_layers=4,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        max_position_embeddings=MAX_POSITIONS,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
    return LlamaForCausalLM(config)


def batches(rows: list[Encoded], seed: int, *, batch_tokens: int) -> Iterator[list[Encoded]]:
    """Yield batches of at most `batch_tokens` padded tokens from rows sorted by length, in a seeded order."""
    grouped: list[list[Encoded]] = [[]]
    for row in sorted(rows, key=lambda each: len(each[0])):
        if grouped[-1] and len(row[0]) * (len(grouped[-1]) + 1) > batch_tokens:
            grouped.append([])
        grouped[-1].append(row)
    Random(f"batches:{seed}").shuffle(grouped)
    yield from grouped


class Trainer:
    """Trains one model by one recipe; `conversation(index)` gives row `index` of an endless seeded stream."""

    def __init__(
        self, model: Any, encoder: ConversationEncoder, *, recipe: Recipe, conversation: Callable[[int], list[Message]]
    ) -> None:
        import torch

        self.model, self.recipe, self.progress = model, recipe, Progress()
        self._encoder, self._conversation = encoder, conversation
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        adamw = functools.partial(torch.optim.AdamW, betas=(0.9, 0.95), weight_decay=0.0)
        for_matrices = torch.optim.Muon if recipe.matrices == "muon" else adamw
        self._optimisers = [for_matrices(matrices, lr=recipe.matrix_rate), adamw(others, lr=recipe.other_rate)]
        self._rates = [recipe.matrix_rate, recipe.other_rate]

    def run(self, checkpoint: Path, evaluate: Callable[[Any], dict[str, float]]) -> Progress:
        """Train to the recipe's last token, writing `checkpoint` and a point of the curve every so often."""
        self._resume(checkpoint)
        progress, recipe = self.progress, self.recipe
        while progress.tokens < recipe.tokens:
            began, milestone = time.perf_counter(), progress.tokens // recipe.checkpoint_every
            loss = self._window()
            progress.seconds += time.perf_counter() - began
            if progress.tokens // recipe.checkpoint_every > milestone or progress.tokens >= recipe.tokens:
                point = {"tokens": progress.tokens, "minutes": round(progress.seconds / 60, 1), "loss": round(loss, 4)}
                progress.curve.append({**point, **evaluate(self.model)})
                log.info("%s", progress.curve[-1])
                self._save(checkpoint)
            else:
                log.info("%d tokens, %.0f s, loss %.4f", progress.tokens, progress.seconds, loss)
        return progress

    def _window(self) -> float:
        start = self.progress.window * self.recipe.window_rows
        indexes = range(start, start + self.recipe.window_rows)
        rows = [self._encoder.encode(self._conversation(index)) for index in indexes]
        losses = [
            self._step(batch) for batch in batches(rows, self.progress.window, batch_tokens=self.recipe.batch_tokens)
        ]
        self.progress.window += 1
        return sum(losses) / len(losses)

    def _step(self, batch: list[Encoded]) -> float:
        import torch

        width = max(len(ids) for ids, _ in batch)
        pad = self.model.config.pad_token_id
        ids = torch.tensor([row + [pad] * (width - len(row)) for row, _ in batch])
        mask = torch.tensor([row + [False] * (width - len(row)) for _, row in batch])
        self._set_rates()
        # float32 throughout: under bfloat16 autocast the backward of CPU attention eats what the matrices gain.
        hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state
        # The state at a place predicts the token after it; the head runs only where that token is trained.
        logits = self.model.lm_head(hidden[:, :-1][mask[:, 1:]])
        loss = torch.nn.functional.cross_entropy(logits, ids[:, 1:][mask[:, 1:]])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.progress.tokens += sum(len(row) for row, _ in batch)
        self.progress.steps += 1
        return loss.item()

    def _set_rates(self) -> None:
        done = self.progress.tokens / self.recipe.tokens
        falling = (1 - done) / (1 - self.recipe.decay_from)
        factor = min(1.0, (done + 1e-4) / self.recipe.warmup, max(0.05, falling))
        for optimiser, rate in zip(self._optimisers, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor

    def _save(self, checkpoint: Path) -> None:
        import torch

        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "optimisers": [each.state_dict() for each in self._optimisers],
            "progress": vars(self.progress),
        }
        # Written beside and moved, so that a kill in between leaves the earlier checkpoint whole.
        fresh = checkpoint.with_suffix(".tmp")
        torch.save(state, fresh)
        fresh.replace(checkpoint)

    def _resume(self, checkpoint: Path) -> None:
        import torch

        if not checkpoint.is_file():
            return
        state = torch.load(checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        log.info("goes on from %s at %d tokens", checkpoint, self.progress.tokens)
