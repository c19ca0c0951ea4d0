"""Lengths in tokens, by a model's own tokenizer, without torch or transformers."""

from collections.abc import Sequence
from pathlib import Path

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import render_messages
from swap_assets.domain.profile import LengthProfile, length_profile

# A chat template's own tokens around a message: role, beginning and end marks. Phi-4-mini has 3, Llama 3.1 has 5.
_TOKENS_PER_MESSAGE = 5
_BATCH = 1000


def token_lengths(
    tokenizer_file: Path,
    conversations: Sequence[Conversation],
    *,
    name: str,
    style: PromptStyle = PromptStyle.HERMES,
    limit: int | None = None,
) -> LengthProfile:
    """Measure whole conversations as they would be trained on, in tokens.

    The messages' text is counted exactly, the chat template's marks as 5 tokens a message.

    Args:
        tokenizer_file: a `tokenizer.json`.
        conversations: what to measure.
        name: the model's name, for the report.
        style: how its prompts describe tools.
        limit: the `max_length` of its training, in tokens.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    lengths: list[int] = []
    for start in range(0, len(conversations), _BATCH):
        rendered = [
            render_messages(row.tools, row.turns, answer_format=HERMES, style=style)
            for row in conversations[start : start + _BATCH]
        ]
        texts = ["\n".join(message["content"] for message in messages) for messages in rendered]
        encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        lengths += [
            len(tokens.ids) + _TOKENS_PER_MESSAGE * len(messages)
            for tokens, messages in zip(encoded, rendered, strict=True)
        ]
    return length_profile(name, lengths, unit="tokens", limit=limit)
