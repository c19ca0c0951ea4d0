"""Exact splits that nest and do not leak: which conversations are trained on, validated on, tested on, and sealed.

Rows are given out in the order of what they are needed for: the sealed release test first, then scale by scale, from
the smallest to the largest, test, validation and training rows, and what its test splits ask beyond its test rows. What
a scale has is never taken from it: a larger scale keeps the rows of the smaller one and takes further ones of what is
free, so that adding a scale moves no row, and what one scale asks no other one trains or validates on.
Every choice mirrors the mix of the whole source (`strata`), and takes groups whole (`groups`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import Scale, TestSplitSizes, shares_of
from swap_assets.domain.model import Conversation, Frozen, Origin, content_hash
from swap_assets.domain.splits.asked import asked, in_order
from swap_assets.domain.splits.capabilities import has_repaired_gold, labels_of
from swap_assets.domain.splits.groups import Role, groups_of
from swap_assets.domain.splits.leakage import LeakageReport, check_leakage
from swap_assets.domain.splits.similarity import boilerplate_of
from swap_assets.domain.splits.strata import Stratum, grow, in_stable_order, largest_remainder, stratum
from swap_assets.domain.tracks import estimated_tokens

_PARTS: tuple[tuple[str, Role], ...] = (("test", "held_out"), ("validation", "validation"), ("train", "train"))
_FINE = 1_000_000  # shares are counted in millionths


class TooFewRowsError(ValueError):
    """There are not enough rows for the sizes; the message has the numbers and what to change."""


class SourceRows(Frozen):
    """What one source gives to a part of a split; `wanted` is what its share asks for, None where it has no share."""

    HEADER: ClassVar = ("part", "source", "origin", "conversations", "asked for by its share")
    part: str
    source: str
    origin: Origin
    rows: int
    wanted: int | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Texts under `HEADER`."""
        return self.part, self.source, self.origin, f"{self.rows:,}", "–" if self.wanted is None else f"{self.wanted:,}"


class DatasetSplit(Frozen):
    """The split of one scale, as conversation ids in a stable shuffled order."""

    scale: str
    seed: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    release: tuple[str, ...] = Field(description="sealed; read by release_decision alone")
    reserve: tuple[str, ...] = Field(description="held-out rows beyond `test` that the test splits ask")
    set_aside: tuple[str, ...] = Field(description="rows that repeat a held-out one; used nowhere")
    moved: int = Field(description="groups that were to be held out and had to be trained on, for want of others")
    sources: tuple[SourceRows, ...] = ()
    max_length: int = Field(default=0, description="tokens to which rows are cut in training; 0: they are not")
    chosen_length: int = Field(default=0, description="max_length of approaches that have none of their own")
    capped_by: str = Field(default="", description="the model that takes no more than `chosen_length`")
    lengths: dict[int, float] = Field(default={}, description="what may be sealed, by how many answers call")
    cut: int = Field(default=0, description="training rows whose answers would be cut, as estimated")
    leakage: LeakageReport
    content_hash: str

    @property
    def cut_share(self) -> float:
        """The share of the training rows that `cut` counts, 0 to 1."""
        return self.cut / len(self.train)

    @property
    def told_of_cut(self) -> str:
        """What is lost to `max_length`, for check, plan, doctor and report."""
        chosen = "the chosen " if self.chosen_length == self.max_length else ""
        told = f"about {self.cut:,} of {len(self.train):,} training rows have answers beyond {chosen}max_length"
        most = f" (as much as {self.capped_by} takes)" * bool(chosen and self.capped_by)
        advice = " and teach little or nothing" + "; raise training.max_length" * (not most) if self.cut else ""
        return f"{told} {self.max_length:,}{most}{advice}" if self.max_length else "training cuts no row"

    @property
    def short(self) -> list[str]:
        """Which sources give less than their share asks for, a sentence each; other sources make up for them."""
        return [
            f"{each.source} gives {each.rows} of the {each.wanted} rows that its share of {each.part} asks for"
            for each in self.sources
            if each.rows < (each.wanted or 0)
        ]


def split_experiment(experiment: Experiment, conversations: Sequence[Conversation], *, scale: str) -> DatasetSplit:
    """Split an experiment's conversations for one of its scales.

    Raises:
        TooFewRowsError: a part can't be filled; the message has the numbers.
    """
    chosen = experiment.length_for(map(estimated_tokens, conversations))
    return split_scale(
        conversations, scale=scale, scales=experiment.scales, release_test=experiment.release_test,
        seed=experiment.seed, max_length=experiment.with_length(chosen).training_length,
        shares=shares_of(experiment.all_sources),
    ).model_copy(update={"chosen_length": chosen, "capped_by": experiment.capped_by(chosen)})  # fmt: skip


