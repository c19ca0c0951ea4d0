"""Prompts on their way to answers, and how many of them memory holds at once; computing them lives elsewhere."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class OutOfRoomError(RuntimeError):
    """Not even one row fits into memory; the message is one sentence that says what to do."""


class Constraint(Protocol):
    """What one answer may say next; it follows the answer from its first token on."""

    def allow(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits, (tokens,), with what may not come next at minus infinity."""
        ...

    def take(self, token: int) -> None:
        """Note the token that was chosen."""
        ...


@dataclass(eq=False)
class Row:
    """One prompt, and at the end its answer.

    `tokens` ends with the stop token where there was one, `text` is without it. `seconds` is the row's share of the
    time: its part of reading prompts, and of each step an even part among the rows of that step; `first_s` is the same
    up to its first token, None where nobody saw that token come.
    """

    index: int
    prompt: list[int]
    limit: int
    constrain: Callable[[], Constraint] | None = None
    tokens: list[int] = field(default_factory=list)
    seconds: float = 0.0
    first_s: float | None = None
    stopped: bool = False
    text: str = ""
    _constraint: Constraint | None = None

    @property
    def need(self) -> int:
        """The most tokens that the row can come to."""
        return len(self.prompt) + self.limit

    def begin(self) -> None:
        """Start the answer; what was said in an earlier attempt is forgotten, greedy decoding says it again."""
        self.tokens, self.seconds, self.first_s, self.stopped = [], 0.0, None, False
        self._constraint = self.constrain() if self.constrain else None

    @property
    def ended(self) -> bool:
        """Whether the answer is whole or as long as it may be."""
        return self.stopped or len(self.tokens) == self.limit

    def allowed(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits, (tokens,), without what the row may not say next."""
        return self._constraint.allow(logits) if self._constraint else logits

    def take(self, token: int, stops: frozenset[int]) -> None:
        """Add a token to the answer."""
        self.tokens.append(token)
        self.stopped = token in stops
        if self._constraint and not self.stopped:
            self._constraint.take(token)


class Budget:
    """The tokens of all rows under way together: prompts and the answers' limits. Out of memory halves it."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def rows(self, need: int) -> int:
        """Return how many rows of so many tokens are computed at once."""
        return max(1, self.tokens // need)

    def halve(self, error: Exception, *, rows: int, need: int) -> None:
        """Answer an error of memory that happened with so many rows of so many tokens under way.

        Raises:
            OutOfRoomError: there was only one row.
        """
        if rows <= 1:
            raise OutOfRoomError(
                "memory does not hold a single row: use a model of a smaller dtype, a lower max_answer_tokens, or a "
                "bigger card"
            ) from error
        self.tokens = min(self.tokens, rows * need) // 2
        error.with_traceback(None)  # its frames hold the very tensors that are to go
        free_memory()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that the card or the machine has no memory left."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def free_memory() -> None:
    """Give freed tensors back, so that the next attempt finds room."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
