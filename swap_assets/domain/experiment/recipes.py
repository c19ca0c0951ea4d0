"""The approaches: which adapters each makes, when they are trained, by which method and with what settings.

The defaults in `swap.yaml` are the guide's recipes: "paper" is QLoRA on Hermes answers, "fledgling" trains a
structured and a tool-call adapter.
"""

from typing import Any, Literal

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator

from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.model import Frozen


class LoraSettings(Frozen):
    """The shape of a LoRA adapter (Hu et al. 2021); the update is scaled by alpha / r."""

    r: int = Field(ge=1, le=1024)
    alpha: int = Field(ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    # "all-linear" and not a list of names: Phi's projections are fused, and a list of q_proj, k_proj misses them.
    target_modules: Literal["all-linear"] | tuple[str, ...] = "all-linear"


class TrainingSettings(Frozen):
    """One training run; rows per optimiser step = batch_size x gradient_accumulation."""

    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(default=1, ge=1)
    learning_rate: float = Field(gt=0, lt=1)
    epochs: int = Field(ge=1, le=100)
    max_length: int = Field(
        default=0, ge=0, description="tokens; longer rows are cut, counted and shown; 0: as the rows need, `length_for`"
    )
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: float = Field(default=0.0, ge=0.0, lt=1.0, description="share of the optimiser steps")
    weight_decay: float = Field(default=0.0, ge=0.0)
    quantisation: Literal["none", "nf4"] = "none"
    # Halves the optimiser steps of an epoch or worse: another recipe, and so another candidate.
    packing: bool = Field(default=False, description="several rows in one of max_length tokens, apart from each other")
    # An epoch too many costs accuracy on a hundred rows; where there are no validation rows the last one is kept.
    keep: Literal["best", "last"] = Field(default="best", description="of which epoch the adapter is")
    early_stopping_patience: int | None = Field(
        default=None, ge=1, description="epochs without a lower validation loss after which training stops; None: never"
    )
    checkpoint_minutes: float = Field(default=5.0, ge=0, description="a checkpoint after so long, and at epochs' ends")
    micro_batch: int | None = Field(default=None, ge=1, description="rows at once, not the recipe; None: by the device")


def rows_each(settings: TrainingSettings, processes: int) -> int:
    """Return each process's rows of an optimiser step; a ValueError where sharing it evenly takes another recipe."""
    rows = settings.batch_size * settings.gradient_accumulation
    if rows % processes:
        fitting = ", ".join(str(number) for number in range(1, rows + 1) if rows % number == 0)
        raise ValueError(
            f"the {rows} rows of an optimiser step (batch_size x gradient_accumulation) cannot be shared evenly by "
            f"{processes} GPUs; give gpus as one of {fitting}, or other rows a step"
        )
    return rows // processes


# The training methods, each with the class of its settings; `backends/methods/NAME.py` trains by it.
METHODS: dict[str, type[TrainingSettings]] = {"sft": TrainingSettings}


class Recipe(Frozen):
    """By which method and with what settings an adapter is trained."""

    method: str = "sft"
    lora: LoraSettings
    training: SerializeAsAny[TrainingSettings] = Field(description="of the method's own class")

    @field_validator("method")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in METHODS:
            raise ValueError(f"no such training method: expected {' or '.join(METHODS)}")
        return value

    @field_validator("training", mode="before")
    @classmethod
    def _of_the_method(cls, value: Any, info: ValidationInfo) -> Any:
        settings = METHODS.get(info.data.get("method", ""), TrainingSettings)
        # What is no settings' class of its own is left to the field, whose errors name the key.
        return value if settings is TrainingSettings or isinstance(value, settings) else settings.model_validate(value)


class Approach(Recipe):
    """Which adapters there are, one a track and together one candidate, when they train, and how."""

    adapters: dict[str, AnswerFormat]
    trains: Literal["always", "when_gate_says"]

    @field_validator("adapters", mode="before")
    @classmethod
    def _without_dropped_ones(cls, value: Any) -> Any:
        """Leave out what an entry that extends another one does not want of it: `adapters: {toolcall: null}`."""
        return {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value

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
