"""Whether a merged model is let through beside its adapter."""

import pytest

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.consistency import judge_merge
from swap_assets.domain.keys import Form
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets_tests.domain.evaluations import FLEDGLING, PAPER, evaluation, shares

MERGED = PAPER.model_copy(update={"form": Form.MERGED})


@pytest.mark.parametrize(
    ("right", "passed"),
    [
        (80, True),  # the same answers
        (100, True),  # better ones
        (79, True),  # one row lost, which chance explains
        (70, False),  # ten of a hundred lost, all in one direction
        (0, False),
    ],
)
def test_only_a_drop_that_chance_does_not_explain_blocks(right, passed):
    judged = judge_merge(evaluation(MERGED, shares(right, 100)), evaluation(PAPER, shares(80, 100)), "field_f1")
    assert judged.passed is passed
    assert f"{right:.1f} merged against 80.0 as adapter" in judged.reason
    assert "100 rows" in judged.reason


def test_every_track_of_the_adapter_counts():
    def pair(candidate, structured, toolcall) -> Evaluation:
        rows = [(Track.STRUCTURED, structured), (Track.TOOLCALL, toolcall)]
        results = {track: evaluation(candidate, shares(n, 60), track=track).results[track] for track, n in rows}
        return Evaluation(candidate=candidate, results=results)

    before = pair(FLEDGLING, 50, 50)
    assert judge_merge(pair(MERGED, 50, 50), before, "field_f1").passed
    judged = judge_merge(pair(MERGED, 20, 50), before, "field_f1")
    assert not judged.passed
    assert judged.reason.startswith("structured:")


def test_what_cannot_be_compared_is_blocked():
    before = evaluation(PAPER, shares(8, 10))
    assert not judge_merge(evaluation(MERGED, shares(8, 9)), before, "field_f1").passed
    missing = judge_merge(evaluation(MERGED, [*shares(8, 9), None]), before, "field_f1")
    assert not missing.passed
    assert "1 of 10 toolcall answers of the merged model could not be obtained" in missing.reason
    assert not judge_merge(evaluation(MERGED, shares(8, 10)), Evaluation(candidate=PAPER), "field_f1").passed
