"""A loaded model that answers rendered prompts: tokens in, tokens out, and which way of decoding suits it.

Files, cases and resuming live in `generation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.backends.engines.batches import decode_in_batches
from swap_assets.backends.engines.decoding import decode
from swap_assets.backends.engines.rows import Budget, Constraint, Row
from swap_assets.backends.engines.sharing import Sharing, sharing
from swap_assets.backends.methods.data import end_of_turn
from swap_assets.domain.formats.prompts import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT_BUDGET = 16_384


class Answer(NamedTuple):
    """What a model said: the text without stop tokens, tokens on both sides, and whether it stopped by itself.

    `place` is that of the prompt. `seconds` and `first_s` are the row's share of the time (see `rows.Row`), or the
    request's own time where a server answered; `card_s` is the share in either case: the shares add up to the whole.
    """

    place: int
    text: str
    prompt_tokens: int
    completion_tokens: int
    stopped: bool
    seconds: float
    first_s: float | None
    card_s: float


class LocalModel:
    """A loaded model that answers prompts greedily; each row's text is the one that it would get alone."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_new_tokens: int,
        token_budget: int = DEFAULT_BUDGET,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._max_new_tokens = max_new_tokens
        self._stops = frozenset(stop_tokens(model, tokenizer))
        self._sharing: Sharing | None = None
        self.budget = Budget(token_budget)
        self.method = ""

    def answer(self, prompts: Sequence[str]) -> list[Answer]:
        """Answer prompts and return the answers in their order."""
        found = [answer for answers in self.stream(prompts) for answer in answers]
        return sorted(found, key=lambda answer: answer.place)

    def stream(
        self, prompts: Sequence[str], constrain: Sequence[Callable[[], Constraint]] = ()
    ) -> Iterator[list[Answer]]:
        """Answer prompts and yield answers as they end; `Answer.place` says to which prompt.

        `constrain` begins the constraint of each prompt's answer; without it an answer is free.

        Raises:
            OutOfRoomError: memory does not hold a single row.
        """
        begins = constrain or [None] * len(prompts)
        rows = [
            Row(index, self._tokens(prompt), self._max_new_tokens, begin)
            for index, (prompt, begin) in enumerate(zip(prompts, begins, strict=True))
        ]
        if self._sharing is None:
            self._sharing = sharing(self._model)
        found = self._sharing
        together = [row for row in rows if row.need <= found.longest]
        others = [row for row in rows if row.need > found.longest]
        self.method = _method(len(together), len(others), found)
        for ended in decode(self._model, together, stops=self._stops, budget=self.budget):
            yield [self._read(row) for row in ended]
        for ended in decode_in_batches(self._model, others, stops=self._stops, budget=self.budget, alone=found.alone):
            yield [self._read(row) for row in ended]

    def _tokens(self, prompt: str) -> list[int]:
        encoded: Any = self._tokenizer(prompt, add_special_tokens=False)
        return list(encoded["input_ids"])

    def _read(self, row: Row) -> Answer:
        said = row.tokens[:-1] if row.stopped else row.tokens
        text = str(self._tokenizer.decode(said, skip_special_tokens=True))
        return Answer(
            row.index,
            text,
            len(row.prompt),
            len(row.tokens),
            row.stopped,
            seconds=row.seconds,
            first_s=row.first_s,
            card_s=row.seconds,
        )


def _method(together: int, others: int, found: Sharing) -> str:
    parts = [f"{together} rows over one cache"] if together or not others else []
    if others:
        how = "one at a time" if found.alone else "in padded batches"
        parts.append(f"{others} rows {how}, since the model's cache cannot be shared: {found.reason}")
    return "; ".join(parts)


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end an answer: the model's own, the tokenizer's, and the template's end of a turn."""
    return stops_of(model.generation_config.eos_token_id if model.generation_config else None, tokenizer)


def stops_of(own: int | list[int] | None, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the same for a model of which only the tokens are known that it ends with itself."""
    listed = own if isinstance(own, list) else [own]
    found = [*listed, tokenizer.eos_token_id, end_of_turn(tokenizer)]
    return sorted({token for token in found if isinstance(token, int)})


def render_prompt(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> str:
    """Return the text that the model reads: the chat template up to where the assistant speaks."""
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))  # type: ignore[arg-type]