def split_scale(
    conversations: Sequence[Conversation], *, scale: str, scales: Mapping[str, Scale], release_test: int, seed: int,
    max_length: int = 0, shares: Mapping[str, float] | None = None,
) -> DatasetSplit:  # fmt: skip
    """Split for one scale; the sizes of all scales matter, and the sealed `release_test` is the same for all.

    Args:
        conversations: every conversation of the sources, each id once.
        scale: the scale to split for, one of `scales`.
        scales: sizes by name.
        release_test: how many conversations are sealed.
        seed: of every draw.
        max_length: of training, in tokens: rows whose answers fit are trained on first; 0: all do.
        shares: of each part, by the source's name in the rows' provenance; none: sources count by their rows.

    Raises:
        TooFewRowsError: a part can't be filled; the message has the numbers.
    """
    hand = _Hand(conversations, seed, max_length, shares or {})
    release = hand.take([], release_test, "held_out")
    chosen, reserves, moved = dict[str, dict[str, list[str]]](), dict[str, list[str]](), dict[str, int]()
    had: dict[str, list[str]] = {part: [] for part, _ in _PARTS}
    for name in sorted(scales, key=lambda name: sum(getattr(scales[name], part) for part, _ in _PARTS)):
        chosen[name] = {}
        for part, role in _PARTS:
            size = getattr(scales[name], part)
            grown = hand.take(had[part], size, role)
            chosen[name][part] = hand.of_the_mix(grown, size)
            had[part] = max(had[part], grown, key=len)
        moved[name] = hand.moved
        reserves[name] = hand.reserve(chosen[name]["test"], scales[name].test_splits, sealed=release)
    wanted = {part: max(getattr(sizes, part) for sizes in scales.values()) for part, _ in _PARTS}
    hand.refuse_if_short({"release": release_test} | wanted, had | {"release": release}, reserves.values())
    return hand.split(scale, chosen[scale] | {"release": release}, reserves[scale], moved[scale])


