"""What keeps the report from saying more: what was synthetic, miniature, absent or not measured; and leakage."""

from typing import Literal

from pydantic import Field

from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.cost import SwapCost
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.wording import TRACK_TITLES, display_name, excerpt
from swap_assets.domain.splits.leakage import LeakageReport
from swap_assets.domain.splits.scale_split import SourceRows

_PARTS = {"train": "training", "validation": "validation", "test": "test", "release": "sealed release test",
          "reserve": "held out beyond these", "set_aside": "set aside as too close to a held-out row"}  # fmt: skip


class Leakage(Frozen):
    """The split's sizes in conversations, by what each part is called, and its recorded checks; texts are cut."""

    sizes: dict[str, int]
    sources: tuple[SourceRows, ...] = ()
    short: tuple[str, ...] = Field(default=(), description="sources that give less than their share, a sentence each")
    cut: int = Field(default=0, description="training rows whose answers are cut at `max_length` tokens, estimated")
    max_length: int = 0
    moved: int
    split_hash: str
    found: LeakageReport


class Limit(Frozen):
    """One thing that keeps the report from saying more than it does."""

    kind: Literal["synthetic", "miniature", "absent", "not measured"]
    what: str
    why: str


def leakage(inputs: ReportInputs) -> Leakage | None:
    """Return the split's recorded checks; None where there is no split."""
    split = inputs.split
    if split is None:
        return None
    texts = ("closest_training_text", "closest_held_out_text")
    return Leakage(
        sizes={name: len(getattr(split, part)) for part, name in _PARTS.items()}, sources=split.sources,
        short=tuple(split.short), cut=split.cut, max_length=split.max_length, moved=split.moved,
        split_hash=split.content_hash,
        found=split.leakage.model_copy(update={name: excerpt(getattr(split.leakage, name), 300) for name in texts}),
    )  # fmt: skip


def limits(inputs: ReportInputs, cost: SwapCost | None) -> tuple[Limit, ...]:
    """Return everything that was generated, played by a miniature, missing or not measured, with the reason."""
    results = [*inputs.evaluated[0].results.values()] if inputs.evaluated else []
    origins = [row.origin for result in results[:1] for row in result.rows]
    generated = f"{origins.count('synthetic'):,} of {len(origins):,} test rows"
    why = "generated rows are regular in ways that real requests are not; real and synthetic rows also stand apart"
    miniature = "a model of a few million parameters made to show the machinery; it says nothing about real models"
    return (
        *([Limit(kind="synthetic", what=generated, why=why)] if "synthetic" in origins else []),
        *(Limit(kind="miniature", what=key, why=miniature) for key, origin in sorted(inputs.models.items())
          if origin.miniature),
        *(Limit(kind="absent", what=display_name(item.candidate.id),
                why=f"{item.status}: {item.reason or 'no reason kept'}")
          for item in inputs.evaluations if item.status != "evaluated"),
        *(Limit(kind="not measured", what=what, why=why) for what, why in _not_measured(inputs, cost)),
    )  # fmt: skip


def _not_measured(inputs: ReportInputs, cost: SwapCost | None) -> list[tuple[str, str]]:
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
    entries = cost.inputs if cost else ()
    found += [(entry.title, entry.note) for entry in entries if entry.source == "not given"]
    found += [(one.title, f"assumed: {one.value:g}; {one.note}") for one in entries if one.source == "assumed"]
    asked = any(item.on == "release_test" for decision in inputs.decisions for item in decision.contrasts)
    there = {
        ("learning curves", "no record of a training was found"): inputs.trainings,
        ("leakage", "the scale's split was not found"): inputs.split,
        ("the sealed release rows", "they are asked once, when a release is decided"): asked,
    }
    return found + [entry for entry, known in there.items() if not known]
