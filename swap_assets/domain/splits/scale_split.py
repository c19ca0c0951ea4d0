"""Exact splits that nest and do not leak: which conversations are trained on, validated on, tested on, and sealed.

Rows are given out in the order of what they are needed for: the sealed release test first, then scale by scale, from
the smallest to the largest, test, validation and training rows. What a scale has is never taken from it: a larger
scale keeps the rows of the smaller one and takes further ones of what is free, so that adding a scale moves no row.
Every choice mirrors the mix of the whole source (`strata`), and takes groups whole (`sides`).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pydantic import Field

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.experiment.sources import SplitSizes
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.splits.capabilities import has_repaired_gold
from swap_assets.domain.splits.leakage import LeakageReport, check_leakage
from swap_assets.domain.splits.sides import Group, Side, groups_of
from swap_assets.domain.splits.strata import Stratum, grow, in_stable_order, stratum

_PARTS: tuple[tuple[str, Side], ...] = (("test", "held_out"), ("validation", "validation"), ("train", "train"))


class TooFewRowsError(ValueError):
    """There are not enough rows for the sizes; the message has the numbers and what to change."""


class DatasetSplit(Frozen):
    """The split of one scale, as conversation ids in a stable shuffled order."""

    scale: str
    seed: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    release: tuple[str, ...] = Field(description="sealed; read by release_decision alone")
    reserve: tuple[str, ...] = Field(description="held-out rows beyond `test`, which test splits may draw on")
    set_aside: tuple[str, ...] = Field(description="rows that repeat a held-out one; used nowhere")
    moved: int = Field(description="groups that were to be held out and had to be trained on, for want of others")
    cut: int = Field(default=0, description="training rows whose answers would be cut, as estimated")
    leakage: LeakageReport
    content_hash: str

    @property
    def cut_share(self) -> float:
        """The share of the training rows that `cut` counts, 0 to 1."""
        return self.cut / len(self.train)


def split_scale(
    conversations: Sequence[Conversation],
    *,
    scale: str,
    scales: Mapping[str, SplitSizes],
    release_test: int,
    seed: int,
    teaching: Collection[str] | None = None,
) -> DatasetSplit:
    """Split for one scale; the sizes of all scales matter, and the sealed `release_test` is the same for all.

    Args:
        conversations: every conversation of the source, each id once.
        scale: the scale to split for, one of `scales`.
        scales: sizes by name.
        release_test: how many conversations are sealed.
        seed: of every draw.
        teaching: ids of the rows whose answers fit the training's length, which are trained on first; None: all do.

    Raises:
        TooFewRowsError: a part can't be filled; the message has the numbers.
    """
    by_id = {row.id: row for row in conversations}
    hand = _Hand(by_id, groups_of(conversations, seed=seed), seed=seed, teaching=teaching)
    release = hand.take([], release_test, "held_out")
    chosen: dict[str, dict[str, list[str]]] = {}
    had: dict[str, list[str]] = {part: [] for part, _ in _PARTS}
    for name in sorted(scales, key=lambda name: _size(scales[name])):
        chosen[name] = {}
        for part, side in _PARTS:
            size = getattr(scales[name], part)
            grown = hand.take(had[part], size, side)
            chosen[name][part] = hand.of_the_mix(grown, size)
            had[part] = max(had[part], grown, key=len)
    missing = {"release": release_test - len(release)} | {
        part: max(getattr(sizes, part) for sizes in scales.values()) - len(had[part]) for part, _ in _PARTS
    }
    _refuse_if_short(conversations, missing, had | {"release": release})
    mine = {part: in_stable_order(ids, seed=seed) for part, ids in chosen[scale].items()}
    release = in_stable_order(release, seed=seed)
    reserve = sorted({*had["test"], *hand.untouched()} - set(mine["test"]))
    trained_on = [by_id[id_] for id_ in (*mine["train"], *mine["validation"])]
    held_out = [by_id[id_] for id_ in (*mine["test"], *release)]
    return DatasetSplit(
        scale=scale,
        seed=seed,
        train=tuple(mine["train"]),
        validation=tuple(mine["validation"]),
        test=tuple(mine["test"]),
        release=tuple(release),
        reserve=tuple(reserve),
        set_aside=tuple(sorted(hand.repeated(reserve, held_out))),
        moved=hand.moved,
        cut=0 if teaching is None else sum(id_ not in teaching for id_ in mine["train"]),
        leakage=check_leakage(trained_on, held_out),
        content_hash=content_hash(mine, release, reserve),
    )


def _size(sizes: SplitSizes) -> int:
    return sizes.train + sizes.validation + sizes.test


class _Hand:
    """Gives rows out, and remembers the side on which each group stands since."""

    def __init__(
        self,
        by_id: Mapping[str, Conversation],
        groups: Sequence[Group],
        *,
        seed: int,
        teaching: Collection[str] | None,
    ) -> None:
        self._groups, self._seed, self._teaching = groups, seed, teaching
        self._group_of = {id_: group for group in groups for id_ in group.rows}
        self._side: dict[tuple[str, ...], Side] = {}
        self._names = {id_: group.rows[0] for id_, group in self._group_of.items()}
        self._given: set[str] = set()
        self._strata: dict[str, Stratum] = {id_: stratum(row) for id_, row in by_id.items()}
        self._whole = Counter(self._strata.values())
        self.moved = 0

    def take(self, have: Sequence[str], size: int, side: Side) -> list[str]:
        """Return `have` grown to `size` rows for a side, or to as many as there are, in the mix of the whole."""
        found, mix = list(have), self._mix(side)
        # A row takes its whole group to its side, so rows of one group are taken together and none is wasted.
        together = None if side == "held_out" else self._names
        for claim in _CLAIMS[side]:
            if len(found) >= size:
                break
            for pool in self._by_teaching(self._free(side, claim), side):
                found = grow(found, pool, size, self._strata, mix=mix, seed=self._seed, together=together)
                self._settle(found, side)
        return found

    def of_the_mix(self, rows: Sequence[str], size: int) -> list[str]:
        """Return so many of the rows, in their own mix."""
        if size >= len(rows):
            return list(rows)
        return grow([], rows, size, self._strata, mix=Counter(self._strata[id_] for id_ in rows), seed=self._seed)

    def untouched(self) -> list[str]:
        """Return the held-out rows of the groups that were to be held out and that nothing has taken."""
        return [each.held_out for each in self._groups if each.rows not in self._side and each.first == "held_out"]

    def repeated(self, reserve: Sequence[str], held_out: Sequence[Conversation]) -> set[str]:
        """Return the rows that stand in one group with a held-out one."""
        kept = {*reserve, *(row.id for row in held_out)}
        return {id_ for one in kept for id_ in self._group_of[one].rows} - kept

    def _mix(self, side: Side) -> Counter[Stratum]:
        if side != "held_out":
            return self._whole
        return Counter(self._strata[each.held_out] for each in self._groups if each.held_out)

    def _free(self, side: Side, claim: Side) -> list[str]:
        """Return the rows that a side may still take of groups that are its own or free, by who has first claim."""
        found: list[str] = []
        for each in self._groups:
            if each.first == claim and self._side.get(each.rows, side) == side:
                found += (each.held_out,) if side == "held_out" else each.trainable
        return [id_ for id_ in found if id_ and id_ not in self._given]

    def _by_teaching(self, pool: list[str], side: Side) -> list[list[str]]:
        if side == "held_out" or self._teaching is None:
            return [pool]
        return [[id_ for id_ in pool if (id_ in self._teaching) is fits] for fits in (True, False)]

    def _settle(self, rows: Sequence[str], side: Side) -> None:
        self._given.update(rows)
        for id_ in rows:
            group = self._group_of[id_]
            if group.rows not in self._side:
                self._side[group.rows] = side
                self.moved += side != "held_out" and group.first == "held_out"


_CLAIMS: dict[Side, tuple[Side, ...]] = {
    "held_out": ("held_out", "train"),
    "validation": ("train", "held_out"),
    "train": ("train", "held_out"),
}


def _refuse_if_short(
    conversations: Sequence[Conversation], missing: Mapping[str, int], found: Mapping[str, Sequence[str]]
) -> None:
    short = {part: count for part, count in missing.items() if count > 0}
    if not short:
        return
    repaired = sum(has_repaired_gold(row) for row in conversations)
    have = ", ".join(f"{len(found[part])} of {len(found[part]) + count} for {part}" for part, count in short.items())
    raise TooFewRowsError(
        f"too few rows: of {len(conversations)} conversations, {repaired} of them with repaired answers that can only "
        f"be trained on, and with rows that repeat each other kept together, there are {have}; "
        f"lower the sizes of {' and '.join(short)} or give the source more rows"
    )