class _Hand:
    """Gives rows out, and remembers the role in which each group stands since."""

    def __init__(self, conversations: Sequence[Conversation], seed: int, max_length: int, shares: Mapping[str, float]):
        self._by_id = {row.id: row for row in conversations}
        self._seed, self._max_length, self._shares = seed, max_length, shares
        # Rows of a source without a share are no part of the mix: they wait in the reserve for the test splits.
        self._spare = {row.id for row in conversations if shares and not shares.get(row.provenance.source)}
        self._cut = {row.id for row in conversations if max_length and estimated_tokens(row) > max_length}
        self._boilerplate = boilerplate_of(conversations)
        self._groups = groups_of(conversations, seed=seed, never_trained_on=self._spare, boilerplate=self._boilerplate)
        self._testable = [each.held_out for each in self._groups if each.held_out and each.held_out not in self._spare]
        self._group_of = {id_: group for group in self._groups for id_ in group.rows}
        self._role: dict[tuple[str, ...], Role] = {}
        self._names = {id_: group.rows[0] for id_, group in self._group_of.items()}
        self._given: set[str] = set()
        self._labels: dict[str, dict[str, set[str]]] = {}
        # With its source before it, so that a scale that takes a part of another one's rows keeps the shares.
        self._strata = {id_: (row.provenance.source, *stratum(row)) for id_, row in self._by_id.items()}
        self.moved = 0

    def take(self, have: Sequence[str], size: int, role: Role) -> list[str]:
        """Return `have` grown to `size` rows for a role, or to as many as there are, in the mix of the whole.

        Each source first gives its share; what one is short of, the others make up for.
        """
        found = list(have)
        for source, rows in self._quotas(size).items():
            own = [id_ for id_ in found if self._source(id_) == source]
            found += self._grown(own, rows, role, source)[len(own) :]
        return self._grown(found, size, role)

    def _grown(self, found: list[str], size: int, role: Role, source: str = "") -> list[str]:
        mix = self._mix(role, source)
        # A row takes its whole group into its role, so rows of one group are taken together and none is wasted.
        together = None if role == "held_out" else self._names
        claims: tuple[Role, ...] = ("held_out", "train") if role == "held_out" else ("train", "held_out")
        for claim in claims:
            if len(found) >= size:
                break
            for pool in self._by_teaching(self._free(role, claim, source), role):
                found = grow(found, pool, size, self._strata, mix=mix, seed=self._seed, together=together)
                self._settle(found, role)
        return found

    def of_the_mix(self, rows: Sequence[str], size: int) -> list[str]:
        """Return so many of the rows, in their own mix."""
        if size >= len(rows):
            return list(rows)
        return grow([], rows, size, self._strata, mix=Counter(self._strata[id_] for id_ in rows), seed=self._seed)

    def reserve(self, tested: Sequence[str], sizes: TestSplitSizes, *, sealed: Sequence[str]) -> list[str]:
        """Return the held-out rows beyond its test rows that a scale's test splits ask, and hold them out for good."""
        rows = list[Conversation]()
        for first in ("held_out", "train"):  # those that are to be trained on only where a kind is short without them
            ids = {each.held_out for each in self._groups if each.first == first
                   and self._role.get(each.rows, "held_out") == "held_out"} - {*sealed, ""}  # fmt: skip
            rows += in_order([self._by_id[id_] for id_ in ids], tested=tested, seed=self._seed)
        self._labels |= {row.id: labels_of(row) for row in rows if row.id not in self._labels}
        found = asked(rows, self._labels, sizes) - {*tested}
        self._role |= {self._group_of[id_].rows: "held_out" for id_ in found}
        return sorted(found)

    def refuse_if_short(
        self, wanted: Mapping[str, int], found: Mapping[str, Sequence[str]], reserves: Iterable[Sequence[str]]
    ) -> None:
        """Raise a TooFewRowsError with the numbers and with what takes rows away, where a part is not filled."""
        short = {part: size for part, size in wanted.items() if len(found[part]) < size}
        if not short:
            return
        rows, largest = len(self._by_id), max((len(group.rows) for group in self._groups), default=0)
        repaired = sum(map(has_repaired_gold, self._by_id.values()))
        kept = len(set[str]().union(*reserves) - {*found["test"]})
        causes = [
            f"{repaired} have repaired answers and can only be trained on" * bool(repaired),
            f"groups of up to {largest} repeat each other and stay together" * (largest > 1),
            f"{kept} are kept for what test splits ask beyond test rows" * bool(kept),
        ]
        told = "".join(f", {cause}" for cause in causes if cause)
        have = ", ".join(f"{len(found[part])} of {size} for {part}" for part, size in short.items())
        raise TooFewRowsError(
            f"too few rows: of {rows} conversations{told}, there are {have}; lower the sizes of {' and '.join(short)}"
            f"{' or of test_splits' * bool(kept)} or give the source more {'different ' * (largest > 1)}rows"
        )

    def split(
        self, scale: str, chosen: Mapping[str, Sequence[str]], reserve: Sequence[str], moved: int
    ) -> DatasetSplit:
        """Return the split that has these rows in its parts."""
        parts = {part: tuple(in_stable_order(ids, seed=self._seed)) for part, ids in chosen.items()}
        trained_on = [self._by_id[id_] for part in ("train", "validation") for id_ in parts[part]]
        held_out = [self._by_id[id_] for part in ("test", "release") for id_ in parts[part]]
        kept = {*reserve, *(row.id for row in held_out)}
        return DatasetSplit(
            **parts,
            scale=scale, seed=self._seed, reserve=tuple(reserve), moved=moved, chosen_length=0, lengths=self._lengths(),
            set_aside=tuple(sorted({id_ for one in kept for id_ in self._group_of[one].rows} - kept)),
            sources=tuple(each for part, ids in parts.items() for each in self._sources(part, ids)),
            max_length=self._max_length, cut=sum(id_ in self._cut for id_ in parts["train"]), capped_by="",
            leakage=check_leakage(trained_on, held_out, self._boilerplate), content_hash=content_hash(parts, reserve),
        )  # fmt: skip

    def _sources(self, part: str, ids: Sequence[str]) -> list[SourceRows]:
        counts: Counter[tuple[str, Origin]] = Counter(
            (self._source(id_), self._by_id[id_].provenance.origin) for id_ in ids
        )
        wanted = self._quotas(len(ids))
        without = {source for source, rows in wanted.items() if rows} - {source for source, _ in counts}
        none: dict[tuple[str, Origin], int] = {(source, "real"): 0 for source in without}
        return [
            SourceRows(part=part, source=source, origin=origin, rows=rows, wanted=wanted.get(source))
            for (source, origin), rows in sorted({**counts, **none}.items())
        ]

    def _quotas(self, size: int) -> dict[str, int]:
        shares = {source: round(_FINE * share) for source, share in self._shares.items()}
        return largest_remainder(shares, size, seed=self._seed)

    def _source(self, id_: str) -> str:
        return self._by_id[id_].provenance.source

    def _mix(self, role: Role, source: str) -> Counter[Stratum]:
        ids = self._testable if role == "held_out" else [id_ for id_ in self._by_id if id_ not in self._spare]
        return Counter(self._strata[id_] for id_ in ids if source in ("", self._source(id_)))

    def _lengths(self) -> dict[int, float]:
        rows, found = Counter(map(self._source, self._testable)), defaultdict[int, float](float)
        for id_ in self._testable:
            source, calling = self._source(id_), sum(bool(turn.calls) for turn in self._by_id[id_].turns)
            found[calling] += (self._shares or rows).get(source, 0) / rows[source]
        return {calling: found[calling] for calling in sorted(found) if calling}

    def _free(self, role: Role, claim: Role, source: str) -> list[str]:
        """Return the rows that a role may still take of groups that are its own or free, by who has first claim."""
        found: list[str] = []
        for each in self._groups:
            if each.first == claim and self._role.get(each.rows, role) == role:
                found += (each.held_out,) if role == "held_out" else each.trainable
        closed = self._given | self._spare | {""}
        return [id_ for id_ in found if id_ not in closed and source in ("", self._source(id_))]

    def _by_teaching(self, pool: list[str], role: Role) -> list[list[str]]:
        if role == "held_out" or not self._cut:
            return [pool]
        return [[id_ for id_ in pool if (id_ in self._cut) is cut] for cut in (False, True)]

    def _settle(self, rows: Sequence[str], role: Role) -> None:
        self._given.update(rows)
        for id_ in rows:
            group = self._group_of[id_]
            if group.rows not in self._role:
                self._role[group.rows] = role
                self.moved += role != "held_out" and group.first == "held_out"
