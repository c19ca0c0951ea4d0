"""The rows of the training benchmark, as long as those of Hermes func_calling_singleturn, and a tokenizer for them.

Synthetic ones by default: eight tools beside the called ones make them 3.4 thousand characters in the median and 5.2
thousand in the 95th percentile, 5.6 % of it the assistant's (real call rows: 3.6, 5.4, 11 %). Two in five get a passage
of 11 thousand characters before the question, as Hermes' extraction rows have one; none of those fits in 2,048 tokens.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from swap_assets.backends.methods.data import TokenRow, rendered, tokenise
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import Message
from swap_assets.domain.model import Conversation, Turn
from swap_assets.domain.tracks import TrackData, toolcall_track

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

POOL = 400  # conversations on which the tokenizer is trained
ROWS_FILE = "rows.json"
_LONG_SHARE, _PASSAGE = 0.4, 11_000  # characters
# With the marks that trl's own masking needs.
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}{% else %}{{ m['content'] + '<|im_end|>\\n' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_REAL = "hermes/func_calling_singleturn.current_shape.jsonl"


class NotEnoughRowsError(ValueError):
    """There are fewer rows than the steps need; the message is one sentence."""


class Lengths(NamedTuple):
    """What the rows are like."""

    read: int
    used: int
    tokens: int
    trained: int
    characters_a_token: float
    assistant_share: float
    lost: dict[int, int]  # by cap in tokens
    cut: dict[int, int]


def synthetic_rows(count: int = POOL, *, seed: int = 7) -> list[Conversation]:
    """Return generated conversations of Hermes' lengths; the same seed gives the same ones."""
    from swap_assets.domain.synthetic.generator import GeneratorSettings, generate

    plain = list(generate(GeneratorSettings(seed=seed, rows=count, max_distractors=8)))
    draw = random.Random(seed)
    sentences = [turn.text for row in plain for turn in row.turns if turn.role == "user"]
    return [_with_passage(row, sentences, draw) if draw.random() < _LONG_SHARE else row for row in plain]


def _with_passage(row: Conversation, sentences: Sequence[str], draw: random.Random) -> Conversation:
    passage: list[str] = []
    while sum(map(len, passage)) < _PASSAGE:
        passage.append(draw.choice(sentences))
    first, *others = row.turns
    longer = Turn(role="user", text=" ".join(passage) + "\n\n" + first.text)
    return row.model_copy(update={"turns": (longer, *others)})


def real_rows(folder: Path) -> list[Conversation]:
    """Return the real Hermes rows that a folder of real data holds, in their order."""
    from swap_assets.backends.datasets.loading import load_source
    from swap_assets.domain.experiment.sources import LocalSource

    return list(load_source(LocalSource(path=str(folder / _REAL))).conversations)


def prepare(
    rows: Sequence[Conversation], folder: Path, *, vocabulary: int, used: int, caps: tuple[int, int]
) -> Lengths:
    """Write a tokenizer and the first rows of which `used` keep trained tokens, and say what they are like.

    Args:
        rows: Conversations; all of them train the tokenizer.
        folder: Where the files go.
        vocabulary: Entries of the tokenizer at most.
        used: How many of the rows must have trained tokens within the first cap.
        caps: Tokens of a row at most: the benchmark's, and one that losses are counted for beside it.

    Raises:
        NotEnoughRowsError: too few rows fit; the message says how many do.
    """
    examples = toolcall_track(rows, HERMES)
    conversations = rendered(examples, HERMES, PromptStyle.HERMES)
    tokenizer = train_tokenizer((m["content"] for row in conversations for m in row), vocabulary)
    tokenizer.save_pretrained(folder)
    whole, _ = tokenise(tokenizer, conversations, max_length=1_000_000)
    keeping = [index for index, row in enumerate(whole) if _cut(row, caps[0]).trained]
    if len(keeping) < used:
        raise NotEnoughRowsError(
            f"{len(keeping)} of {len(whole)} rows fit in {caps[0]} tokens, {used} are needed: fewer steps"
        )
    needed = keeping[used - 1] + 1
    data = TrackData(train=tuple(examples[:needed]), validation=())
    (folder / ROWS_FILE).write_text(data.model_dump_json(), encoding="utf-8")
    return _lengths(whole[:needed], conversations[:needed], caps)


def _cut(row: TokenRow, cap: int) -> TokenRow:
    return TokenRow(row.input_ids[:cap], row.labels[:cap])


def _lengths(whole: Sequence[TokenRow], conversations: Sequence[list[Message]], caps: tuple[int, int]) -> Lengths:
    cap = caps[0]
    used = [short for row in whole if (short := _cut(row, cap)).trained]
    uncut = [(row, said) for row, said in zip(whole, conversations, strict=True) if len(row.input_ids) <= cap]
    messages = [message for _, said in uncut for message in said]
    characters = sum(len(message["content"]) for message in messages)
    return Lengths(
        read=len(whole),
        used=len(used),
        tokens=sum(len(row.input_ids) for row in used),
        trained=sum(row.trained for row in used),
        characters_a_token=characters / sum(len(row.input_ids) for row, _ in uncut),
        assistant_share=sum(len(m["content"]) for m in messages if m["role"] == "assistant") / characters,
        lost={limit: sum(not _cut(row, limit).trained for row in whole) for limit in caps},
        cut={limit: sum(len(row.input_ids) > limit for row in whole) for limit in caps},
    )


def train_tokenizer(texts: Iterator[str], vocabulary: int) -> PreTrainedTokenizerBase:
    """Return a byte-level BPE trained on texts, of at most `vocabulary` entries, with ChatML as its chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=_SPECIALS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>", clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = CHATML
    return tokenizer
