"""How many rows in all would settle an inconclusive verdict, if what was measured is the truth."""

from collections.abc import Sequence
from math import ceil

from swap_assets.domain.judging.decisions import Contrast
from swap_assets.domain.statistics.paired import conversations_needed


def rows_to_settle(item: Contrast, limit_points: float) -> int | None:
    """Return the rows at which the measured distance would be told from its limit with 80 % power.

    None where the measured distance lies on the limit itself: no number would do.
    """
    if not item.conversations:
        return None
    distance = abs(limit_points - item.delta_points) / 100
    needed = conversations_needed(distance, item.deviation_points / 100)
    return None if needed is None else ceil(needed * item.rows / item.conversations)


def least_rows(found: Sequence[int | None]) -> int | None:
    """Return the smallest number: one candidate that settles is enough."""
    return min((rows for rows in found if rows is not None), default=None)


def most_rows(found: Sequence[int | None]) -> int | None:
    """Return the largest number: every metric has to settle; None where one never would."""
    return None if None in found else max((rows for rows in found if rows is not None), default=None)
