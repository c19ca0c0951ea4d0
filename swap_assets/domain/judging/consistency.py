"""Does a model still answer as it did? The same rows asked again, compared in pairs: after a while, and after merging.

A hosted model can change behind its name; a released one, where somebody changed what serves it. How merging goes is
in `backends.serving`, and whether a candidate may be merged at all in `gates`.
"""

from typing import Any, Literal

from swap_assets.domain.judging.contrasts import DECIDING_TRACK, contrast
from swap_assets.domain.judging.decisions import Contrast
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import paired_difference

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
    known: dict[str, Any] = {"candidate_id": name, "epoch": now.epoch, "before": before.epoch, "metric": metric}
    ours, theirs = now.evaluation.track(DECIDING_TRACK), before.evaluation.track(DECIDING_TRACK)
    paired = paired_difference(ours.rows, theirs.rows, metric) if ours and theirs else None
    if paired is None:
        told = f"{name} was asked other rows in '{before.epoch}' than in '{now.epoch}': nothing can be said."
        return Drift(**known, verdict="not_comparable", sentence=told)
    change, low, high = (100 * value for value in (paired.difference, paired.low, paired.high))
    verdict: Drifted = "inconclusive"
    told = f"may have changed: {change:+.1f} points measured"
    if low > 0 or high < 0:
        verdict, told = "drifted", f"has changed for sure, by {change:+.1f} points"
    elif -margin_points < low and high < margin_points:
        verdict, told = "steady", f"has not changed by {margin_points:g} points or more"
    span = f"95 % interval {low:+.1f} to {high:+.1f}, {paired.rows} rows, '{before.epoch}' to '{now.epoch}'"
    figures = {"change_points": change, "low_points": low, "high_points": high, "rows": paired.rows}
    return Drift(**known, **figures, verdict=verdict, sentence=f"{name} {told} on {metric} ({span}).")


class MergeVerdict(Frozen):
    """What re-scoring showed; `reason` is one sentence for a person."""

    passed: bool
    reason: str
    contrasts: tuple[Contrast, ...] = ()


def judge_merge(merged: Evaluation, adapter: Evaluation, metric: str) -> MergeVerdict:
    """Block a merged model that is worse than its adapter for sure, in any track that the adapter has.

    For sure means: the whole 95 % interval of the paired difference lies below zero. A track that cannot be compared
    blocks as well, since nothing then shows that the merge is sound.
    """
    compared = {track: contrast(merged, adapter, metric, track=track) for track in adapter.results}
    found = tuple(item for item in compared.values() if item)
    worse = [item for item in found if item.low_points > 0]
    passed, reason = bool(found) and not worse, "; ".join(map(_sentence, worse or found))
    if unscored := [(track, result.summary) for track, result in merged.results.items() if not result.summary.complete]:
        track, summary = unscored[0]
        counts = f"{summary.unscored} of {summary.cases}"
        passed, reason = False, f"{counts} {track.value} answers of the merged model could not be obtained."
    if apart := [track.value for track, item in compared.items() if item is None]:
        rows = f"The merged model and {adapter.candidate.id} share no {apart[0]} row with {metric}"
        passed, reason = False, f"{rows}, so nothing shows that the merge is sound."
    return MergeVerdict(passed=passed, reason=reason or "The adapter was measured in no track.", contrasts=found)


def _sentence(item: Contrast) -> str:
    change = -item.delta_points + 0.0  # no minus zero
    return (
        f"{item.track.value}: {item.metric} {100 * item.slm:.1f} merged against {100 * item.llm:.1f} as adapter "
        f"({change:+.1f} points, 95 % interval {-item.high_points:+.1f} to {-item.low_points:+.1f}, {item.rows} rows)"
    )
