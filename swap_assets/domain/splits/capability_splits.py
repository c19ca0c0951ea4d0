"""The named test splits, made of the held-out rows of a scale, and of marked synthetic rows where those run out.

Sizes count conversations. A conversation may serve several splits. In `multi_turn_test` and `general_test` every
assistant turn of a chosen conversation is a case; in the others only the turns that carry the split's label are.
`general_test` is all test rows of the scale, so that each of them is asked, whatever it shows.
Order of taking: the scale's test rows, then the reserve of held-out rows, then the fill, real before synthetic. In
`multi_turn_test` real rows of another kind come before generated rows of a kind that is short.

Every case also carries the label `tools`: "seen" where a training row of the scale offers every tool that the gold
calls (that is on offer, where it calls none), else "unseen". A model may know its tools by heart or read their
description, and only the second helps with new ones, so the report shows the two apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pydantic import Field

from swap_assets.domain.experiment.sources import TestSplitSizes
from swap_assets.domain.model import Conversation, EvalCase, Frozen, content_hash
from swap_assets.domain.splits.capabilities import eval_cases, has_repaired_gold
from swap_assets.domain.splits.domains import DOMAINS
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.splits.similarity import request_key
from swap_assets.domain.splits.strata import stable_order

Quota = Mapping[str, int]
GENERAL = "general_test"
_ANY_REAL_KIND = ("multi_turn_test",)


class CapabilitySplit(Frozen):
    """One test split: its cases, and for each label how many conversations were taken, filled and found missing."""

    name: str
    cases: tuple[EvalCase, ...]
    wanted: dict[str, int] = Field(description="conversations asked for, by label")
    real: dict[str, int] = Field(description="conversations that are real or production rows, by label")
    synthetic: dict[str, int] = Field(description="conversations that are generated, by label")
    content_hash: str

    @property
    def missing(self) -> dict[str, int]:
        """How many conversations could not be found, by label; none where others of the split make up for them."""
        short = {label: self.wanted[label] - self.real[label] - self.synthetic[label] for label in self.wanted}
        return {label: count for label, count in short.items() if count > 0} if sum(short.values()) > 0 else {}


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


def select(
    name: str,
    *,
    conversations: Iterable[Conversation],
    split: DatasetSplit,
    sizes: TestSplitSizes,
    fill: Iterable[Conversation] = (),
    seed: int = 42,
) -> CapabilitySplit:
    """Build a test split by name.

    Args:
        name: one of the splits that `quotas` knows, or `general_test`.
        conversations: the source's conversations, of which the split's ids are looked up.
        split: the scale's split; its release rows are never taken.
        sizes: conversations by label.
        fill: generated conversations for what is missing; only those of the test pool are taken.
        seed: of the order in which rows of one kind are taken.

    Raises:
        ValueError: there is no test split of that name.
    """
    by_id = {conversation.id: conversation for conversation in conversations}

    def found(*ids: str) -> list[Conversation]:
        return [by_id[id_] for id_ in ids if id_ in by_id]

    trained = {tool.name for row in found(*split.train) for tool in row.tools}
    if name == GENERAL:
        rows = found(*split.test)
        cases = [case for row in rows for case in eval_cases(row)]
        return _made(name, cases, {"test rows": len(split.test)}, {"test rows": rows}, trained)
    label, wanted = quotas(name, sizes)
    held_out = _in_order(found(*split.test, *split.reserve), split, seed)
    closed = set(map(request_key, found(*split.release, *split.train, *split.validation)))
    generated = (row for row in fill if row.provenance.config == "test" and request_key(row) not in closed)
    chosen = _choose([*held_out, *generated], label, wanted, any_real_kind=name in _ANY_REAL_KIND)
    cases = [case for value in wanted for row in chosen[value] for case in _cases(row, label, value)]
    return _made(name, cases, wanted, chosen, trained)


def _made(
    name: str,
    cases: Iterable[EvalCase],
    wanted: dict[str, int],
    chosen: Mapping[str, Sequence[Conversation]],
    trained: AbstractSet[str],
) -> CapabilitySplit:
    cases = [_marked(case, name, trained) for case in cases]
    return CapabilitySplit(
        name=name,
        cases=tuple(cases),
        wanted=wanted,
        real={value: sum(row.provenance.origin != "synthetic" for row in chosen[value]) for value in wanted},
        synthetic={value: sum(row.provenance.origin == "synthetic" for row in chosen[value]) for value in wanted},
        content_hash=content_hash(name, cases),
    )


def _in_order(rows: Iterable[Conversation], split: DatasetSplit, seed: int) -> list[Conversation]:
    """Return real rows before generated ones, test rows before the reserve, then a stable shuffled order."""
    tested = set(split.test)

    def order(row: Conversation) -> tuple[bool, bool, str]:
        return row.provenance.origin == "synthetic", row.id not in tested, stable_order(seed, "select", row.id)

    return sorted((row for row in rows if not has_repaired_gold(row)), key=order)


def _choose(
    rows: Sequence[Conversation], label: str, wanted: Quota, *, any_real_kind: bool
) -> dict[str, list[Conversation]]:
    """Give each conversation to the first of its label's values that still has room; each is taken once.

    With `any_real_kind` real rows whose own values are full make up for values that are short.
    """
    chosen: dict[str, list[Conversation]] = {value: [] for value in wanted}
    values_of = {row.id: _values(row, label) & wanted.keys() for row in rows}
    left = sum(wanted.values())
    real = [row for row in rows if row.provenance.origin != "synthetic"]
    taken: set[str] = set()

    def take(row: Conversation, value: str) -> None:
        nonlocal left
        chosen[value].append(row)
        taken.add(row.id)
        left -= 1

    def take_where_there_is_room(pool: Iterable[Conversation]) -> None:
        for row in pool:
            value = next((each for each in sorted(values_of[row.id]) if len(chosen[each]) < wanted[each]), None)
            if row.id not in taken and left > 0 and value is not None:
                take(row, value)

    if any_real_kind:
        take_where_there_is_room(real)
        spare = [row for row in real if row.id not in taken and values_of[row.id]]
        for row in spare[:left]:
            take(row, min(values_of[row.id]))
    take_where_there_is_room(rows)
    return chosen


def _values(row: Conversation, label: str) -> set[str]:
    return {case.labels[label] for case in eval_cases(row) if label in case.labels}


def _cases(row: Conversation, label: str, value: str) -> list[EvalCase]:
    return [case for case in eval_cases(row) if case.labels.get(label) == value]


def _marked(case: EvalCase, split: str, trained: AbstractSet[str]) -> EvalCase:
    names = {call.name for call in case.gold_calls} or {tool.name for tool in case.tools}
    tools = "seen" if names <= trained else "unseen"
    return case.model_copy(update={"labels": {**case.labels, "tools": tools}, "splits": (split,)})
