"""Which requests of many are alike, and whether anything of the held-out side stands on the training side.

How alike two requests are says `similarity`. Here the pairs worth comparing are found: by MinHash (datasketch, 128
permutations in 32 bands of 4, which find 98.8 % of pairs at a text similarity of 0.6 and all from 0.8 on), and by
their expected calls. Duplicates of real data are why: 73 extraction rows of the published sample share 45 passages.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import Field

from swap_assets.domain.model import Conversation, Frozen
from swap_assets.domain.splits.similarity import NEAR_DUPLICATE, Request, alike, boilerplate_of

PERMUTATIONS = 128  # standard error of an estimate near 0.8: 0.035
_BANDS = (32, 4)
_EXACT_PAIRS = 50  # closest pairs by estimate whose similarity is computed exactly
_MOST_OF_ONE_GOLD = 64  # requests with the same expected calls that are all compared with each other


class LeakageReport(Frozen):
    """The closest pair across the training and the held-out side, and whether that is too close."""

    threshold: float = NEAR_DUPLICATE
    same_request: int = Field(description="held-out conversations whose request stands word by word in training")
    closest_similarity: float = Field(description="how alike the two requests are, 0 to 1")
    closest_training: str = Field(default="", description="conversation id")
    closest_held_out: str = Field(default="", description="conversation id")
    closest_training_text: str = ""
    closest_held_out_text: str = ""
    compared: int = Field(description="pairs compared")

    @property
    def clean(self) -> bool:
        """Whether no request is on both sides and no pair reaches the threshold."""
        return self.same_request == 0 and self.closest_similarity < self.threshold


def near_duplicates(requests: Sequence[Request]) -> list[tuple[str, str]]:
    """Return the pairs of ids whose requests are alike; of several with one key the first stands for all."""
    first = list({request.key: request for request in reversed(requests)}.values())[::-1]
    return [
        (one.id, other.id)
        for one, other in candidate_pairs(first, minhashes(first))
        if alike(one, other) >= NEAR_DUPLICATE
    ]


def candidate_pairs(requests: Sequence[Request], hashed: Sequence[Any]) -> Iterator[tuple[Request, Request]]:
    """Yield the pairs that may be alike, each once, the earlier request first; `hashed` are their `minhashes`."""
    from datasketch import MinHashLSH

    indexes = {kind: MinHashLSH(num_perm=PERMUTATIONS, params=_BANDS) for kind in (True, False)}
    of_gold: dict[str, list[int]] = defaultdict(list)
    for at, (request, minhash) in enumerate(zip(requests, hashed, strict=True)):
        near: set[Any] = set(indexes[request.traits.is_long].query(minhash))
        gold = request.traits.gold
        if gold and len(of_gold[gold]) < _MOST_OF_ONE_GOLD:
            near.update(of_gold[gold])
            of_gold[gold].append(at)
        yield from ((requests[each], request) for each in sorted(near))
        indexes[request.traits.is_long].insert(at, minhash)


def minhashes(requests: Iterable[Request]) -> list[Any]:
    """Return the MinHash of each request's shingles; its `hashvalues` are an array of `PERMUTATIONS` integers."""
    return minhashes_of(request.shingles for request in requests)


def minhashes_of(shingles: Iterable[AbstractSet[bytes]]) -> list[Any]:
    """Return the MinHash of each set of shingles."""
    from datasketch import MinHash

    # CRC-32 is spread well enough for 128 permutations and a tenth of SHA-1's time.
    return list(MinHash.bulk(map(list, shingles), num_perm=PERMUTATIONS, seed=1, hashfunc=zlib.crc32))


def check_leakage(
    training: Sequence[Conversation], held_out: Sequence[Conversation], boilerplate: AbstractSet[int] | None = None
) -> LeakageReport:
    """Compare every held-out request with every training request.

    Args:
        training: what is trained and validated on.
        held_out: test and release rows.
        boilerplate: of the source, as `boilerplate_of` finds it; None: of these rows.
    """
    shared = boilerplate_of([*training, *held_out]) if boilerplate is None else boilerplate
    ours, theirs = [Request(row, shared) for row in training], [Request(row, shared) for row in held_out]
    keys = {request.key for request in ours}
    same = sum(request.key in keys for request in theirs)
    compared = len(ours) * len(theirs)
    if not compared:
        return LeakageReport(same_request=same, closest_similarity=0.0, compared=0)
    best, one, other = max(
        ((alike(one, other), one, other) for one, other in _closest(ours, theirs)), key=lambda found: found[0]
    )
    return LeakageReport(
        same_request=same, closest_similarity=round(best, 6), closest_training=one.id, closest_held_out=other.id,
        closest_training_text=one.text[:300], closest_held_out_text=other.text[:300], compared=compared,
    )  # fmt: skip


def _closest(ours: Sequence[Request], theirs: Sequence[Request]) -> Iterator[tuple[Request, Request]]:
    """Yield pairs (training, held-out) that may be alike: the candidates, and the nearest by estimate."""
    import numpy as np

    requests, hashed = [*ours, *theirs], minhashes([*ours, *theirs])
    trained, held = {id(request) for request in ours}, {id(request) for request in theirs}
    for one, other in candidate_pairs(requests, hashed):
        if id(one) in trained and id(other) in held:
            yield one, other
    left, found = np.array([each.hashvalues for each in hashed[: len(ours)]]), []
    for other, minhash in zip(theirs, hashed[len(ours) :], strict=True):
        equal = (left == minhash.hashvalues).sum(axis=1)
        nearest = int(equal.argmax())
        found.append((int(equal[nearest]), nearest, other))
    found.sort(key=lambda pair: -pair[0])
    yield from ((ours[nearest], other) for _, nearest, other in found[:_EXACT_PAIRS])
