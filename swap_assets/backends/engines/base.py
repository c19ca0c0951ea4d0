"""What every engine is: cases go in, answers come out as they end. What is done with the answers lives in `generation`.

An engine is one file of this folder. One that answers for a small model is a `local.LocalEngine`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.predictions import FinishReason, Usage


class Answer(NamedTuple):
    """What was said to one case, and what only the engine knows of it; the fields are those of a `PredictionRecord`."""

    case_id: str
    text: str = ""
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    latency_s: float = 0.0
    first_token_s: float | None = None
    cost: float | None = None
    error: str = ""
    served_model: str = ""
    fingerprint: str = ""
    seed: int | None = None
    retries: int = 0


class Engine(ABC):
    """Answers cases.

    `prompt_hash` names the renderer of its prompts, `constants` are fields that all its records share, `began` is when
    the first question went out (monotonic, seconds): loading is no answering. `calls` and `retries` (by reason) are
    those of a service that is asked over a network.
    """

    name: ClassVar[str]
    prompt_hash: str = ""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.constants: dict[str, Any] = {}
        self.retries: Mapping[str, int] = {}

    @property
    def calls(self) -> int:
        """How many requests went out."""
        return 0

    @abstractmethod
    def request_hashes(self, cases: Sequence[EvalCase]) -> dict[str, str]:
        """Name each case's request: equal hashes are answered alike. Called once, with all cases, before the rest."""

    @abstractmethod
    def answers(self, cases: Sequence[EvalCase]) -> Iterator[list[Answer]]:
        """Answer cases, some of those that `request_hashes` was given, and yield answers as they come, in any order."""

    def remembered(self, cases: Sequence[EvalCase]) -> list[Answer] | None:
        """Return the answers that the engine keeps itself; None where the file of records is all there is."""
        return None

    @abstractmethod
    def plan(self, missing: Sequence[EvalCase]) -> str:
        """Say in a line what asking the missing cases comes to."""

    def summary(self) -> list[str]:
        """Say afterwards how it went."""
        return []
