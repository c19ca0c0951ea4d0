"""Choosing an exact number of rows so that their mix is the mix of the whole: largest remainder, level by level.

Levels of the mix: what kind of conversation it is, its domain, how many calls an answer has, how many tools are on
offer. Seats are given to the kinds first, then within each kind to its domains, and so on, so that few seats still
follow the mix of the kinds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from swap_assets.domain.model import Conversation, content_hash
from swap_assets.domain.splits.capabilities import multi_turn_kind, turn_labels
from swap_assets.domain.splits.domains import domain_of

Stratum = tuple[str, ...]
_MOST_CALLS = 4  # four calls and more are one stratum
_TOOL_STEPS = (1, 3, 6)  # none, one, up to three, up to six, more


def stratum(conversation: Conversation) -> Stratum:
    """Return the labels that a selection keeps the mix of, coarsest first."""
    first = next(iter(conversation.assistant_turns()), None)
    labels = turn_labels(conversation, first) if first is not None else {}
    no_call = "no_call" if "no_call" in labels else "text"
    kind = multi_turn_kind(conversation) or labels.get("single_turn") or no_call
    calls = min(_MOST_CALLS, max((len(turn.calls) for turn in conversation.turns), default=0))
    tools = sum(len(conversation.tools) > step for step in _TOOL_STEPS) if conversation.tools else -1
    return kind, domain_of(conversation), str(calls), str(tools)


def stable_order(seed: int, *parts: str) -> str:
    """Return a text to sort or to draw by, which depends on the seed and the parts alone."""
    return content_hash(seed, *parts)


def largest_remainder(sizes: dict[str, int], seats: int, *, seed: int) -> dict[str, int]:
    """Share `seats` out in proportion to `sizes` (Hare quota, largest remainder); the sum is exactly `seats`.

    Equal remainders go by the seeded hash of the name. No share exceeds its size, as long as seats <= sum of sizes.
    """
    total = sum(sizes.values())
    if not total:
        return dict.fromkeys(sizes, 0)
    shares = {name: seats * size // total for name, size in sizes.items()}
    left = seats - sum(shares.values())
    by_remainder = sorted(sizes, key=lambda name: (-(seats * sizes[name] % total), stable_order(seed, name)))
    for name in by_remainder[:left]:
        shares[name] += 1
    return shares


def grow(
    chosen: Sequence[str], pool: Sequence[str], size: int, strata: Mapping[str, Stratum], *, mix: Mapping[Stratum, int],
    seed: int, together: Mapping[str, str] | None = None,
) -> list[str]:  # fmt: skip
    """Return `chosen` with rows of `pool` behind it, up to `size` rows or to the end of the pool.

    Args:
        chosen: ids that stay; each has its stratum in `strata`.
        pool: ids to choose among, in any order.
        size: how many rows there shall be.
        strata: the stratum of every id.
        mix: how many rows of each stratum there are in the whole that is to be mirrored.
        seed: of the order within a stratum.
        together: a name for each id; ids of one name follow each other in that order. None: each for itself.
    """
    free: dict[Stratum, list[str]] = defaultdict(list)
    names = together or {}
    for id_ in sorted(pool, key=lambda id_: (stable_order(seed, "pick", names.get(id_, id_)), id_), reverse=True):
        free[strata[id_]].append(id_)
    found = list(chosen)
    have = Counter(strata[id_] for id_ in found)
    wanted = _shares(mix, size, seed=seed)
    short = {each: min(wanted.get(each, 0) - have[each], len(rows)) for each, rows in free.items()}
    for share in (short, None):
        # First what the mix lacks; then, where a stratum has too few rows, more of the others in their own mix.
        room = {each: count for each, count in (share or {k: len(v) for k, v in free.items()}).items() if count > 0}
        seats = min(size - len(found), sum(room.values()))
        taken = _shares(room, max(0, seats), seed=seed)
        found += [free[each].pop() for each in sorted(taken) for _ in range(taken[each])]
    return found


def in_stable_order(ids: Iterable[str], *, seed: int) -> list[str]:
    """Return ids in a shuffled order that depends on the seed and the ids alone."""
    return sorted(ids, key=lambda id_: stable_order(seed, "order", id_))


def _shares(sizes: Mapping[Stratum, int], seats: int, *, seed: int, level: int = 0) -> dict[Stratum, int]:
    """Share seats out to strata level by level: to the kinds first, within each kind to its domains, and so on."""
    if seats <= 0 or not sizes:
        return {}
    if len(sizes) == 1:
        return dict.fromkeys(sizes, seats)
    parts: dict[str, dict[Stratum, int]] = defaultdict(dict)
    for each, size in sizes.items():
        parts[each[level]][each] = size
    seats_of = largest_remainder({name: sum(part.values()) for name, part in parts.items()}, seats, seed=seed)
    found: dict[Stratum, int] = {}
    for name, part in parts.items():
        found |= _shares(part, seats_of[name], seed=seed, level=level + 1)
    return found
