"""How many rows each part of the data gets; every size is a count of conversations and is met exactly or refused.

One scale of the guide: `SplitSizes(train=100, validation=50, test=50)`. Which rows they are is decided in `splits`,
which cases the test splits are made of in `splits.capabilities`.
"""

from typing import ClassVar

from pydantic import Field

from swap_assets.domain.model import Frozen


class SplitSizes(Frozen):
    """The three parts of one scale, in conversations."""

    train: int = Field(ge=1, description="conversations that adapters are trained on")
    validation: int = Field(ge=0, description="conversations for the loss during training; never trained on")
    test: int = Field(ge=1, description="conversations that candidates are compared on")


class SingleTurnSizes(Frozen):
    """Conversations per difficulty of a first request; the rules are in `capabilities.difficulty`."""

    simple: int = Field(default=20, ge=0)
    moderate: int = Field(default=20, ge=0)
    complex: int = Field(default=10, ge=0)


class MultiTurnSizes(Frozen):
    """Conversations per kind of multi-turn; each is evaluated at every assistant turn, so it gives several cases."""

    clarification: int = Field(default=10, ge=0)
    sequential: int = Field(default=10, ge=0)
    context_dependent: int = Field(default=10, ge=0)


class TestSplitSizes(Frozen):
    """The capability splits, in conversations; the defaults are the guide's, the last two go beyond it."""

    __test__: ClassVar[bool] = False  # its name begins with Test, which pytest would collect

    single_turn: SingleTurnSizes = SingleTurnSizes()
    multi_turn: MultiTurnSizes = MultiTurnSizes()
    per_domain: int = Field(default=5, ge=0, description="conversations for each of the ten domains")
    no_call: int = Field(default=10, ge=0, description="tools are offered and no call is right, or asking back is")
    parallel: int = Field(default=10, ge=0, description="several calls in one answer are right")
