"""The fingerprints of all test rows, against which later data (production logs) are checked before anybody trains.

An index holds no text: hashes of each request, of its numbers and of its expected calls, and its MinHash signature, so
it can be kept and passed on where the rows themselves can't. 128 permutations estimate the texts' similarity with a
standard error of 0.035 near 0.8.
"""

from collections.abc import Iterable, Sequence

from pydantic import Field

from swap_assets.domain.model import Conversation, Frozen, content_hash
from swap_assets.domain.splits.leakage import PERMUTATIONS, minhashes
from swap_assets.domain.splits.similarity import NEAR_DUPLICATE, Request, judged


class Fingerprint(Frozen):
    """One test row: hashes of its request, numbers and expected calls ("" for none), and its MinHash signature."""

    conversation_id: str
    request_key: str
    is_long: bool
    gold: str
    numbers: str
    signature: tuple[int, ...] = Field(min_length=PERMUTATIONS, max_length=PERMUTATIONS)


class LeakageIndex(Frozen):
    """All test rows of an experiment."""

    fingerprints: tuple[Fingerprint, ...] = ()


class Repetition(Frozen):
    """A conversation that repeats a test row; `similarity` is 1.0 for the same request, else the estimate."""

    conversation_id: str
    test_id: str
    similarity: float


def build_index(test_rows: Iterable[Conversation]) -> LeakageIndex:
    """Return the index of test rows, each once."""
    return LeakageIndex(fingerprints=tuple(_fingerprints({row.id: row for row in test_rows}.values())))


def repetitions(index: LeakageIndex, conversations: Sequence[Conversation]) -> list[Repetition]:
    """Return the conversations that repeat a test row word by word or nearly; they must not be trained on."""
    import numpy as np

    if not index.fingerprints or not conversations:
        return []
    known = np.array([entry.signature for entry in index.fingerprints], dtype=np.uint64)
    by_key = {entry.request_key: entry.conversation_id for entry in index.fingerprints}
    repeated = []
    for mine in _fingerprints(conversations):
        if same := by_key.get(mine.request_key):
            repeated.append(Repetition(conversation_id=mine.conversation_id, test_id=same, similarity=1.0))
            continue
        shares = (known == np.array(mine.signature, dtype=np.uint64)).mean(axis=1)
        score, test_id = max(
            (_alike(mine, entry, float(share)), entry.conversation_id)
            for entry, share in zip(index.fingerprints, shares, strict=True)
        )
        if score >= NEAR_DUPLICATE:
            repeated.append(Repetition(conversation_id=mine.conversation_id, test_id=test_id, similarity=score))
    return repeated


def _fingerprints(rows: Iterable[Conversation]) -> Iterable[Fingerprint]:
    requests = [Request(row) for row in rows]
    for request, minhash in zip(requests, minhashes(requests), strict=True):
        yield Fingerprint(
            conversation_id=request.id,
            request_key=request.key,
            is_long=request.is_long,
            gold=request.gold,
            numbers=content_hash(request.numbers),
            signature=tuple(map(int, minhash.hashvalues)),
        )


def _alike(one: Fingerprint, other: Fingerprint, text: float) -> float:
    if one.is_long != other.is_long:
        return 0.0
    return judged(
        text,
        same_gold=bool(one.gold) and one.gold == other.gold,
        nearly_same_gold=False,  # the calls themselves are not in the index
        text_decides=one.is_long or (not one.gold and not other.gold and one.numbers == other.numbers),
    )
