"""Answers to which no end comes: one that says the same again and again, and one that goes on with another turn.

Pre-trained models know no end of a turn, so each answer would run to its limit (33 of 33 rows of Gemma 3 270M, most of
which said the prompt again from its beginning). What is cut here is recorded as such and never taken for an answer that
ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swap_assets.backends.models.chat_template import end_of_turn, prompt_tokens, render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What repeats is at most so long, in tokens; it has come three times, and so many tokens repeat earlier ones.
_LONGEST, _LEAST = 128, 64
# An answer whose first tokens, so many, stand among the prompt's first ones, where no earlier answer is, says it again.
_OPENING, _INSTRUCTIONS = 32, 128
_TALK = [{"role": role, "content": "a"} for role in ("user", "assistant", "user")]


class Loop:
    """Follows one answer and notices when it repeats itself or what it was told."""

    def __init__(self, prompt: Sequence[int] = ()) -> None:
        import numpy as np

        self._prompt, self._said = list(prompt[:_INSTRUCTIONS]), list[int]()
        self._back = np.full(_LONGEST, -1)  # the last tokens, the newest first
        self._repeated = np.zeros(_LONGEST, dtype=int)  # for each period: so many tokens in a row were those before it
        self._enough = np.maximum(2 * np.arange(1, _LONGEST + 1), _LEAST)

    def closes(self, token: int) -> bool:
        """Take the next token; say whether the answer goes round in a loop."""
        import numpy as np

        self._repeated = np.where(self._back == token, self._repeated + 1, 0)
        self._back = np.concatenate(([token], self._back[:-1]))
        self._said.append(token)
        echoes = len(self._said) == _OPENING and any(
            self._prompt[at : at + _OPENING] == self._said for at in range(len(self._prompt) - _OPENING + 1)
        )
        return echoes or bool((self._repeated >= self._enough).any())


def turn_starts(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the token of its own with which the template begins a turn behind an answer, none where it has none."""
    text = render(str(tokenizer.chat_template), tokenizer.special_tokens_map, _TALK)
    tokens = prompt_tokens(tokenizer, text)
    ends = end_of_turn(tokenizer), tokenizer.eos_token_id
    last = max((place for place, token in enumerate(tokens[:-2]) if token in ends), default=-1)
    # Gemma's line break is a token of its own, too.
    own = {token for token, known in tokenizer.added_tokens_decoder.items() if known.content.strip()}
    return frozenset([token for token in tokens[last + 1 :] if token in own.difference(ends)][:1])
