"""Which held-out rows the test splits ask: how many of each label, in which order, and what a scale keeps for them.

Order of taking: the scale's test rows, then the reserve of held-out rows, then the fill, real before synthetic. In
`multi_turn_test` real rows of another kind come before generated rows of a kind that is short. Rows that no test split
takes change nothing, so the rows that were taken, asked again, are taken again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from swap_assets.domain.experiment.sources import TestSplitSizes
from swap_assets.domain.model import Conversation
from swap_assets.domain.splits.capabilities import has_repaired_gold
from swap_assets.domain.splits.domains import DOMAINS
from swap_assets.domain.splits.strata import stable_order

Labels = Mapping[str, Mapping[str, set[str]]]  # by conversation id: the values of each label
_NAMES = ("single_turn_test", "multi_turn_test", "domain_diverse_test", "no_call_test", "parallel_test")
_ANY_REAL_KIND = ("multi_turn_test",)


def quotas(name: str, sizes: TestSplitSizes) -> tuple[str, dict[str, int]]:
    """Return the label that a test split goes by, and how many conversations it wants for each value.

    Raises:
        ValueError: there is no test split of that name.
    """
    table = {
        "single_turn_test": ("single_turn", sizes.single_turn.model_dump()),
        "multi_turn_test": ("multi_turn", sizes.multi_turn.model_dump()),
        "domain_diverse_test": ("domain", dict.fromkeys(DOMAINS, sizes.per_domain)),
        "no_call_test": ("no_call", _halves("ask_back", "decline", sizes.no_call)),
        "parallel_test": ("parallel", _halves("same_function", "several_functions", sizes.parallel)),
    }
    if name not in table:
        raise ValueError(f"there is no test split '{name}'; expected one of {', '.join(table)}")
    return table[name]


def _halves(one: str, other: str, total: int) -> dict[str, int]:
    return {one: total // 2, other: total - total // 2}


def asked(rows: Sequence[Conversation], labels: Labels, sizes: TestSplitSizes) -> set[str]:
    """Return the ids of those rows that any test split takes of rows `in_order`."""
    return {row.id for name in _NAMES for taken in choose(rows, labels, name, sizes).values() for row in taken}


def in_order(rows: Iterable[Conversation], *, tested: Collection[str], seed: int) -> list[Conversation]:
    """Return real rows before generated ones, a scale's test rows before others, then a stable shuffled order."""
    tested = set(tested)

    def order(row: Conversation) -> tuple[bool, bool, str]:
        return row.provenance.origin == "synthetic", row.id not in tested, stable_order(seed, "select", row.id)

    return sorted((row for row in rows if not has_repaired_gold(row)), key=order)


def choose(
    rows: Sequence[Conversation], labels: Labels, name: str, sizes: TestSplitSizes
) -> dict[str, list[Conversation]]:
    """Give each row to the first of its label's values that still has room; each is taken once.

    In a split of `_ANY_REAL_KIND` real rows whose own values are full make up for values that are short.

    Raises:
        ValueError: there is no test split of that name.
    """
    label, wanted = quotas(name, sizes)
    chosen: dict[str, list[Conversation]] = {value: [] for value in wanted}
    taken: set[str] = set()

    def values(row: Conversation) -> list[str]:
        return [] if row.id in taken else sorted(labels[row.id].get(label, set()) & wanted.keys())

    def left() -> int:
        return sum(wanted.values()) - len(taken)

    def take(row: Conversation, value: str) -> None:
        chosen[value].append(row)
        taken.add(row.id)

    def take_where_there_is_room(pool: Iterable[Conversation]) -> None:
        open_ = {value for value in wanted if len(chosen[value]) < wanted[value]}
        for row in pool:
            if not open_ or not left():
                return
            if value := next((each for each in values(row) if each in open_), None):
                take(row, value)
                open_ -= {value} if len(chosen[value]) == wanted[value] else set()

    if name in _ANY_REAL_KIND:
        real = [row for row in rows if row.provenance.origin != "synthetic"]
        take_where_there_is_room(real)
        for row in [row for row in real if values(row)][: left()]:
            take(row, values(row)[0])
    take_where_there_is_room(rows)
    return chosen
