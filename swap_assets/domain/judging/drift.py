"""Has a model drifted? The same rows asked in two measurement epochs, compared in pairs.

A hosted model can change behind its name; a released one, where somebody changed what serves it.
"""

from typing import Literal

from swap_assets.domain.judging.contrasts import DECIDING_TRACK
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.paired import paired_difference

Drifted = Literal["steady", "drifted", "inconclusive", "not_comparable"]


class Measurement(Frozen):
    """A candidate's evaluation in one measurement epoch."""

    epoch: str
    evaluation: Evaluation


class Drift(Frozen):
    """Now against before, in points of the metric (now - before) with its 95 % interval."""

    candidate_id: str
    epoch: str
    before: str
    metric: str
    verdict: Drifted
    change_points: float | None = None
    low_points: float | None = None
    high_points: float | None = None
    rows: int = 0
    sentence: str


class DriftReport(Frozen):
    """What one look at a scale found."""

    scale: str
    epoch: str
    found: tuple[Drift, ...]


def drift(now: Measurement, before: Measurement, *, metric: str, margin_points: float) -> Drift:
    """Compare two measurements of one candidate.

    `drifted` where the interval leaves no change out, `steady` where it lies within the margin, else inconclusive.

    Args:
        now: the later measurement.
        before: the one it is held against.
        metric: the field of `RowScore` that is compared.
        margin_points: the change that nobody minds.
    """
    name = now.evaluation.candidate.id
    ours, theirs = now.evaluation.track(DECIDING_TRACK), before.evaluation.track(DECIDING_TRACK)
    paired = paired_difference(ours.rows, theirs.rows, metric) if ours and theirs else None
    if paired is None:
        told = f"{name} was asked other rows in '{before.epoch}' than in '{now.epoch}': nothing can be said."
        return Drift(
            candidate_id=name, epoch=now.epoch, before=before.epoch, metric=metric, verdict="not_comparable",
            sentence=told,
        )  # fmt: skip
    change, low, high = (100 * value for value in (paired.difference, paired.low, paired.high))
    if low > 0 or high < 0:
        verdict: Drifted = "drifted"
        told = f"has changed for sure, by {change:+.1f} points"
    elif -margin_points < low and high < margin_points:
        verdict, told = "steady", f"has not changed by {margin_points:g} points or more"
    else:
        verdict, told = "inconclusive", f"may have changed: {change:+.1f} points measured"
    span = f"95 % interval {low:+.1f} to {high:+.1f}, {paired.rows} rows, '{before.epoch}' to '{now.epoch}'"
    return Drift(
        candidate_id=name, epoch=now.epoch, before=before.epoch, metric=metric, verdict=verdict, change_points=change,
        low_points=low, high_points=high, rows=paired.rows, sentence=f"{name} {told} on {metric} ({span}).",
    )  # fmt: skip
