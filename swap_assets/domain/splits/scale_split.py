"""Exact splits that nest and do not leak: which conversations are trained on, validated on, tested on, and sealed.

All scales share one assignment to sides (`sides`), made for the largest sizes asked for. Within a side the
largest scale chooses first and each smaller one chooses among its choice (`strata`), so small is inside large
and no training row of any scale is a test row of another. The sealed release test is the same for all scales.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import Field

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.experiment.sources import SplitSizes
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.splits.capabilities import has_repaired_gold
from swap_assets.domain.splits.leakage import LeakageReport, check_leakage
from swap_assets.domain.splits.sides import SIDES, Needs, Side, assign_sides
from swap_assets.domain.splits.strata import Stratum, choose, stratum

_PARTS = ("train", "validation", "test")


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
    set_aside: tuple[str, ...] = Field(
        description="rows too close to a more protected row, or repeating a held-out one; used nowhere"
    )
    moved: int = Field(description="rows that left their hashed side so that exact sizes could be met")
    leakage: LeakageReport
    content_hash: str


def split_scale(
    conversations: Sequence[Conversation],
    *,
    scale: str,
    scales: Mapping[str, SplitSizes],
    release_test: int,
    seed: int,
) -> DatasetSplit:
    """Split for one scale; the sizes of all scales matter, and the sealed `release_test` is the same for all.

    Args:
        conversations: every conversation of the source, each id once.
        scale: the scale to split for, one of `scales`.

    Raises:
        TooFewRowsError: a side can't be filled; the message has the numbers.
    """
    needs = needed(scales, release_test)
    sides, moved = assign_sides(conversations, needs, seed=seed)
    _refuse_if_short(conversations, sides, needs, scales)
    by_id = {row.id: row for row in conversations}
    strata = {id_: stratum(by_id[id_]) for id_ in sides}
    members = {side: [id_ for id_, its in sides.items() if its == side] for side in SIDES}
    chosen = {part: _nested_choice(part, members[part], scale, scales, strata, seed=seed) for part in _PARTS}
    release = choose(members["release"], release_test, strata, seed=seed)
    reserve = sorted(set(members["test"]) - set(chosen["test"]))
    trained_on = [by_id[id_] for id_ in (*chosen["train"], *chosen["validation"])]
    held_out = [by_id[id_] for id_ in (*chosen["test"], *release)]
    return DatasetSplit(
        scale=scale,
        seed=seed,
        train=tuple(chosen["train"]),
        validation=tuple(chosen["validation"]),
        test=tuple(chosen["test"]),
        release=tuple(release),
        reserve=tuple(reserve),
        set_aside=tuple(sorted(by_id.keys() - sides.keys())),
        moved=moved,
        leakage=check_leakage(trained_on, held_out),
        content_hash=content_hash(chosen, release, reserve),
    )


def needed(scales: Mapping[str, SplitSizes], release_test: int) -> Needs:
    """Return how many rows each side must hold for the largest scale."""
    return {
        "release": release_test,
        "test": max(sizes.test for sizes in scales.values()),
        "validation": max(sizes.validation for sizes in scales.values()),
        "train": max(sizes.train for sizes in scales.values()),
    }


def _nested_choice(
    part: str,
    ids: Sequence[str],
    scale: str,
    scales: Mapping[str, SplitSizes],
    strata: dict[str, Stratum],
    *,
    seed: int,
) -> list[str]:
    """Choose for the largest scale, then for the next one among that choice, down to `scale`."""
    target = getattr(scales[scale], part)
    sizes = sorted({size for sizes in scales.values() if (size := getattr(sizes, part)) >= target}, reverse=True)
    chosen = list(ids)
    for size in sizes:
        chosen = choose(chosen, size, strata, seed=seed)
    return chosen


def _refuse_if_short(
    conversations: Sequence[Conversation],
    sides: Mapping[str, Side],
    needs: Needs,
    scales: Mapping[str, SplitSizes],
) -> None:
    counts = Counter(sides.values())
    short = [side for side in SIDES if counts[side] < needs[side]]
    if not short:
        return
    repaired = sum(has_repaired_gold(conversation) for conversation in conversations)
    have = ", ".join(f"{counts[side]} of {needs[side]} for {side}" for side in SIDES)
    largest = max(scales, key=lambda name: scales[name].train + scales[name].test)
    raise TooFewRowsError(
        f"too few rows for scale '{largest}' and its release test: of {len(conversations)} conversations "
        f"{len(conversations) - len(sides)} are set aside as repeating held-out ones and {repaired} have "
        f"repaired answers and can only be trained on, which leaves {have}; "
        f"lower the sizes of {' and '.join(short)} or give the source more rows"
    )
