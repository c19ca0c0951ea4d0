"""Several candidates in one decision: which of them passes, and is one clearly the best?

Each further candidate is one more chance to be lucky, so p-values are adjusted by Holm's method (Holm 1979).
"""

from collections.abc import Mapping, Sequence

from swap_assets.domain.judging.decisions import Contrast, Rivalry
from swap_assets.domain.scoring.paired import Columns, PairedDifference
from swap_assets.domain.scoring.scores import RowScore
from swap_assets.domain.statistics import chance_of_passing, holm

PASSES = 0.025  # one-sided, the counterpart of a 95 % interval
WINS = 0.05  # two-sided


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
    found: dict[str, PairedDifference] = {}
    leader = Columns(rows[best])
    for name, rival in rows.items():
        if name == best:
            continue
        if paired := leader.against(Columns(rival), metric):
            found[name] = paired
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
    interval, which is resampled by conversation.
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
