"""Thinking before an answer: where it ends, what it may take, and that it is never the answer.

A model thinks up to its budget of tokens; then the end of the thought is put into its mouth, as Qwen3's authors do and
as "s1" does (Muennighoff et al. 2025, budget forcing). What was thought counts in tokens, time and cost, and is left
out of the text. Only untouched bases think: adapters are trained and asked without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swap_assets.backends.engines.rows import Constraint
from swap_assets.backends.models.chat_template import TemplateError, prompt_tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

# By what a template has it: what ends a thought, and what is said where it goes on for too long.
_ENDS = (
    ("think>", "</think>", "\n</think>\n\n"),
    ("<|channel|>", "<|channel|>final<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
)


class Thinking(NamedTuple):
    """How a model thinks: at most `budget` tokens up to those that end a thought, else `forced` ones."""

    budget: int
    end: list[int]
    forced: list[int]

    @property
    def room(self) -> int:
        """The most tokens that a thought takes, with its end."""
        return self.budget + len(self.forced)

    def length(self, tokens: list[int]) -> int | None:
        """Return how many of the tokens said are the thought with its end, None where it has none yet."""
        size = len(self.end)
        places = range(size, min(len(tokens), self.room) + 1)
        return next((place for place in places if tokens[place - size : place] == self.end), None)


def thinking_of(tokenizer: PreTrainedTokenizerBase, budget: int) -> Thinking | None:
    """Return how a model thinks by its template, None without a budget; TemplateError where it is not known."""
    if not budget:
        return None
    template = str(tokenizer.chat_template)
    for sign, end, forced in _ENDS:
        if sign in template:
            return Thinking(budget, prompt_tokens(tokenizer, end), prompt_tokens(tokenizer, forced))
    raise TemplateError(
        f"the chat template of {tokenizer.name_or_path} shows no thought that is known (<think>, gpt-oss's channels): "
        "take thinking out of the model's entry"
    )


class Thought(Constraint):
    """Follows one answer through its thought, and ends that where it outgrows the budget."""

    def __init__(self, thinking: Thinking) -> None:
        self._thinking, self._said, self._closed = thinking, list[int](), False
        self._forced: list[int] = []

    def allow(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits, (tokens,), with all but the end of the thought at minus infinity once the budget is spent."""
        if not self._closed and len(self._said) == self._thinking.budget:
            self._forced = list(self._thinking.forced)
        if not self._forced:
            return logits
        only = logits.new_full(logits.shape, float("-inf"))
        only[self._forced[0]] = 0.0
        return only

    def take(self, token: int) -> None:
        """Note the token that was chosen."""
        self._said.append(token)
        self._forced = self._forced[1:]
        self._closed = self._closed or self._thinking.length(self._said) is not None
