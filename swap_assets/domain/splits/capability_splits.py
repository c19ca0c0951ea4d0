"""The named test splits, made of the held-out rows of a scale, and of marked synthetic rows where those run out.

Sizes count conversations. A conversation may serve several splits. In `multi_turn_test` and `general_test` every
assistant turn of a chosen conversation is a case; in the others only the turns that carry the split's label are.
`general_test` is all test rows of the scale, so that each of them is asked, whatever it shows.
Which rows they take, and in which order, is in `asked`.

Every case also carries the label `tools`: "seen" where a training row of the scale offers every tool that the gold
calls (that is on offer, where it calls none), else "unseen". A model may know its tools by heart or read their
description, and only the second helps with new ones, so the report shows the two apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pydantic import Field

from swap_assets.domain.experiment.sources import TestSplitSizes
from swap_assets.domain.model import Conversation, EvalCase, Frozen, content_hash
from swap_assets.domain.splits.asked import choose, in_order, quotas
from swap_assets.domain.splits.capabilities import eval_cases, labels_of
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.splits.similarity import request_key

GENERAL = "general_test"


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


def select(
    name: str, *, conversations: Iterable[Conversation], split: DatasetSplit, sizes: TestSplitSizes,
    fill: Iterable[Conversation] = (),
) -> CapabilitySplit:  # fmt: skip
    """Build a test split by name.

    Args:
        name: one of the splits that `quotas` knows, or `general_test`.
        conversations: the source's conversations, of which the split's ids are looked up.
        split: the scale's split; its release rows are never taken.
        sizes: conversations by label.
        fill: generated conversations for what is missing; only those of the test pool are taken.

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
    held_out = in_order(found(*split.test, *split.reserve), tested=split.test, seed=split.seed)
    closed = set(map(request_key, found(*split.release, *split.train, *split.validation)))
    generated = (row for row in fill if row.provenance.config == "test" and request_key(row) not in closed)
    rows = [*held_out, *generated]
    chosen = choose(rows, {row.id: labels_of(row) for row in rows}, name, sizes)
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
        name=name, cases=tuple(cases), wanted=wanted,
        real={value: sum(row.provenance.origin != "synthetic" for row in chosen[value]) for value in wanted},
        synthetic={value: sum(row.provenance.origin == "synthetic" for row in chosen[value]) for value in wanted},
        content_hash=content_hash(name, cases),
    )  # fmt: skip


def _cases(row: Conversation, label: str, value: str) -> list[EvalCase]:
    return [case for case in eval_cases(row) if case.labels.get(label) == value]


def _marked(case: EvalCase, split: str, trained: AbstractSet[str]) -> EvalCase:
    names = {call.name for call in case.gold_calls} or {tool.name for tool in case.tools}
    tools = "seen" if names <= trained else "unseen"
    return case.model_copy(update={"labels": {**case.labels, "tools": tools}, "splits": (split,)})
