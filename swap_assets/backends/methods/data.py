"""The rows of one training: read, rendered by the one renderer, tokenised, masked, counted and hashed.

Loss lies on the assistant's tokens alone, and every cut and lost row is counted. The trainer's own assistant-only loss
drops a row silently when `max_length` cuts its answer away, and masks everything silently when the chat template has no
generation marks. The examples lie as JSON and not in Arrow: `datasets` fills the missing keys of ragged arguments with
None and reads `"02139"` as a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.backends.models import provenance
from swap_assets.backends.models.chat_template import (
    TemplateError,
    ends_of_turn,
    has_generation_marks,
    prompt_tokens,
    render,
    render_prompt,
    template_for,
    with_tools,
)
from swap_assets.backends.models.native_calls import for_calls
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import RowCounts, TrainSpec
from swap_assets.backends.store.experiment_file import command_for
from swap_assets.backends.store.whole import UnreadableError, read_json
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.formats.prompts import KEEP, Message, prompt_hash, render_messages, system_told
from swap_assets.domain.model import content_hash
from swap_assets.domain.tracks import TrackData, TrainingExample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that torch's cross entropy leaves out


class ExamplesError(ValueError):
    """A file of examples cannot be used; the message is one sentence."""


class MaskError(ValueError):
    """Rows have no trained token; the message names them and says why."""


def read_track(path: Path) -> TrackData:
    """Read a track's examples; ExamplesError where the file is missing, holds no track, or none to train on."""
    try:
        data = read_json(path, TrackData.model_validate_json, again=f"make it again: {command_for(path)}")
    except OSError as error:
        raise ExamplesError(f"{path} cannot be read ({error.strerror}); make it first: {command_for(path)}") from None
    except UnreadableError as error:
        raise ExamplesError(str(error)) from None
    if not data.train:
        raise ExamplesError(f"{path} holds no examples: give the track at least one training row")
    return data


def rendered(
    examples: Iterable[TrainingExample], answer_format: AnswerFormat, style: PromptStyle, system: str = KEEP
) -> list[list[Message]]:
    """Return examples as chat messages, the trained answer last; `system` is what is told of the agent's own text."""
    render = partial(render_messages, answer_format=answer_format, style=style)
    return [render(row.tools, row.turns, system=system_told(row.system, system)) for row in examples]


