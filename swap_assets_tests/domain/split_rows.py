"""Rows, sizes and one call that the tests of splitting share."""

import random

from swap_assets.domain.experiment.sources import MultiTurnSizes, Scale, SingleTurnSizes, TestSplitSizes
from swap_assets.domain.model import ToolResponse, Turn
from swap_assets.domain.splits.scale_split import split_scale
from swap_assets_tests.domain.data_rows import request

SCALES = {
    "tiny": Scale(train=20, validation=8, test=10),
    "small": Scale(train=60, validation=20, test=30),
}
SIZES = {"train": 40, "validation": 10, "test": 10}
PARTS = ("train", "validation", "test", "release")
NO_SPLITS = TestSplitSizes(
    single_turn=SingleTurnSizes(simple=0, moderate=0, complex=0), per_domain=0, no_call=0, parallel=0,
    multi_turn=MultiTurnSizes(clarification=0, sequential=0, context_dependent=0),
)  # fmt: skip


def passage(number: int) -> str:
    """A text of forty words that no other number's text has."""
    return " ".join(f"word{number}of{place}" for place in range(40))


def split_of(rows, scale="small", scales=SCALES, release=15, seed=42):
    return split_scale(rows, scale=scale, scales=scales, release_test=release, seed=seed)


def logged(seed, count, share):
    """Requests with no word in common, of which a share are answered with what a tool returned."""
    draw = random.Random(seed)
    answer = (Turn(role="tool", responses=(ToolResponse(name="set_light"),)), Turn(role="assistant", text="Done."))
    rows = [request(" ".join(f"{draw.getrandbits(40):x}" for _ in range(9)), row=index) for index in range(count)]
    return [row.model_copy(update={"turns": row.turns + answer}) if draw.random() < share else row for row in rows]
