"""Whether a merged model still answers as its adapter did: the paired difference on identical rows.

Not here: how merging goes (`backends.merging`), and whether a candidate may be merged at all (`gates`).
"""

from swap_assets.domain.judging.contrasts import contrast
from swap_assets.domain.judging.decisions import Contrast
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Evaluation


class MergeVerdict(Frozen):
    """What re-scoring showed; `reason` is one sentence for a person."""

    passed: bool
    reason: str
    contrasts: tuple[Contrast, ...] = ()


def judge_merge(merged: Evaluation, adapter: Evaluation, metric: str) -> MergeVerdict:
    """Block a merged model that is worse than its adapter for sure, in any track that the adapter has.

    For sure means: the whole 95 % interval of the paired difference, resampled by conversation, lies below zero. A
    track that cannot be compared blocks as well, since nothing then shows that the merge is sound.
    """
    found = []
    for track in adapter.results:
        item = contrast(merged, adapter, metric, track=track)
        if item is None:
            return MergeVerdict(
                passed=False,
                reason=f"The merged model and {adapter.candidate.id} share no {track.value} row with {metric}, so "
                "nothing shows that the merge is sound.",
                contrasts=tuple(found),
            )
        found.append(item)
    if unscored := _unscored(merged):
        return MergeVerdict(passed=False, reason=unscored, contrasts=tuple(found))
    worse = [item for item in found if item.low_points > 0]
    passed = bool(found) and not worse
    shown = worse or found
    reason = "; ".join(_sentence(item) for item in shown) if shown else "The adapter was measured in no track."
    return MergeVerdict(passed=passed, reason=reason, contrasts=tuple(found))


def _unscored(merged: Evaluation) -> str:
    for track, result in merged.results.items():
        if not result.summary.complete:
            counts = f"{result.summary.unscored} of {result.summary.cases}"
            return f"{counts} {track.value} answers of the merged model could not be obtained."
    return ""


def _sentence(item: Contrast) -> str:
    change = -item.delta_points + 0.0  # no minus zero
    return (
        f"{item.track.value}: {item.metric} {100 * item.slm:.1f} merged against {100 * item.llm:.1f} as adapter "
        f"({change:+.1f} points, 95 % interval {-item.high_points:+.1f} to {-item.low_points:+.1f}, {item.rows} rows)"
    )
