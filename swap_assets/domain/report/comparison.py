"""Every candidate's distance to the LLM on identical rows, and what its 95 % interval says."""

from collections.abc import Iterable
from typing import Literal

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Contrast
from swap_assets.domain.keys import Candidate
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.statistics.paired import Columns

# The guide's question "is it within 10 points of the LLM?".
WITHIN_POINTS = 10.0
Answer = Literal["yes", "no", "cannot be told"]


def llm_comparisons(inputs: ReportInputs) -> tuple[Contrast, ...]:
    """Compare every candidate with the LLM in the primary and the core metrics of each track."""
    metrics = dict.fromkeys([inputs.metric, *inputs.policy.core])
    found: list[Contrast] = []
    for track in Track:
        llm = inputs.llm.track(track) if inputs.llm else None
        if llm is None:
            continue
        reference = Columns(llm.rows)
        own = [(item, Columns(result.rows)) for item in inputs.contenders if (result := item.track(track))]
        for metric in metrics:
            compared = ((item.candidate.id, columns.against(reference, metric)) for item, columns in own)
            found += [
                Contrast.of(pair, candidate_id=name, reference_id=inputs.llm_id, track=track)
                for name, pair in compared
                if pair
            ]
    return tuple(found)


def within(item: Contrast) -> Answer:
    """Say whether a candidate is within 10 points of the LLM, by the interval alone."""
    return _answer(yes=item.high_points <= WITHIN_POINTS, no=item.low_points > WITHIN_POINTS)


def surpasses(item: Contrast) -> Answer:
    """Say whether a candidate is ahead of the LLM, by the interval alone."""
    return _answer(yes=item.high_points < 0, no=item.low_points >= 0)


def _answer(*, yes: bool, no: bool) -> Answer:
    return "yes" if yes else "no" if no else "cannot be told"


def compared_in(comparisons: Iterable[Contrast], metric: str, track: Track = Track.TOOLCALL) -> list[Contrast]:
    """Return the comparisons of a track in one metric, one a candidate."""
    return [item for item in comparisons if item.track is track and item.metric == metric]


def best_of(compared: Iterable[Contrast], *, trained: bool = False) -> Contrast | None:
    """Return the candidate nearest to the LLM, or furthest ahead; `trained` leaves out untouched models."""
    found = (item for item in compared if not trained or Candidate.from_id(item.candidate_id).approach != "none")
    return min(found, key=lambda item: (item.delta_points, item.candidate_id), default=None)
