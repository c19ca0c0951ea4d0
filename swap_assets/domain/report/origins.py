"""What the report rests on: leakage evidence, and what was synthetic, miniature, absent or not measured."""

from collections import Counter
from typing import Literal

from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.effort import SwapCost
from swap_assets.domain.report.foreign import excerpt
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.names import TRACK_TITLES, display_name

LimitKind = Literal["synthetic", "miniature", "absent", "not measured"]


class Leakage(Frozen):
    """Whether anything of the held-out rows stands among the training rows, and the closest pair found."""

    clean: bool
    training: int
    validation: int
    test: int
    release: int
    reserve: int
    set_aside: int
    moved: int
    same_request: int
    closest_similarity: float
    threshold: float
    compared: int
    closest_training_text: str = ""
    closest_held_out_text: str = ""
    split_hash: str = ""


class Limit(Frozen):
    """One thing that keeps the report from saying more than it does."""

    kind: LimitKind
    what: str
    why: str


def leakage(inputs: ReportInputs) -> Leakage | None:
    """Return the split's recorded checks; None where there is no split."""
    split = inputs.split
    if split is None:
        return None
    found = split.leakage
    return Leakage(
        clean=found.clean,
        training=len(split.train),
        validation=len(split.validation),
        test=len(split.test),
        release=len(split.release),
        reserve=len(split.reserve),
        set_aside=len(split.set_aside),
        moved=split.moved,
        same_request=found.same_request,
        closest_similarity=found.closest_similarity,
        threshold=found.threshold,
        compared=found.compared,
        closest_training_text=excerpt(found.closest_training_text, 300),
        closest_held_out_text=excerpt(found.closest_held_out_text, 300),
        split_hash=split.content_hash,
    )


def limits(inputs: ReportInputs, cost: SwapCost | None) -> tuple[Limit, ...]:
    """Return everything that was generated, played by a miniature, missing or not measured, with the reason."""
    return (*_synthetic(inputs), *_miniatures(inputs), *_absent(inputs), *_not_measured(inputs, cost))


def _synthetic(inputs: ReportInputs) -> list[Limit]:
    if not inputs.evaluated:
        return []
    result = next(iter(inputs.evaluated[0].results.values()), None)
    counts = Counter(row.origin for row in result.rows) if result else Counter()
    made, total = counts.get("synthetic", 0), counts.total()
    if not made:
        return []
    why = "generated rows are regular in ways that real requests are not; real and synthetic rows also stand apart"
    return [Limit(kind="synthetic", what=f"{made:,} of {total:,} test rows", why=why)]


def _miniatures(inputs: ReportInputs) -> list[Limit]:
    why = "a model of a few million parameters made to show the machinery; it says nothing about real models"
    return [
        Limit(kind="miniature", what=key, why=why) for key, origin in sorted(inputs.models.items()) if origin.miniature
    ]


def _absent(inputs: ReportInputs) -> list[Limit]:
    return [
        Limit(
            kind="absent", what=display_name(item.candidate.id), why=f"{item.status}: {item.reason or 'no reason kept'}"
        )
        for item in inputs.evaluations
        if item.status != "evaluated"
    ]


def _not_measured(inputs: ReportInputs, cost: SwapCost | None) -> list[Limit]:
    found = [
        (f"{TRACK_TITLES[track].lower()} of {display_name(item.candidate.id)}", "no adapter of it answers in this form")
        for item in inputs.evaluated
        for track in Track
        if track not in item.results
    ]
    shared = sorted(
        {display_name(item.candidate.id) for item in inputs.evaluated for result in item.results.values()
         if result.totals.latency_kind == "batch_share"}
    )  # fmt: skip
    if shared:
        found.append((f"response time of {', '.join(shared)}", "rows were answered in batches; each carries a share"))
    if cost:
        found += [(entry.title, entry.note) for entry in cost.inputs if entry.source == "not given"]
        found += [(entry.title, f"assumed: {entry.value:g}; {entry.note}") for entry in cost.inputs
                  if entry.source == "assumed"]  # fmt: skip
    if not inputs.trainings:
        found.append(("learning curves", "no record of a training was found"))
    if inputs.split is None:
        found.append(("leakage", "the scale's split was not found"))
    if not any(item.on == "release_test" for decision in inputs.decisions for item in decision.contrasts):
        found.append(("the sealed release rows", "they are asked once, when a release is decided"))
    return [Limit(kind="not measured", what=what, why=why) for what, why in found]
