"""The fingerprints of all test rows, against which later data (production logs) are checked before anybody trains.

An index holds no text: a hash of each request and its MinHash signature, so it can be kept and passed on where the
rows themselves can't. A signature of 64 permutations estimates similarity with a standard error of 0.05 near 0.8.
"""

from collections.abc import Iterable, Sequence

from pydantic import Field

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.model import Frozen
from swap_assets.domain.splits.leakage import (
    NEAR_DUPLICATE,
    PERMUTATIONS,
    request_key,
    request_text,
    shingles,
    signatures,
)


class Fingerprint(Frozen):
    """One test row: its request's hash and MinHash signature."""

    conversation_id: str
    request_key: str
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
    rows = list({row.id: row for row in test_rows}.values())
    found = signatures(shingles(request_text(row)) for row in rows)
    return LeakageIndex(
        fingerprints=tuple(
            Fingerprint(conversation_id=row.id, request_key=request_key(row), signature=tuple(map(int, signature)))
            for row, signature in zip(rows, found, strict=True)
        )
    )


def repetitions(index: LeakageIndex, conversations: Sequence[Conversation]) -> list[Repetition]:
    """Return the conversations that repeat a test row word by word or nearly; they must not be trained on."""
    import numpy as np

    if not index.fingerprints or not conversations:
        return []
    known = np.array([entry.signature for entry in index.fingerprints], dtype=np.uint64)
    by_key = {entry.request_key: entry.conversation_id for entry in index.fingerprints}
    found = signatures(shingles(request_text(row)) for row in conversations)
    repeated = []
    for row, signature in zip(conversations, found, strict=True):
        shares = (known == signature).mean(axis=1)
        nearest = int(shares.argmax())
        if same := by_key.get(request_key(row)):
            repeated.append(Repetition(conversation_id=row.id, test_id=same, similarity=1.0))
        elif shares[nearest] >= NEAR_DUPLICATE:
            test_id = index.fingerprints[nearest].conversation_id
            repeated.append(Repetition(conversation_id=row.id, test_id=test_id, similarity=float(shares[nearest])))
    return repeated
