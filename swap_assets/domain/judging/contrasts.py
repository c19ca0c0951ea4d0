"""Candidates beside the LLM and each other on identical rows: what every gate judges, and what rows would settle it.

A threshold on LLM - SLM (in points) is passed for sure when the whole 95 % interval lies on its good side, failed for
sure when it lies on the bad side, and inconclusive between. What an inconclusive verdict does is policy: it trains
and scales up, because the next measurement is cheap beside a wrong stop; it never releases. Each further candidate of
a decision is one more chance to be lucky, so p-values are adjusted by Holm's method (Holm 1979).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Contrast, Decision, Measured, Rivalry
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import Columns, PairedDifference, Part, RowScore, paired_difference
from swap_assets.domain.statistics import chance_of_passing, conversations_needed, holm

# Decisions compare function calling; the structured track is reported beside it.
DECIDING_TRACK = Track.TOOLCALL
PASSES = 0.025  # one-sided, the counterpart of a 95 % interval
WINS = 0.05  # two-sided


def contrast(
    slm: Evaluation, llm: Evaluation, metric: str, *, track: Track = DECIDING_TRACK, part: Part = "all",
    lengths: Mapping[int, float] | None = None,
) -> Contrast | None:  # fmt: skip
    """Compare a candidate with the LLM on the rows of a part that both have a value for.

    None where they were asked different rows or share none: such a comparison would say nothing. `lengths` are those of
    the source's conversations, as `DatasetSplit` has them.
    """
    ours, theirs = slm.track(track), llm.track(track)
    if ours is None or theirs is None:
        return None
    paired = paired_difference(ours.rows, theirs.rows, metric, part=part, lengths=lengths)
    known = {"candidate_id": slm.candidate.id, "reference_id": llm.candidate.id, "track": track, "part": part}
    return Contrast.of(paired, **known) if paired else None


def contrasts(
    candidates: Sequence[Evaluation], llm: Evaluation, metrics: Sequence[str]
) -> tuple[list[Contrast], list[str]]:
    """Compare candidates with the LLM where a call is right, metric by metric.

    Returns:
        The comparisons, and what could not be compared.
    """
    found = {
        (one.candidate.id, metric): contrast(one, llm, metric, part="call") for one in candidates for metric in metrics
    }
    apart = [key for key, item in found.items() if item is None]
    missing = [f"{name}: no row where a call is right has {metric} for it and for the LLM" for name, metric in apart]
    return [item for item in found.values() if item], missing


def evaluated(candidates: Iterable[Evaluation]) -> list[Evaluation]:
    """Return the candidates that have results."""
    return [item for item in candidates if item.status == "evaluated"]


def decide(measured: Sequence[Evaluation], *, rows_needed: int | None, **fields: Any) -> Decision:
    """Return a decision with the measurements that it rests on; only an inconclusive one says what rows it needs."""
    known = tuple(
        Measured(
            candidate_id=item.candidate.id,
            evidence_hash=item.evidence_hash(),
            dataset_hash=item.dataset_hash,
            artefact_hash=item.artefact_hash,
            prompt_hashes={track.value: result.prompt_hash for track, result in item.results.items()},
        )
        for item in measured
    )
    hashes = {item.candidate_id: item.evidence_hash for item in known}
    needed = rows_needed if fields["verdict"] == "inconclusive" else None
    return Decision(**fields, rows_needed=needed, hashes=hashes, measured=known)


def rows_to_settle(item: Contrast, limit_points: float) -> int | None:
    """Return the rows in all at which the measured distance would be told from its limit with 80 % power.

    None where the measured distance lies on the limit itself: no number would do.
    """
    if not item.conversations:
        return None
    distance = abs(limit_points - item.delta_points) / 100
    needed = conversations_needed(distance, item.deviation_points / 100, unseen=item.unseen)
    return None if needed is None else ceil(needed * item.rows / item.conversations)


def passing_for_sure(found: Sequence[Contrast], limits: Sequence[float]) -> list[bool]:
    """Say which candidates are surely within their limit on LLM - SLM (points), all of them judged in one decision.

    A single candidate passes where its interval does; of several, only those that also survive Holm's adjustment.
    """
    p_values = [
        chance_of_passing(limit - item.delta_points, low=item.low_points, high=item.high_points)
        for item, limit in zip(found, limits, strict=True)
    ]
    adjusted = holm(p_values) if len(found) > 1 else [0.0] * len(found)
    return [item.high_points <= limit and p <= PASSES for item, limit, p in zip(found, limits, adjusted, strict=True)]


def rivalries(rows: Mapping[str, Sequence[RowScore]], best: str, metric: str) -> tuple[Rivalry, ...]:
    """Compare the best candidate with each rival that answered the same rows, in the order given.

    Args:
        rows: scored rows of every candidate in the contest, the best one's among them.
        best: the id of the candidate with the highest value.
        metric: the name of the metric that is compared.
    """
    leader = Columns(rows[best])
    compared = {
        name: leader.against(Columns(rival), metric, part="call") for name, rival in rows.items() if name != best
    }
    found = {name: paired for name, paired in compared.items() if paired}
    p_values = [chance_of_no_lead(paired) for paired in found.values()]
    return tuple(
        Rivalry(
            candidate_id=best,
            rival_id=name,
            metric=metric,
            ahead_points=100 * paired.difference,
            p_value=p,
            p_adjusted=adjusted,
        )
        for (name, paired), p, adjusted in zip(found.items(), p_values, holm(p_values), strict=True)
    )


def chance_of_no_lead(difference: PairedDifference) -> float:
    """Return the two-sided p-value of "A is not ahead of B"; 1 where A is behind.

    Whole answers are compared by McNemar's exact test on conversations; everything else by the difference and its
    interval.
    """
    if difference.difference <= 0:
        return 1.0
    if difference.metric == "exact_match":
        return difference.mcnemar_p if difference.only_a > difference.only_b else 1.0
    one_sided = chance_of_passing(difference.difference, low=difference.low, high=difference.high)
    return min(1.0, 2 * one_sided)


def clear_winner(contest: Sequence[Rivalry], rivals: int) -> bool:
    """Whether the best candidate is ahead of each of its rivals by more than chance; without a rival it is."""
    return len(contest) == rivals and all(item.p_adjusted <= WINS for item in contest)
