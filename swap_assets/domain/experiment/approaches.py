"""The approaches: which adapters each makes, when they are trained and by which recipe.

The defaults in `swap.yaml` are the guide's recipes: "paper" is QLoRA on Hermes answers, "fledgling" trains a
structured and a tool-call adapter.
"""

from typing import Literal

from pydantic import field_validator

from swap_assets.domain.experiment.recipe import Recipe
from swap_assets.domain.formats.base import AnswerFormat, Track


class Approach(Recipe):
    """A way to make adapters: which answer format each adapter learns, when it trains, by what method and settings.

    The adapters together are one candidate: each answers a track of its own.
    """

    adapters: dict[str, AnswerFormat]
    trains: Literal["always", "when_gate_says"]

    @field_validator("adapters")
    @classmethod
    def _has_an_adapter(cls, value: dict[str, AnswerFormat]) -> dict[str, AnswerFormat]:
        if not value:
            raise ValueError("name at least one adapter and its answer format, for example {toolcall: hermes}")
        by_track: dict[Track, str] = {}
        for name, answer_format in value.items():
            other = by_track.setdefault(answer_format.track, name)
            if other != name:
                raise ValueError(f"{other} and {name} both answer the {answer_format.track.value} track; keep one")
        return value

    @property
    def tracks(self) -> dict[str, Track]:
        """Which track each adapter answers."""
        return {name: answer_format.track for name, answer_format in self.adapters.items()}
