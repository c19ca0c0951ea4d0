"""How alike two requests are: whether one is the other said again, so that having trained on it tells the answer.

What is compared is the request: the passage of an extraction row, else all that the user says less the boilerplate that
many requests share. Long texts are compared by their word triples, short ones by their letters, four at a time, since
one changed word of seven leaves hardly a triple. Letters can't tell "500 USD to Euros" from "900 USD to Euros"; the
expected calls can (`spelled`): they make alike requests the same, or tell them apart. Figures are in docs/data.md.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import NamedTuple

from swap_assets.domain.model import Conversation, content_hash
from swap_assets.domain.splits.spelled import Called, called, short_hash, spellings_differ

NEAR_DUPLICATE = 0.8  # from which two requests count as the same
# The text similarity from which expected calls make two requests the same: equal ones, ones with a value in another
# spelling, ones with free words put otherwise.
SAID_AGAIN, _SPELLED_AGAIN, _PUT_OTHERWISE = 0.2, 0.4, 0.7
_DIFFERENT = 0.79  # the most that requests with other expected calls are alike
LONG_WORDS = 29  # from here on one changed word leaves four triples of five
_LETTERS = 4
_BOILERPLATE_SHARE, _BOILERPLATE_ROWS = 0.05, 10  # of the long requests: what more of them share is boilerplate
_SAMPLE = 400  # long requests that boilerplate is looked for in
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


def requests_in(conversations: Iterable[Conversation]) -> int:
    """Return how many different requests conversations have; what repeats one teaches less than another would."""
    return len(set(map(request_key, conversations)))


class Traits(NamedTuple):
    """What decides beside the texts' similarity whether two requests are the same; no text, but hashes.

    `key` is the request's (`request_key`), `gold` that of the expected calls in any spelling ("": none is expected),
    `numbers` that of the numbers in the text, sorted.
    """

    key: str
    words: int
    gold: str
    calls: tuple[Called, ...]
    numbers: str

    @property
    def is_long(self) -> bool:
        """Whether the text is compared by word triples."""
        return self.words >= LONG_WORDS

    @property
    def near_long(self) -> bool:
        """Whether the text may be compared by letters with one of the other length."""
        return abs(self.words - LONG_WORDS) <= LONG_WORDS // 4


class Request:
    """What is compared of a conversation, each part computed when it is first needed."""

    def __init__(self, conversation: Conversation, boilerplate: AbstractSet[int] = frozenset()) -> None:
        self.id = conversation.id
        self.key = request_key(conversation)
        self.text = request_text(conversation)
        self.boilerplate = frozenset[int]() if passage_of(conversation) else boilerplate
        self._calls = [call for turn in conversation.turns for call in turn.calls]

    @cached_property
    def words(self) -> list[str]:
        """The words, casefolded, without boilerplate; all of them where nothing else is left."""
        words = _WORD.findall(self.text.casefold())
        if not self.boilerplate or len(words) < LONG_WORDS:
            return words
        shared = {place for at, triple in enumerate(_triples(words)) if zlib.crc32(triple) in self.boilerplate
                  for place in range(at, at + 3)}  # fmt: skip
        return [word for at, word in enumerate(words) if at not in shared] or words

    @cached_property
    def shingles(self) -> frozenset[bytes]:
        """Word triples of a long text; of a short one every four letters in a row, blanks between words among them."""
        return frozenset(_triples(self.words)) if len(self.words) >= LONG_WORDS else self.letters

    @cached_property
    def letters(self) -> frozenset[bytes]:
        """Every four letters in a row, blanks between words among them."""
        text = f" {' '.join(self.words)} "
        found = {text[at : at + _LETTERS] for at in range(max(1, len(text) - _LETTERS + 1))}
        return frozenset(each.encode("utf-8", "surrogatepass") for each in found)

    @cached_property
    def traits(self) -> Traits:
        """What decides beside the text."""
        calls = called(self._calls)
        parts = [part for call in calls for part in (call.head, *(value.name for value in call.values))]
        return Traits(
            key=self.key, words=len(self.words), gold=short_hash(*parts) if parts else "", calls=calls,
            numbers=short_hash(*sorted(_NUMBER.findall(self.text))),
        )  # fmt: skip


def boilerplate_of(conversations: Iterable[Conversation]) -> frozenset[int]:
    """Return the hashes of word triples that too many different long requests share to tell them apart; of a sample."""
    asked = {request_key(row): row for row in conversations
             if not passage_of(row) and request_text(row).count(" ") >= LONG_WORDS - 1}  # fmt: skip
    sample = [set(_triples(_WORD.findall(request_text(asked[key]).casefold()))) for key in sorted(asked)[:_SAMPLE]]
    counts = Counter(triple for triples in sample for triple in triples)
    most = max(_BOILERPLATE_ROWS, _BOILERPLATE_SHARE * len(sample))
    return frozenset(zlib.crc32(triple) for triple, count in counts.items() if count >= most)


def _triples(words: Sequence[str]) -> Iterator[bytes]:
    return (" ".join(words[at : at + 3]).encode("utf-8", "surrogatepass") for at in range(len(words) - 2))


def similarity(one: AbstractSet[bytes], other: AbstractSet[bytes]) -> float:
    """Return the Jaccard index of two sets, 0 to 1."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def alike(one: Request, other: Request) -> float:
    """Return how alike two requests are, 0 to 1; from `NEAR_DUPLICATE` on one is the other said again."""
    if one.traits.is_long == other.traits.is_long:
        return judged(similarity(one.shingles, other.shingles), one.traits, other.traits)
    near = one.traits.near_long and other.traits.near_long
    return judged(similarity(one.letters, other.letters) if near else 0.0, one.traits, other.traits)


def judged(text: float, one: Traits, other: Traits) -> float:
    """Return the similarity of two requests from that of their texts, the Jaccard index of shingles, and the rest."""
    if one.key == other.key:
        return 1.0
    differ = 0 if one.gold == other.gold else spellings_differ(one.calls, other.calls)
    needed = SAID_AGAIN if one.gold == other.gold else _PUT_OTHERWISE if differ else _SPELLED_AGAIN
    if one.gold and differ is not None and text >= needed:
        return max(text, NEAR_DUPLICATE)
    text_decides = (one.is_long and other.is_long) or (not one.gold and not other.gold and one.numbers == other.numbers)
    return text if text_decides else min(text, _DIFFERENT)
