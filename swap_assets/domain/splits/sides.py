"""Which side of the split a conversation may stand on, from its own request alone.

The side is a seeded hash of the request (`leakage.request_key`), so that rows with the same passage or the same first
request go together and adding rows moves no old one. A generated row goes where its pool says. A row with repaired
gold is trained on or left out, never tested on. What still touches another side (near-duplicates, the same row index
in two configs of a source) is set aside on the less protected one. Of rows that touch each other on a held-out side
one is kept: the same question asked twice is one piece of evidence, and intervals count rows as independent.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.splits.capabilities import has_repaired_gold
from swap_assets.domain.splits.leakage import near_duplicates, request_key
from swap_assets.domain.splits.strata import stable_order

Side = Literal["release", "test", "validation", "train"]
SIDES: tuple[Side, ...] = ("release", "test", "validation", "train")  # most protected first
HELD_OUT = SIDES[:2]
_ROUNDS = 5  # setting rows aside and filling up from other sides settles in one or two rounds
_PAIRED_CONFIGS = "func_calling"  # row i of func_calling begins as row i of func_calling_singleturn

Needs = Mapping[Side, int]


def allowed_sides(conversation: Conversation) -> tuple[Side, ...]:
    """Return the sides that a conversation may stand on."""
    place = conversation.provenance
    if place.origin == "synthetic":
        return SIDES[:2] if place.config == "test" else SIDES[2:]
    return SIDES[2:] if has_repaired_gold(conversation) else SIDES


def hashed_side(key: str, allowed: Sequence[Side], needs: Needs, *, seed: int) -> Side:
    """Return a side with the probability of its share of `needs`, decided by the seeded hash of `key`."""
    total = sum(needs[side] for side in allowed)
    draw = int(stable_order(seed, "side", key), 16) / 16**16 * total
    for side in allowed:
        draw -= needs[side]
        if draw < 0:
            return side
    return allowed[-1]


def assign_sides(conversations: Sequence[Conversation], needs: Needs, *, seed: int) -> tuple[dict[str, Side], int]:
    """Give every conversation its side; those that would leak are left out.

    Where the hash leaves a side short although others have rows to spare, whole requests are moved over: exact sizes
    come before stability then, and the number of rows moved is returned.

    Returns:
        Side by conversation id, and how many rows were moved.
    """
    keys = {conversation.id: request_key(conversation) for conversation in conversations}
    allowed = {conversation.id: allowed_sides(conversation) for conversation in conversations}
    sides: dict[str, Side] = {id_: hashed_side(keys[id_], allowed[id_], needs, seed=seed) for id_ in keys}
    links = list(linked(conversations, keys))
    moved = 0
    for _ in range(_ROUNDS):
        kept = without_leaks(sides, links, seed=seed)
        changes = _fill_up(kept, needs, keys, allowed, seed=seed)
        if not changes:
            break
        sides |= changes
        moved += len(changes)
    return without_leaks(sides, links, seed=seed), moved


def linked(conversations: Sequence[Conversation], keys: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Yield the pairs of ids that must not stand on two sides.

    Generated rows are linked where their request is the same; those of one phrasing are near-duplicates of each other
    by design, and the pools keep phrasings apart.
    """
    groups: dict[object, list[str]] = defaultdict(list)
    for conversation in conversations:
        groups[keys[conversation.id]].append(conversation.id)
        place = conversation.provenance
        if place.config.startswith(_PAIRED_CONFIGS):
            groups[place.source, place.row].append(conversation.id)
    for group in groups.values():
        yield from ((one, other) for index, one in enumerate(group) for other in group[index + 1 :])
    yield from near_duplicates([each for each in conversations if each.provenance.origin != "synthetic"])


def without_leaks(sides: Mapping[str, Side], links: Iterable[tuple[str, str]], *, seed: int) -> dict[str, Side]:
    """Return the sides without the rows that are linked to a row on a more protected side, or repeat a held-out one."""
    rank = {side: index for index, side in enumerate(SIDES)}
    aside = set()
    for one, other in links:
        if sides[one] != sides[other]:
            aside.add(max(one, other, key=lambda id_: rank[sides[id_]]))
        elif sides[one] in HELD_OUT:
            aside.add(max(one, other, key=lambda id_: stable_order(seed, "keep", id_)))
    return {id_: side for id_, side in sides.items() if id_ not in aside}


def _fill_up(
    sides: Mapping[str, Side],
    needs: Needs,
    keys: Mapping[str, str],
    allowed: Mapping[str, Sequence[Side]],
    *,
    seed: int,
) -> dict[str, Side]:
    """Return the moves, whole requests at a time, that fill sides which are short from sides with rows to spare."""
    counts = Counter(sides.values())
    groups: dict[tuple[str, Side], list[str]] = defaultdict(list)
    for id_, side in sides.items():
        groups[keys[id_], side].append(id_)
    order = sorted(groups, key=lambda group: stable_order(seed, "move", group[0]))
    moves: dict[str, Side] = {}
    for short in SIDES:
        for key, giver in order:
            rows = groups[key, giver]
            if counts[short] >= needs[short]:
                break
            spare = counts[giver] - needs[giver]
            if giver == short or spare < len(rows) or rows[0] in moves:
                continue
            if all(short in allowed[id_] for id_ in rows):
                moves |= dict.fromkeys(rows, short)
                counts[giver] -= len(rows)
                counts[short] += len(rows)
    return moves