class TrainingData:
    """The tokenised rows of a training and what became of them.

    `longest` are the tokens of the longest row after cutting, `most_trained` the most of one row that carry loss.
    MaskError where rows have no trained token, ExamplesError where the file of examples cannot be used.
    """

    def __init__(self, spec: TrainSpec, tokenizer: PreTrainedTokenizerBase) -> None:
        length, data = spec.training.max_length, read_track(spec.data_file)
        conversations, held_out = (
            rendered(rows, spec.answer_format, spec.prompt_style, spec.system) for rows in (data.train, data.validation)
        )
        self.train, self.train_counts = tokenise(tokenizer, conversations, max_length=length)
        validation = tokenise(tokenizer, held_out, max_length=length) if held_out else ([], None)
        self.validation, self.validation_counts = validation
        rows = (*self.train, *self.validation)
        self.longest, self.most_trained = max(len(row.input_ids) for row in rows), max(row.trained for row in rows)
        self.preview = preview(tokenizer, self.train[0])
        template = template_for(tokenizer, spec.answer_format)
        self.hashes = {
            "dataset_hash": content_hash(conversations),
            "validation_hash": content_hash(held_out),
            "prompt_hash": prompt_hash(
                spec.answer_format, spec.prompt_style, chat_template=template, system=spec.system
            ),
            "base_hash": provenance.weights_hash(spec.weights.source, spec.weights.revision),
        }

    def report(self, reporter: Reporter) -> None:
        """Say how many rows train and what `max_length` took from them."""
        for name, counts in (("training", self.train_counts), ("validation", self.validation_counts)):
            if counts:
                reporter.line(
                    f"{name}: {counts.used} of {counts.read} rows, {counts.tokens} tokens of which "
                    f"{counts.trained_tokens} are trained; {counts.cut} rows cut and {counts.lost} lost by max_length"
                )


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

    Returns the rows in their order, and the counts of what was cut and lost. MaskError where a conversation has no
    trained token even before cutting, none has any after it, or the template does not ask as it answers.
    """
    ends, whole, empty = ends_of_turn(tokenizer), list[TokenRow](), list[int]()
    for index, messages in enumerate(conversations):
        try:
            found = token_rows(tokenizer, messages, ends)
        except (MaskError, TemplateError) as error:
            raise MaskError(f"row {index} cannot be trained: {error}") from None
        whole += found
        empty += [index] * (not any(row.trained for row in found))
    if empty:
        raise MaskError(
            f"{len(empty)} of {len(conversations)} rows have no assistant token to train (first: row {empty[0]}); each "
            "needs an assistant turn, and where a template has {% generation %} it has to stand around the answer"
        )
    shortened = [TokenRow(row.input_ids[:max_length], row.labels[:max_length]) for row in whole]
    rows, longest = [row for row in shortened if row.trained], max((len(row.input_ids) for row in whole), default=0)
    if not rows:
        raise MaskError(
            f"max_length {max_length} cuts the answer off every one of {len(whole)} rows; raise training.max_length "
            f"(the longest row has {longest} tokens)"
        )
    return rows, RowCounts(
        read=len(whole),
        used=len(rows),
        cut=sum(len(row.input_ids) > max_length for row in whole),
        lost=len(whole) - len(rows),
        tokens=sum(len(row.input_ids) for row in rows),
        trained_tokens=sum(row.trained for row in rows),
        longest=longest,
    )


def token_rows(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], ends: Sequence[int]) -> list[TokenRow]:
    """Return a conversation as rows in which each answer and its end, and nothing else, follows its very prompt.

    A row goes on as long as the next prompt begins with it, token by token. A template that writes an earlier answer
    otherwise than it was given (Qwen3 without its empty thinking, gpt-oss with another end) gets a row for each answer.
    Where `{% generation %}` stands, only what it marks is trained. MaskError where no answer can follow its prompt.
    """
    rows, row, rest, upto = list[TokenRow](), TokenRow([], []), list[int](), 0
    for at in [index for index, message in enumerate(messages) if message["role"] == "assistant"]:
        prompt, said = _prompt_and_answer(tokenizer, messages[: at + 1])
        length = max((len(said) - said[::-1].index(end) for end in ends if end in said), default=0)
        if not length:
            raise MaskError(f"turn {at} does not end with {tokenizer.convert_ids_to_tokens(ends[0])!r}")
        if prompt[: len(row.input_ids)] != row.input_ids:
            rows.append(_closed(tokenizer, messages[:upto], row, rest))
            row = TokenRow([], [])
        unlabelled = len(prompt) - len(row.labels)
        answer, rest, upto = said[:length], said[length:], at + 1
        row = TokenRow(prompt + answer, row.labels + [IGNORED] * unlabelled + answer)
    return [*rows, _closed(tokenizer, messages[:upto], row, rest)] if upto else []


def _prompt_and_answer(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
    """Return the tokens of the prompt of the last turn, and of what the template writes from there on."""
    asked = render_prompt(tokenizer, messages[:-1])
    told = render(str(tokenizer.chat_template), tokenizer.special_tokens_map, messages)
    if not told.startswith(asked):
        raise MaskError(f"the chat template writes turn {len(messages) - 1} another way than it asks for it")
    return prompt_tokens(tokenizer, asked), prompt_tokens(tokenizer, told[len(asked) :])


def _closed(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], row: TokenRow, rest: list[int]
) -> TokenRow:
    """Return a row with the `rest` that the template writes behind its last answer, labelled where the marks are."""
    ids, labels = row.input_ids + rest, row.labels + [IGNORED] * len(rest)
    if has_generation_marks(str(tokenizer.chat_template)):
        how: Any = {"tokenize": True, "return_dict": True, "return_assistant_tokens_mask": True}
        told, tools = with_tools(messages)
        how["chat_template"] = for_calls(str(tokenizer.chat_template), tokenizer.special_tokens_map).text
        fields: Any = tokenizer.apply_chat_template(told, tools=tools, **how)  # type: ignore[arg-type]
        if list(fields["input_ids"]) == ids:
            marked = zip(labels, fields["assistant_masks"], strict=True)
            labels = [label if mark else IGNORED for label, mark in marked]
    return TokenRow(ids, labels)


def preview(tokenizer: PreTrainedTokenizerBase, row: TokenRow) -> str:
    """Return a row as text in which what is trained stands between ⟦ and ⟧."""
    pairs = zip(row.input_ids, row.labels, strict=True)
    parts = []
    for ignored, run in groupby(pairs, key=lambda pair: pair[1] == IGNORED):
        text = tokenizer.decode([token for token, _ in run])
        parts.append(f"{text}" if ignored else f"⟦{text}⟧")
    return "".join(parts)
