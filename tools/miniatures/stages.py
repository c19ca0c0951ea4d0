"""The three stages of the pre-training stream: how often each kind of row is made, and how large.

Rows below `SECOND_STAGE` are of the first stage, from `THIRD_STAGE` on of the third. Composing a row lives in `stream`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.miniatures.wordings import CUES, KIND_WEIGHTS, SHORT_KIND_WEIGHTS, SURROUNDED_CUES

SECOND_STAGE = 10_000_000
THIRD_STAGE = 20_000_000


@dataclass(frozen=True)
class Stage:
    """What a stage draws: kind of row -> the draw below which it is made (above the last: calls), and weights.

    `tools`, `parameters` and `calls` weigh 1, 2, 3, ... tools on offer, parameters a tool and calls a request;
    `weights` are those of the kinds of value in `PARAMETERS`, `cues` the ways to say a value without its name. A
    `settled` conversation has one naming style and says what is meant, a `short` one mostly answers in JSON.
    """

    kinds: dict[str, float]
    tools: tuple[int, ...] = (2, 3, 3, 2)
    parameters: tuple[int, ...] = (3, 4, 2, 1)
    calls: tuple[int, ...] = (70, 24, 6)
    weights: tuple[float, ...] = KIND_WEIGHTS
    cues: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: CUES)
    settled: bool = True
    short: bool = False


FIRST = Stage({"nothing_fits": 0.04, "asks_back": 0.08, "tool_turn": 0.18}, settled=False)
SECOND = Stage(
    {
        "nothing_fits": 0.05,
        "asks_back": 0.08,
        "tool_turn": 0.12,
        "told": 0.18,
        "corrected": 0.25,
        "chained": 0.33,
        "closed": 0.37,
    }
)
THIRD = Stage(
    {"nothing_fits": 0.08, "asks_back": 0.13, "told": 0.20, "chained": 0.24, "corrected": 0.27},
    tools=(5, 4, 1),
    parameters=(2, 5, 3),
    calls=(84, 16),
    weights=SHORT_KIND_WEIGHTS,
    cues=SURROUNDED_CUES,
    short=True,
)


def stage_of(index: int) -> Stage:
    """Return the stage that a row of the stream belongs to."""
    if index < SECOND_STAGE:
        return FIRST
    return SECOND if index < THIRD_STAGE else THIRD
