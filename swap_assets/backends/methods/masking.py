"""From messages to token rows whose loss lies on the assistant's tokens alone, with every cut and lost row counted.

Why not leave it to the trainer: its assistant-only loss drops a row silently when `max_length` cuts its answer away,
and masks everything silently when the chat template has no generation marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.backends.processes.specs import RowCounts
from swap_assets.domain.formats.prompts import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that torch's cross entropy leaves out


class MaskError(ValueError):
    """Rows have no trained token; the message names them and says why."""


class TokenRow(NamedTuple):
    """One row: token ids, and labels of the same length that are `IGNORED` where no loss lies."""

    input_ids: list[int]
    labels: list[int]

    @property
    def trained(self) -> int:
        """How many tokens carry loss."""
        return sum(label != IGNORED for label in self.labels)


def tokenise(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[list[Message]], *, max_length: int
) -> tuple[list[TokenRow], RowCounts]:
    """Render and tokenise conversations, cut them to `max_length` tokens and drop those left without trained tokens.

    Returns:
        The rows in their order, and the counts of what was cut and lost.

    Raises:
        MaskError: a conversation has no trained token even before cutting, or none has any after it.
    """
    whole = [_masked(tokenizer, messages) for messages in conversations]
    if empty := [index for index, row in enumerate(whole) if not row.trained]:
        raise MaskError(
            f"{len(empty)} of {len(whole)} rows have no assistant token to train (first: row {empty[0]}); every row "
            "needs an assistant turn, and the chat template must wrap it in {% generation %}"
        )
    shortened = [TokenRow(row.input_ids[:max_length], row.labels[:max_length]) for row in whole]
    rows = [row for row in shortened if row.trained]
    if not rows:
        raise MaskError(
            f"max_length {max_length} cuts the answer off every one of {len(whole)} rows; raise training.max_length "
            f"(the longest row has {max((len(row.input_ids) for row in whole), default=0)} tokens)"
        )
    return rows, _counts(whole, shortened, rows)


def _masked(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> TokenRow:
    encoded = tokenizer.apply_chat_template(
        messages,  # type: ignore[arg-type]
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        padding=False,
        truncation=False,
    )
    fields: Any = encoded
    ids, mask = list(fields["input_ids"]), fields["assistant_masks"]
    return TokenRow(ids, [token if trained else IGNORED for token, trained in zip(ids, mask, strict=True)])


def _counts(whole: list[TokenRow], shortened: list[TokenRow], used: list[TokenRow]) -> RowCounts:
    return RowCounts(
        read=len(whole),
        used=len(used),
        cut=sum(len(short.input_ids) < len(row.input_ids) for short, row in zip(shortened, whole, strict=True)),
        lost=len(whole) - len(used),
        tokens=sum(len(row.input_ids) for row in used),
        trained_tokens=sum(row.trained for row in used),
        longest=max(len(row.input_ids) for row in whole),
    )


def preview(tokenizer: PreTrainedTokenizerBase, row: TokenRow) -> str:
    """Return a row as text in which what is trained stands between ⟦ and ⟧."""
    parts: list[str] = []
    start = 0
    for end in range(1, len(row.labels) + 1):
        if end < len(row.labels) and (row.labels[end] == IGNORED) == (row.labels[start] == IGNORED):
            continue
        text = tokenizer.decode(row.input_ids[start:end])
        parts.append(f"{text}" if row.labels[start] == IGNORED else f"⟦{text}⟧")
        start = end
    return "".join(parts)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token with which an assistant's turn ends, as the chat template writes and trains it."""
    row = _masked(tokenizer, [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    trained = [token for token in row.labels if token != IGNORED]
    if not trained:
        raise MaskError("the chat template marks no assistant text: it needs {% generation %} around the content")
    return trained[-1]
