"""Turn tokens that no text has trained: found by their embeddings, which lie where those of unused tokens lie.

A base model's tokenizer has the turn tokens of its chat version, which pre-training never showed it. LoRA on linear
maps cannot lift such a row, so an answer that is right does not end. Unused tokens are those that say so by name, and
rows beyond the vocabulary; that untrained rows lie together is from Land and Bartolo (2024, "Fishing for Magikarp").
Training makes such rows trainable (`methods.trainer`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.backends.models.chat_template import end_of_turn, prompt_tokens, render

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    Rows = Callable[[Sequence[int]], torch.Tensor]

_UNUSED = re.compile(r"unused|reserved|place.?holder|dummy|extra_id", re.IGNORECASE)
_ENOUGH, _SAMPLE = 8, 256  # unused tokens, and those that are looked at
_ALIKE = 0.9
_TALK = [{"role": role, "content": "a"} for role in ("user", "assistant", "user")]
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")
_HEADS = ("lm_head.weight", "embed_out.weight")


class Untrained(NamedTuple):
    """Tokens with untrained rows, by id, each with its likeness to unused ones: in what is read, and what is said."""

    read: dict[int, float]
    said: dict[int, float]

    def names(self, tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
        """Name them with their likeness: `<end_of_turn> (0.99)`."""
        found = sorted((self.read | self.said).items())
        return tuple(f"{tokenizer.convert_ids_to_tokens(token)} ({like:.2f})" for token, like in found)


def special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Return a tokenizer's special tokens."""
    return {token for token, known in tokenizer.added_tokens_decoder.items() if known.special}


def turn_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the special tokens that the template writes around turns, in order of their ids."""
    text = render(str(tokenizer.chat_template), tokenizer.special_tokens_map, _TALK, ask=True)
    return sorted(special_ids(tokenizer).intersection(prompt_tokens(tokenizer, text)) | {end_of_turn(tokenizer)})


def untrained_of(tokenizer: PreTrainedTokenizerBase, count: int, embedding: Rows, head: Rows | None) -> Untrained:
    """Find untrained turn tokens among `count` rows of the embedding, and of the output head where it is not tied.

    Of the head only the token that ends an answer matters. Nothing is found where too few tokens are known as unused.
    """
    found = like_unused(tokenizer, turn_tokens(tokenizer), count, embedding)
    return Untrained(found, like_unused(tokenizer, [end_of_turn(tokenizer)], count, head) if head else found)


def like_unused(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], count: int, rows: Rows) -> dict[int, float]:
    """Return the tokens whose rows are alike the mean of unused ones: the cosine, where all rows are equally long.

    1 - d² / 2, d the distance in lengths of an ordinary row, so that rows of zeros are alike, too.
    """
    known = tokenizer.get_vocab()
    unused = sorted({token for name, token in known.items() if token < count and _UNUSED.search(name)})
    unused = [*(token for token in unused if token not in tokens), *range(max(known.values()) + 1, count)]
    if len(unused) < _ENOUGH:
        return {}
    mean, ordinary = rows(_spread(unused)).float().mean(dim=0), rows(_spread(range(count))).float()
    looked_at = [token for token in tokens if token < count]
    distance = (rows(looked_at).float() - mean).norm(dim=1) / ordinary.norm(dim=1).median()
    likeness = zip(looked_at, (1 - distance**2 / 2).tolist(), strict=True)
    return {token: like for token, like in likeness if like >= _ALIKE}


def _spread(tokens: Sequence[int]) -> list[int]:
    return list(tokens[:: -(-len(tokens) // _SAMPLE)])


def untrained_in_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Untrained:
    """Find untrained turn tokens of a loaded model."""
    parts: Any = model.get_input_embeddings(), model.get_output_embeddings()
    inner, outer = (part.weight for part in parts)
    head: Any = None if outer is inner else lambda ids: outer[list(ids)].detach()
    return untrained_of(tokenizer, len(inner), lambda ids: inner[list(ids)].detach(), head)


def learnt_ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end a text by the model's own settings or its tokenizer and that texts have trained."""
    rows: Any = model.get_output_embeddings()
    weight, said = rows.weight, (model.generation_config, model.config, tokenizer)
    listed = [getattr(one, "eos_token_id", None) for one in said]  # Gemma's tokenizer names the turn's end here
    flat = [token for ids in listed for token in (ids if isinstance(ids, list) else [ids]) if token is not None]
    alike = like_unused(tokenizer, flat, len(weight), lambda ids: weight[list(ids)].detach())
    return [token for token in flat if token not in alike]


def untrained_in_folder(folder: Path, tokenizer: PreTrainedTokenizerBase) -> Untrained | None:
    """Find untrained turn tokens by the stored weights, of which few rows are read; None where that can't be."""
    import torch
    from safetensors import safe_open

    tensors: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        stored = safe_open(path, framework="pt")
        tensors |= {name: stored.get_slice(name) for name in stored.keys() if name.endswith((*_EMBEDDINGS, *_HEADS))}  # noqa: SIM118 - no mapping

    def rows(ends: tuple[str, ...]) -> tuple[int, Rows] | None:
        found = next((tensor for name, tensor in tensors.items() if name.endswith(ends)), None)
        if found is None:
            return None
        return found.get_shape()[0], lambda ids: torch.cat([found[token : token + 1] for token in ids])

    embedding, head = rows(_EMBEDDINGS), rows(_HEADS)
    return untrained_of(tokenizer, *embedding, head[1] if head else None) if embedding else None
