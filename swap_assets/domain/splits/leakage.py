"""How alike two requests are, and whether anything of the held-out side stands on the training side.

What is compared is the request: the passage of an extraction row, else all that the user says. Similarity is the
Jaccard index of word triples, estimated with MinHash (datasketch, 64 permutations) and computed exactly for the
closest pairs. Duplicates of real data are why: 73 extraction rows of the published sample share 45 passages.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.model import Frozen, content_hash

NEAR_DUPLICATE = 0.8  # Jaccard index of word triples from which two requests count as the same
PERMUTATIONS = 64  # standard error of an estimate near 0.8: 0.05
_CANDIDATES = 0.65  # LSH looks a little below the threshold, the exact index then decides
_EXACT_PAIRS = 50  # closest pairs by estimate whose index is computed exactly
_PASSAGE = re.compile(r"<passage>(.*?)(?:</passage>|$)", re.DOTALL)
_WORD = re.compile(r"\w+")


class LeakageReport(Frozen):
    """The closest pair across the training and the held-out side, and whether that is too close."""

    threshold: float = NEAR_DUPLICATE
    same_request: int = Field(description="held-out conversations whose request stands word by word in training")
    closest_similarity: float = Field(description="Jaccard index of word triples, 0 to 1")
    closest_training: str = Field(default="", description="conversation id")
    closest_held_out: str = Field(default="", description="conversation id")
    closest_training_text: str = ""
    closest_held_out_text: str = ""
    compared: int = Field(description="pairs compared")

    @property
    def clean(self) -> bool:
        """Whether no request is on both sides and no pair reaches the threshold."""
        return self.same_request == 0 and self.closest_similarity < self.threshold


def passage_of(conversation: Conversation) -> str:
    """Return the passage that an extraction request is about, "" for other requests."""
    for turn in conversation.turns:
        if turn.role == "user" and (match := _PASSAGE.search(turn.text)):
            return match.group(1).strip()
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


def shingles(text: str) -> frozenset[str]:
    """Return the word triples of a text; a shorter text is one shingle."""
    words = _WORD.findall(text.casefold())
    if len(words) < 3:
        return frozenset([" ".join(words)])
    return frozenset(" ".join(words[index : index + 3]) for index in range(len(words) - 2))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard index of two sets, 0 to 1."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def near_duplicates(conversations: Sequence[Conversation]) -> list[tuple[str, str]]:
    """Return the pairs of ids whose requests reach `NEAR_DUPLICATE`, by MinHash LSH and then exactly."""
    from datasketch import MinHashLSH

    if len(conversations) < 2:
        return []
    sets = {conversation.id: shingles(request_text(conversation)) for conversation in conversations}
    index = MinHashLSH(threshold=_CANDIDATES, num_perm=PERMUTATIONS)
    pairs = []
    for key, signature in zip(sets, _minhashes(sets.values()), strict=True):
        found = [str(other) for other in index.query(signature)]
        pairs += [(other, key) for other in sorted(found) if similarity(sets[other], sets[key]) >= NEAR_DUPLICATE]
        index.insert(key, signature)
    return pairs


def signatures(sets: Iterable[frozenset[str]]) -> list[Any]:
    """Return the MinHash signatures, arrays of `PERMUTATIONS` integers."""
    return [minhash.hashvalues for minhash in _minhashes(sets)]


def _minhashes(sets: Iterable[frozenset[str]]) -> list[Any]:
    from datasketch import MinHash

    encoded = [[shingle.encode("utf-8", "surrogatepass") for shingle in sorted(shingled)] for shingled in sets]
    return list(MinHash.bulk(encoded, num_perm=PERMUTATIONS, seed=1))


def check_leakage(training: Sequence[Conversation], held_out: Sequence[Conversation]) -> LeakageReport:
    """Compare every held-out request with every training request.

    Args:
        training: what is trained and validated on.
        held_out: test and release rows.
    """
    keys = {request_key(conversation) for conversation in training}
    same = sum(request_key(conversation) in keys for conversation in held_out)
    compared = len(training) * len(held_out)
    if not compared:
        return LeakageReport(same_request=same, closest_similarity=0.0, compared=0)
    trained = [shingles(request_text(conversation)) for conversation in training]
    held = [shingles(request_text(conversation)) for conversation in held_out]
    best = max(
        ((similarity(trained[left], held[right]), left, right) for left, right in _closest_by_estimate(trained, held)),
        key=lambda found: found[0],
    )
    return LeakageReport(
        same_request=same,
        closest_similarity=round(best[0], 6),
        closest_training=training[best[1]].id,
        closest_held_out=held_out[best[2]].id,
        closest_training_text=request_text(training[best[1]])[:300],
        closest_held_out_text=request_text(held_out[best[2]])[:300],
        compared=compared,
    )


def _closest_by_estimate(trained: Sequence[frozenset[str]], held: Sequence[frozenset[str]]) -> list[tuple[int, int]]:
    """Return index pairs (training, held-out) with the highest estimated similarity, the best per held-out row."""
    import numpy as np

    left = np.array(signatures(trained))
    found = []
    for index, signature in enumerate(signatures(held)):
        equal = (left == signature).sum(axis=1)
        nearest = int(equal.argmax())
        found.append((-int(equal[nearest]), nearest, index))
    return [(nearest, index) for _, nearest, index in sorted(found)[:_EXACT_PAIRS]]
