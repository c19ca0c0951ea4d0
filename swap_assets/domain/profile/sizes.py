"""Sizes for an experiment on somebody's own data: the guide's where there are rows enough, shares of them elsewhere."""

from collections.abc import Sequence

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.experiment.sizes import SplitSizes
from swap_assets.domain.model import Frozen
from swap_assets.domain.splits.scale_split import TooFewRowsError, split_scale

LEAST_ROWS = 20  # below this a test split has two or three rows, and no interval says anything
_GUIDE = {
    "small": SplitSizes(train=100, validation=50, test=50),
    "large": SplitSizes(train=1000, validation=200, test=200),
}
_GUIDE_RELEASE = 500
_SHARES = {"train": 0.45, "validation": 0.1, "test": 0.15, "release": 0.2}  # the rest is slack for rows set aside
_TRIES = 20
_SHRINK = 0.9


class ProposedSizes(Frozen):
    """Sizes that the data can fill; checked by splitting for them."""

    scales: dict[str, SplitSizes]
    release_test: int


def propose_sizes(conversations: Sequence[Conversation], *, seed: int) -> ProposedSizes:
    """Return the largest sizes, at most the guide's, that the conversations can fill.

    Raises:
        TooFewRowsError: there are fewer conversations than an experiment can be made with.
    """
    if len(conversations) < LEAST_ROWS:
        raise TooFewRowsError(
            f"{len(conversations)} conversations are too few for an experiment; collect at least {LEAST_ROWS}, "
            "and some hundreds for a verdict with a narrow interval"
        )
    rows = float(len(conversations))
    for _ in range(_TRIES):
        proposed = _sizes(rows)
        try:
            _split(conversations, proposed, seed=seed)
        except TooFewRowsError:
            rows *= _SHRINK
            continue
        return proposed
    raise TooFewRowsError(
        f"too few of the {len(conversations)} conversations differ enough, or have answers read without repair, "
        "to keep tests apart from training; collect more varied ones"
    )


def _sizes(rows: float) -> ProposedSizes:
    guide = _GUIDE["large"]
    large = SplitSizes(
        train=max(1, min(guide.train, int(rows * _SHARES["train"]))),
        validation=min(guide.validation, int(rows * _SHARES["validation"])),
        test=max(1, min(guide.test, int(rows * _SHARES["test"]))),
    )
    small = _GUIDE["small"]
    fits = large.train > small.train and large.validation >= small.validation and large.test >= small.test
    return ProposedSizes(
        scales={"small": small, "large": large} if fits else {"small": large},
        release_test=min(_GUIDE_RELEASE, int(rows * _SHARES["release"])),
    )


def _split(conversations: Sequence[Conversation], proposed: ProposedSizes, *, seed: int) -> None:
    largest = list(proposed.scales)[-1]
    split_scale(conversations, scale=largest, scales=proposed.scales, release_test=proposed.release_test, seed=seed)
