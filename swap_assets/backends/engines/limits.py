"""Does the limit on an answer's tokens leave room for every expected answer? Gold is measured here and goes nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import AnswerFormat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class AnswerLimitError(ValueError):
    """The limit would cut expected answers; the message is one sentence that names the limit to set."""


def check_limit(
    tokenizer: PreTrainedTokenizerBase, cases: Sequence[EvalCase], answer_format: AnswerFormat, limit: int
) -> int:
    """Return the tokens of the longest expected answer, the token that ends it included.

    Raises:
        AnswerLimitError: an expected answer is longer than the limit.
    """
    golds = [answer_format.write(case.gold_calls, case.gold_text) for case in cases]
    encoded: Any = tokenizer(golds, add_special_tokens=False)
    lengths = [len(tokens) + 1 for tokens in encoded["input_ids"]]
    longest = max(lengths)
    if longest > limit:
        cut = sum(length > limit for length in lengths)
        raise AnswerLimitError(
            f"max_answer_tokens {limit} would cut {cut} of {len(cases)} expected answers in the answer format "
            f"{answer_format.name} (the longest, of case {cases[lengths.index(longest)].id}, takes "
            f"{longest} tokens): set "
            f"max_answer_tokens to {longest} or more in the model's entry"
        )
    return longest
