"""Which conversations belong together, and on which side of a split they may stand.

Rows that share a passage or a first request, that are near-duplicates, or that have the same row index in two files of
which one continues the other, form one group; a group stands on one side. On a held-out side a group is one row: the
same question asked twice is one piece of evidence, and intervals count rows as independent. A generated row goes
where its pool says. A row with repaired gold is trained on or left out, never tested on.

A seeded hash of the group's request says which groups are held out first and which are trained on first, so that
adding rows moves no old one to the other side, as long as each side finds enough of its own.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple

from swap_assets.domain.model import Conversation
from swap_assets.domain.splits.capabilities import has_repaired_gold
from swap_assets.domain.splits.leakage import near_duplicates
from swap_assets.domain.splits.similarity import Request
from swap_assets.domain.splits.strata import stable_order

Role = Literal["held_out", "validation", "train"]
_SINGLE = "singleturn"


class Group(NamedTuple):
    """Conversations that stand on one side together.

    `held_out` is the one row that may be tested on, "" where there is none; `trainable` are those that may be trained
    on; `first` is the side that has first claim to it, by the seeded hash.
    """

    rows: tuple[str, ...]
    held_out: str
    trainable: tuple[str, ...]
    first: Role


def groups_of(
    conversations: Sequence[Conversation],
    *,
    seed: int,
    never_trained_on: Collection[str] = (),
    boilerplate: AbstractSet[int] = frozenset(),
) -> list[Group]:
    """Return the conversations in their groups, in an order that does not depend on that of the rows.

    `boilerplate` is what requests are compared without, as `boilerplate_of` finds it.
    """
    by_id = {row.id: row for row in conversations}
    requests = {row.id: Request(row, boilerplate) for row in conversations}
    members: dict[str, list[str]] = defaultdict(list)
    joined = _Joined(by_id)
    for one, other in linked(conversations, requests):
        joined.join(one, other)
    for id_ in by_id:
        members[joined.root(id_)].append(id_)
    found = [
        _group([by_id[id_] for id_ in sorted(ids)], requests, seed=seed, never_trained_on=never_trained_on)
        for ids in members.values()
    ]
    return sorted(found, key=lambda group: group.rows)


def _group(
    rows: list[Conversation], requests: Mapping[str, Request], *, seed: int, never_trained_on: Collection[str]
) -> Group:
    testable = [row.id for row in rows if may_be_held_out(row)]
    trainable = tuple(row.id for row in rows if may_be_trained_on(row) and row.id not in never_trained_on)
    coin = stable_order(seed, "side", min(requests[row.id].key for row in rows))
    return Group(
        rows=tuple(row.id for row in rows),
        held_out=min(testable, key=lambda id_: stable_order(seed, "keep", id_), default=""),
        trainable=trainable,
        first="held_out" if testable and (coin < "8" or not trainable) else "train",
    )


def may_be_held_out(row: Conversation) -> bool:
    """Whether a row may be tested on: its gold is as written, and a generated one is of the test pool."""
    place = row.provenance
    return place.config == "test" if place.origin == "synthetic" else not has_repaired_gold(row)


def may_be_trained_on(row: Conversation) -> bool:
    """Whether a row may be trained or validated on: all but generated ones of the test pool."""
    return row.provenance.origin != "synthetic" or row.provenance.config != "test"


def linked(conversations: Sequence[Conversation], requests: Mapping[str, Request]) -> Iterable[tuple[str, str]]:
    """Yield pairs of ids that must not stand on two sides; who is linked through a third row is in its group too.

    Generated rows are linked where their request is the same; those of one phrasing are near-duplicates of each other
    by design, and the pools keep phrasings apart.
    """
    same: dict[str, list[str]] = defaultdict(list)
    for row in conversations:
        same[requests[row.id].key].append(row.id)
    for ids in same.values():
        yield from itertools.pairwise(ids)
    yield from _continued(conversations)
    yield from near_duplicates([requests[row.id] for row in conversations if row.provenance.origin != "synthetic"])


def _continued(conversations: Sequence[Conversation]) -> Iterable[tuple[str, str]]:
    """Yield the rows of a file with the rows that continue them in the file beside it, by their place in both.

    The hub's `func-calling.json` continues `func-calling-singleturn.json` row by row: their names are the same but for
    `singleturn`. Files of other names (`monday`, `tuesday`) have nothing to do with each other.
    """
    begun: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    places = [(row.id, *_place(row)) for row in conversations]
    for id_, single, place in places:
        if single:
            begun[place].append(id_)
    for id_, single, place in places:
        if not single:
            yield from ((one, id_) for one in begun.get(place, ()))


def _place(row: Conversation) -> tuple[bool, tuple[str, str, int]]:
    """Return whether a row is of a single-turn file, and what it shares with the row that continues it."""
    at = row.provenance
    name = "".join(sign for sign in at.config.casefold() if sign.isalnum())
    return _SINGLE in name, (at.source, name.replace(_SINGLE, ""), at.row)


class _Joined:
    """Disjoint sets of ids."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._above = {id_: id_ for id_ in ids}

    def root(self, id_: str) -> str:
        while self._above[id_] != id_:
            self._above[id_] = id_ = self._above[self._above[id_]]
        return id_

    def join(self, one: str, other: str) -> None:
        self._above[self.root(one)] = self.root(other)
