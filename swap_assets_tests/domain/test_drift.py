"""Drift: the same candidate on the same rows in two epochs."""

import pytest

from swap_assets.domain.judging.consistency import Measurement, drift
from swap_assets_tests.domain.evaluations import LLM, evaluation, shares


def _drift(before, now):
    first, second = (
        Measurement(epoch=name, evaluation=evaluation(LLM, values))
        for name, values in (("first", before), ("second", now))
    )
    return drift(second, first, metric="field_f1", margin_points=5)


@pytest.mark.parametrize(
    ("before", "now", "rows", "verdict"),
    [
        (160, 160, 200, "steady"),
        (160, 100, 200, "drifted"),
        (100, 160, 200, "drifted"),  # for the better, too: the decisions rest on another model
        (16, 16, 20, "inconclusive"),  # twenty equal rows do not rule out a change of 5 points
    ],
)
def test_a_change_is_told_from_chance(before, now, rows, verdict):
    found = _drift(shares(before, rows), shares(now, rows))
    assert found.verdict == verdict
    assert found.change_points == pytest.approx(100 * (now - before) / rows)
    assert "'first' to 'second'" in found.sentence


def test_other_rows_are_not_compared():
    assert _drift(shares(10, 20), shares(10, 30)).verdict == "not_comparable"
