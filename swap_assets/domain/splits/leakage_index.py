"""The fingerprints of all test rows, against which later data (production logs) are checked before anybody trains.

An index holds no text: hashes of each request, of its numbers and of its expected calls, and its MinHash signature, so
it can be kept and passed on where the rows themselves can't. Two requests are judged as `check_leakage` does, only that
128 permutations estimate the texts' similarity with a standard error of 0.035 near 0.8.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from pydantic import Field

from swap_assets.domain.model import Conversation, Frozen
from swap_assets.domain.splits.leakage import PERMUTATIONS, minhashes, minhashes_of
from swap_assets.domain.splits.similarity import NEAR_DUPLICATE, Request, Traits, boilerplate_of, judged


class Fingerprint(Frozen):
    """One test row: what decides beside its text, and MinHash signatures of it.

    `letters` is the signature of its letters, where it may be compared with a text of the other length by them.
    """

    conversation_id: str
    traits: Traits
    signature: tuple[int, ...] = Field(min_length=PERMUTATIONS, max_length=PERMUTATIONS)
    letters: tuple[int, ...] = ()


class LeakageIndex(Frozen):
    """All test rows of an experiment, and the hashes of what is boilerplate among them."""

    fingerprints: tuple[Fingerprint, ...] = ()
    boilerplate: frozenset[int] = frozenset()


class Repetition(Frozen):
    """A conversation that repeats a test row; `similarity` is 1.0 for the same request, else the estimate."""

    conversation_id: str
    test_id: str
    similarity: float


def build_index(test_rows: Iterable[Conversation], boilerplate: AbstractSet[int] | None = None) -> LeakageIndex:
    """Return the index of test rows, each once; `boilerplate` is the source's, None: that of these rows."""
    rows = list({row.id: row for row in test_rows}.values())
    shared = frozenset(boilerplate_of(rows) if boilerplate is None else boilerplate)
    return LeakageIndex(fingerprints=tuple(_fingerprints(rows, shared)), boilerplate=shared)


def repetitions(index: LeakageIndex, conversations: Sequence[Conversation]) -> list[Repetition]:
    """Return the conversations that repeat a test row word by word or nearly; they must not be trained on."""
    import numpy as np

    if not index.fingerprints or not conversations:
        return []
    known = np.array([entry.signature for entry in index.fingerprints], dtype=np.uint64)
    repeated = []
    for mine in _fingerprints(conversations, index.boilerplate):
        shares = (known == np.array(mine.signature, dtype=np.uint64)).mean(axis=1)
        score, test_id = max(
            (_alike(mine, entry, float(share)), entry.conversation_id)
            for entry, share in zip(index.fingerprints, shares, strict=True)
        )
        if score >= NEAR_DUPLICATE:
            repeated.append(Repetition(conversation_id=mine.conversation_id, test_id=test_id, similarity=score))
    return repeated


def _fingerprints(rows: Sequence[Conversation], boilerplate: AbstractSet[int]) -> Iterable[Fingerprint]:
    requests = [Request(row, boilerplate) for row in rows]
    letters = minhashes_of(request.letters if request.traits.near_long else frozenset() for request in requests)
    for request, minhash, spelt in zip(requests, minhashes(requests), letters, strict=True):
        yield Fingerprint(
            conversation_id=request.id,
            traits=request.traits,
            signature=tuple(map(int, minhash.hashvalues)),
            letters=tuple(map(int, spelt.hashvalues)) if request.traits.near_long else (),
        )


def _alike(one: Fingerprint, other: Fingerprint, text: float) -> float:
    if one.traits.is_long != other.traits.is_long:
        equal = sum(mine == its for mine, its in zip(one.letters, other.letters, strict=False))
        text = equal / PERMUTATIONS
    return judged(text, one.traits, other.traits)
