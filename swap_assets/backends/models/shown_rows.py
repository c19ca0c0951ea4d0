"""What a model would be trained on, shown before anything but its tokenizer is loaded.

The first row of every kind is rendered in every answer format of the experiment by the very functions that training
uses, so what a template or a tokenizer makes impossible is refused here, with the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swap_assets.backends.hub.access import cached_folder
from swap_assets.backends.methods.data import MaskError, TokenRow, preview, rendered, token_rows
from swap_assets.backends.models.chat_template import TemplateError, ends_of_turn
from swap_assets.backends.models.local_model import ModelUnavailableError, TokenizerError, load_tokenizer
from swap_assets.backends.models.provenance import Finding
from swap_assets.backends.models.turn_tokens import untrained_in_folder
from swap_assets.backends.processes.spec_building import base_weights
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.model import Conversation
from swap_assets.domain.tracks import TrainingExample, structured_track, toolcall_track

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def row_findings(key: str, experiment: Experiment, conversations: Sequence[Conversation]) -> list[Finding]:
    """Render a model's rows and look at its turn tokens; nothing where its tokenizer can't be had, which others say."""
    weights = base_weights(experiment, key)
    try:
        tokenizer = load_tokenizer(weights)
        ends = ends_of_turn(tokenizer)
    except (ModelUnavailableError, TokenizerError):
        return []
    except TemplateError as error:
        return [Finding(f"{key}: rows", "fail", str(error))]
    approaches = experiment.approaches.values()
    formats = {each: None for one in approaches for each in one.adapters.values()}
    formats |= {experiment.baseline_format(key, track): None for track in Track}
    style, system = experiment.small_model(key).prompt_style, experiment.prompt.system
    found = []
    for answer_format in formats:
        lines, shown, what = list[str](), list[str](), f"{key}: rows as {answer_format.name}"
        for kind, example in first_of_each_kind(_examples(conversations, answer_format)).items():
            try:
                rows = token_rows(tokenizer, rendered([example], answer_format, style, system)[0], ends)
            except (MaskError, TemplateError) as error:
                told = f"row {example.conversation_id} ({kind}) cannot be trained: {error}"
                found.append(Finding(what, "fail", told))
                break
            lines.append(f"{kind} {_size(rows)}")
            shown += [f"{what}, {kind}:\n{preview(tokenizer, row)}" for row in rows]
        else:
            told = f"{'; '.join(lines) or 'none'}; an answer ends with {tokenizer.convert_ids_to_tokens(ends[0])!r}"
            found.append(Finding(what, "ok", told, "\n\n".join(shown)))
    return [*found, *_untrained(key, experiment, tokenizer)]


def _size(rows: Sequence[TokenRow]) -> str:
    tokens, trained = sum(len(row.input_ids) for row in rows), sum(row.trained for row in rows)
    several = f" in {len(rows)} token rows" if len(rows) > 1 else ""
    return f"{tokens:,} tokens, {trained:,} trained{several}"


def _examples(conversations: Sequence[Conversation], answer_format: AnswerFormat) -> Iterable[TrainingExample]:
    if answer_format.track is Track.TOOLCALL:
        return toolcall_track(conversations, answer_format)
    return (row.model_copy(update={"answer_format": answer_format}) for row in structured_track(conversations))


def first_of_each_kind(examples: Iterable[TrainingExample]) -> dict[str, TrainingExample]:
    """Return the first example of every kind that a template may treat in its own way, by the kind in words."""
    found: dict[str, TrainingExample] = {}
    for example in examples:
        found.setdefault(", ".join(_kind(example)), example)
    return found


def _kind(example: TrainingExample) -> Iterator[str]:
    calls = max(len(turn.calls) for turn in example.turns)
    yield ("no call", "one call", "parallel calls")[min(calls, 2)]
    if any(turn.role == "tool" for turn in example.turns):
        yield "with responses"
    if sum(turn.role == "user" for turn in example.turns) > 1:
        yield "several requests"
    if example.system:
        yield "own system text"


def _untrained(key: str, experiment: Experiment, tokenizer: PreTrainedTokenizerBase) -> Iterator[Finding]:
    entry, weights = experiment.small_model(key), base_weights(experiment, key)
    folder = cached_folder(weights.source, weights.revision) if entry.hub_id else Path(weights.source)
    found = untrained_in_folder(folder, tokenizer) if folder else None
    if not found or not (names := found.names(tokenizer)):
        return
    told = f"no text has trained {', '.join(names)}; answers of the untouched base do not end"
    if entry.engine.kind == "vllm":
        advice = f"which vLLM cannot lay over a base: take vllm out of models.{key}"
        yield Finding(f"{key}: turn tokens", "fail", f"{told}, and training needs embeddings of its own, {advice}")
    else:
        yield Finding(f"{key}: turn tokens", "warn", f"{told}; training makes their embeddings trainable")
