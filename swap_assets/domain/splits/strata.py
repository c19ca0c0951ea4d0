"""Choosing an exact number of rows so that their mix is the mix of the whole: largest remainder, level by level.

Levels of the mix: what kind of conversation it is, its domain, how many calls an answer has, how many tools are on
offer. Seats are given to the kinds first, then within each kind to its domains, and so on, so that few seats still
follow the mix of the kinds.
"""

from collections import defaultdict
from collections.abc import Sequence

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.model import content_hash
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


def choose(ids: Sequence[str], count: int, strata: dict[str, Stratum], *, seed: int) -> list[str]:
    """Choose `count` of `ids` with the mix of all of them; the same ids give the same choice in any order.

    Returns:
        Ids in a stable shuffled order.
    """
    chosen = _choose(sorted(ids), count, strata, seed=seed, level=0)
    return sorted(chosen, key=lambda id_: stable_order(seed, "order", id_))


def _choose(ids: list[str], count: int, strata: dict[str, Stratum], *, seed: int, level: int) -> list[str]:
    if count >= len(ids):
        return ids
    if count <= 0:
        return []
    if level >= len(strata[ids[0]]):
        return sorted(ids, key=lambda id_: stable_order(seed, "pick", id_))[:count]
    parts: dict[str, list[str]] = defaultdict(list)
    for id_ in ids:
        parts[strata[id_][level]].append(id_)
    shares = largest_remainder({name: len(part) for name, part in parts.items()}, count, seed=seed)
    return [
        id_ for name, part in parts.items() for id_ in _choose(part, shares[name], strata, seed=seed, level=level + 1)
    ]
