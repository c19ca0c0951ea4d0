"""The rows of one training: read, rendered, tokenised, counted and hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swap_assets.backends.methods.masking import TokenRow, preview, tokenise
from swap_assets.backends.methods.rows import read_conversations
from swap_assets.backends.models import provenance
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import RowCounts, TrainSpec
from swap_assets.domain.formats.prompts import prompt_hash
from swap_assets.domain.model import content_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TrainingData:
    """The tokenised rows of a training and what became of them.

    Raises:
        MaskError: rows without trained tokens. ExamplesError: the file of examples is missing, empty or malformed.
    """

    def __init__(self, spec: TrainSpec, tokenizer: PreTrainedTokenizerBase) -> None:
        length = spec.training.max_length
        conversations = read_conversations(spec.train_file, spec.answer_format, spec.prompt_style)
        self.train, self.train_counts = tokenise(tokenizer, conversations, max_length=length)
        self.validation: list[TokenRow] = []
        self.validation_counts: RowCounts | None = None
        held_out = []
        if spec.validation_file:
            held_out = read_conversations(spec.validation_file, spec.answer_format, spec.prompt_style)
            self.validation, self.validation_counts = tokenise(tokenizer, held_out, max_length=length)
        self.preview = preview(tokenizer, self.train[0])
        template = str(tokenizer.chat_template)
        self.hashes = {
            "dataset_hash": content_hash(conversations),
            "validation_hash": content_hash(held_out),
            "prompt_hash": prompt_hash(spec.answer_format, spec.prompt_style, chat_template=template),
            "base_hash": provenance.weights_hash(spec.weights.source, spec.weights.revision),
        }

    @property
    def longest(self) -> int:
        """Tokens of the longest row after cutting."""
        return max(len(row.input_ids) for row in (*self.train, *self.validation))

    @property
    def most_trained(self) -> int:
        """The most tokens of one row that carry loss."""
        return max(row.trained for row in (*self.train, *self.validation))

    def report(self, reporter: Reporter) -> None:
        """Say how many rows train and what `max_length` took from them."""
        for name, counts in (("training", self.train_counts), ("validation", self.validation_counts)):
            if counts:
                reporter.line(
                    f"{name}: {counts.used} of {counts.read} rows, {counts.tokens} tokens of which "
                    f"{counts.trained_tokens} are trained; {counts.cut} rows cut and {counts.lost} lost by max_length"
                )
