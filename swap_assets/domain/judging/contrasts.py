"""Candidates beside the LLM on identical rows: what every gate judges, and how many rows would settle it.

A threshold on LLM - SLM (in points) is passed for sure when the whole 95 % interval lies on its good side, failed for
sure when it lies on the bad side, and inconclusive between. What an inconclusive verdict does is policy: it trains
and scales up, because the next measurement is cheap beside a wrong stop; it never releases.
"""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Contrast, Decision, Measured
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.paired import paired_difference
from swap_assets.domain.statistics import conversations_needed

# Decisions compare function calling; the structured track is reported beside it.
DECIDING_TRACK = Track.TOOLCALL


def contrast(slm: Evaluation, llm: Evaluation, metric: str, *, track: Track = DECIDING_TRACK) -> Contrast | None:
    """Compare a candidate with the LLM on the rows that both have a value for.

    None where they were asked different rows or share none: such a comparison would say nothing.
    """
    ours, theirs = slm.track(track), llm.track(track)
    if ours is None or theirs is None:
        return None
    paired = paired_difference(ours.rows, theirs.rows, metric)
    ids = {"candidate_id": slm.candidate.id, "reference_id": llm.candidate.id}
    return Contrast.of(paired, track=track, **ids) if paired else None


def contrasts(
    candidates: Sequence[Evaluation], llm: Evaluation, metrics: Sequence[str]
) -> tuple[list[Contrast], list[str]]:
    """Compare candidates with the LLM, metric by metric; the second list says what could not be compared."""
    found = {(one.candidate.id, metric): contrast(one, llm, metric) for one in candidates for metric in metrics}
    apart = [key for key, item in found.items() if item is None]
    missing = [f"{name}: no row has {metric} for it and for the LLM" for name, metric in apart]
    return [item for item in found.values() if item], missing


def evaluated(candidates: Iterable[Evaluation]) -> list[Evaluation]:
    """Return the candidates that have results."""
    return [item for item in candidates if item.status == "evaluated"]


def decide(measured: Sequence[Evaluation], *, rows_needed: int | None, **fields: Any) -> Decision:
    """Return a decision with the measurements that it rests on; only an inconclusive one says what rows it needs."""
    return Decision(
        **fields,
        rows_needed=rows_needed if fields["verdict"] == "inconclusive" else None,
        hashes={item.candidate.id: item.evidence_hash() for item in measured},
        measured=tuple(
            Measured(
                candidate_id=item.candidate.id,
                evidence_hash=item.evidence_hash(),
                dataset_hash=item.dataset_hash,
                artefact_hash=item.artefact_hash,
                prompt_hashes={track.value: result.prompt_hash for track, result in item.results.items()},
            )
            for item in measured
        ),
    )


def rows_to_settle(item: Contrast, limit_points: float) -> int | None:
    """Return the rows in all at which the measured distance would be told from its limit with 80 % power.

    None where the measured distance lies on the limit itself: no number would do.
    """
    if not item.conversations:
        return None
    distance = abs(limit_points - item.delta_points) / 100
    needed = conversations_needed(distance, item.deviation_points / 100)
    return None if needed is None else ceil(needed * item.rows / item.conversations)
