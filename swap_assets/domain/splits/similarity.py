"""How alike two requests are: whether one is the other said again, so that having trained on it tells the answer.

What is compared is the request: the passage of an extraction row, else all that the user says. Long texts are compared
by their word triples, short ones by their letters, four at a time, since one changed word of seven leaves hardly a
triple. Letters alone can't tell "500 USD to Euros" from "900 USD to Euros"; the expected calls can: they make alike
requests the same, or tell them apart. Recall and precision on labelled pairs are in docs/data.md.
"""

import difflib
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from swap_assets.domain.model import Conversation, ToolCall, content_hash

NEAR_DUPLICATE = 0.8  # from which two requests count as the same
SAID_AGAIN = 0.2  # text similarity from which the same expected calls make two requests the same
_NEARLY_SAID_AGAIN = 0.5  # the same for calls that differ in how a value is written
_DIFFERENT = 0.79  # the most that requests with other expected calls are alike
_ALIKE_VALUES = 0.7  # difflib's ratio from which two texts are one value written in two ways: "Euros" and "EUR"
LONG_WORDS = 29  # from here on one changed word leaves four triples of five
_LETTERS = 4
_OPENING, _CLOSING = "<passage>", "</passage>"
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")


def passage_of(conversation: Conversation) -> str:
    """Return the passage that an extraction request is about, "" for other requests."""
    for turn in conversation.turns:
        if turn.role == "user" and _OPENING in turn.text:
            return turn.text.partition(_OPENING)[2].partition(_CLOSING)[0].strip()
    return ""


def request_text(conversation: Conversation) -> str:
    """Return what is compared: the passage, else everything that the user says."""
    return passage_of(conversation) or "\n".join(turn.text for turn in conversation.turns if turn.role == "user")


def request_key(conversation: Conversation) -> str:
    """Return a hash that conversations share when their passage, else their first request, is the same.

    Capitals and blanks do not count. A `func_calling` row has the key of the singleturn row that it continues.
    """
    first = next((turn.text for turn in conversation.turns if turn.role == "user"), "")
    return content_hash(" ".join((passage_of(conversation) or first).casefold().split()))


class Request:
    """What is compared of a conversation, each part computed when it is first needed."""

    def __init__(self, conversation: Conversation) -> None:
        self.id = conversation.id
        self.key = request_key(conversation)
        self.text = request_text(conversation)
        self.calls = tuple(call for turn in conversation.turns for call in turn.calls)

    @cached_property
    def words(self) -> list[str]:
        """The words, casefolded."""
        return _WORD.findall(self.text.casefold())

    @property
    def is_long(self) -> bool:
        """Whether the text is compared by word triples."""
        return len(self.words) >= LONG_WORDS

    @cached_property
    def shingles(self) -> frozenset[str]:
        """Word triples of a long text; of a short one every four letters in a row, blanks between words among them."""
        if self.is_long:
            return frozenset(" ".join(self.words[at : at + 3]) for at in range(len(self.words) - 2))
        return self.letters

    @cached_property
    def letters(self) -> frozenset[str]:
        """Every four letters in a row, blanks between words among them."""
        text = f" {' '.join(self.words)} "
        return frozenset(text[at : at + _LETTERS] for at in range(max(1, len(text) - _LETTERS + 1)))

    @cached_property
    def gold(self) -> str:
        """A hash of the expected calls, "" where none is expected."""
        return content_hash(sorted(call.key().casefold() for call in self.calls)) if self.calls else ""

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numbers in the text, sorted."""
        return tuple(sorted(_NUMBER.findall(self.text)))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard index of two sets, 0 to 1."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def alike(one: Request, other: Request) -> float:
    """Return how alike two requests are, 0 to 1; from `NEAR_DUPLICATE` on one is the other said again."""
    if one.key == other.key:
        return 1.0
    if one.is_long != other.is_long and not _nearly_as_long(one, other):
        return 0.0
    same_kind = one.is_long == other.is_long
    text = similarity(one.shingles, other.shingles) if same_kind else similarity(one.letters, other.letters)
    return judged(
        text,
        same_gold=bool(one.gold) and one.gold == other.gold,
        nearly_same_gold=bool(one.gold and other.gold) and _values_alike(one.calls, other.calls),
        text_decides=(one.is_long and other.is_long)
        or (not one.gold and not other.gold and one.numbers == other.numbers),
    )


def judged(text: float, *, same_gold: bool, nearly_same_gold: bool, text_decides: bool) -> float:
    """Return the similarity of two requests from that of their texts and what is expected of them.

    Args:
        text: the Jaccard index of their shingles.
        same_gold: the same calls are expected.
        nearly_same_gold: they differ only in how a value is written.
        text_decides: nothing but the text tells them apart, or it is long enough to do so.
    """
    if (same_gold and text >= SAID_AGAIN) or (nearly_same_gold and text >= _NEARLY_SAID_AGAIN):
        return max(text, NEAR_DUPLICATE)
    return text if text_decides else min(text, _DIFFERENT)


def _nearly_as_long(one: Request, other: Request) -> bool:
    """Whether two texts lie on the two sides of `LONG_WORDS` so near that one may be the other."""
    return abs(len(one.words) - len(other.words)) <= LONG_WORDS // 4


def _values_alike(ours: Iterable[ToolCall], theirs: Iterable[ToolCall]) -> bool:
    """Whether two lists of calls are the same but for how values are written."""
    ours, theirs = sorted(ours, key=ToolCall.key), sorted(theirs, key=ToolCall.key)
    return len(ours) == len(theirs) and all(
        one.name == other.name
        and one.arguments.keys() == other.arguments.keys()
        and all(_value_alike(value, other.arguments[name]) for name, value in one.arguments.items())
        for one, other in zip(ours, theirs, strict=True)
    )


def _value_alike(one: Any, other: Any) -> bool:
    if one == other:
        return True
    left, right = str(one).casefold(), str(other).casefold()
    if _NUMBER.findall(left) != _NUMBER.findall(right):
        return False
    return difflib.SequenceMatcher(None, left, right).ratio() >= _ALIKE_VALUES
