"""Constrained decoding with llguidance: what a row may say next, from the grammar of its case.

A schema that llguidance cannot compile allows any JSON object as the arguments of its tool; both that and rows whose
constraint gave up on the way are counted. What the grammar is lives in `domain.formats`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.engines.rows import Constraint
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.calls_in_json import ANY_OBJECT, argument_schema
from swap_assets.domain.model import EvalCase

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

_NO_PACKAGE = "decoding: constrained needs the package llguidance: pip install 'swap-assets[constrained]'"


class ConstraintError(RuntimeError):
    """Answers cannot be constrained here; the message is one sentence that says what to do."""


class Grammars:
    """The compiled grammars of cases for one tokenizer; ConstraintError where llguidance is missing or cannot use it.

    `loose_tools` counts the offered tools, over all cases, whose arguments may be any JSON object. `given_up` counts
    rows that went on unconstrained because the grammar grew beyond llguidance's limits.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, answer_format: AnswerFormat) -> None:
        fast: Any = tokenizer
        try:
            import llguidance.hf

            self._tokens = llguidance.hf.from_tokenizer(fast, eos_token=fast.eos_token_id)
        except ImportError:
            raise ConstraintError(_NO_PACKAGE) from None
        except ValueError as error:
            raise ConstraintError(f"this model's tokenizer cannot be constrained ({error}); use greedy") from None
        self._format = answer_format
        self._problem = functools.cache(self._problem_of)
        self.loose_tools = self.given_up = 0

    def of(self, case: EvalCase) -> str:
        """Return the grammar of a case's answers; ConstraintError where none can be compiled."""
        schemas = [argument_schema(tool.parameters) for tool in case.tools]
        alone = [f"%llguidance {{}}\nstart: %json {json.dumps(schema)}\n" for schema in schemas]
        kept = [ANY_OBJECT if self._problem(one) else schema for one, schema in zip(alone, schemas, strict=True)]
        for attempt in (kept, [ANY_OBJECT] * len(kept)):
            try:
                grammar = self._format.grammar(case.tools, tuple(attempt))
            except ValueError as error:
                raise ConstraintError(str(error)) from None
            if not (problem := self._problem(grammar)):
                self.loose_tools += sum(schema is ANY_OBJECT for schema in attempt)
                return grammar
        told = f"the answers to case {case.id} cannot be constrained ({problem})"
        raise ConstraintError(f"{told}; take constrained out of the model's decoding")

    def start(self, grammar: str, stops: Sequence[int]) -> Callable[[], Follower]:
        """Return what begins the constraint of one answer that ends at one of the stop tokens."""
        return lambda: Follower(self._matcher(grammar), stops, self)

    def _problem_of(self, grammar: str) -> str:
        matcher = self._matcher(grammar)
        return matcher.get_error().splitlines()[0][:200] if matcher.is_error() else ""

    def _matcher(self, grammar: str) -> Any:
        from llguidance import LLMatcher

        return LLMatcher(self._tokens, LLMatcher.grammar_from_lark(grammar), log_level=0)


class Follower(Constraint):
    """Follows one answer through its grammar."""

    def __init__(self, matcher: Any, stops: Sequence[int], grammars: Grammars) -> None:
        self._matcher, self._stops, self._grammars, self._broken = matcher, stops, grammars, False

    def allow(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits, (tokens,), with what may not come next at minus infinity; stop tokens only at an end."""
        import numpy as np
        import torch

        mask = None if self._broken or self._breaks() else self._matcher.compute_bitmask()
        if mask is None or self._breaks():
            return logits
        bits = np.unpackbits(np.frombuffer(mask, dtype=np.uint8), bitorder="little")
        allowed = np.zeros(len(logits), dtype=bool)
        known = min(len(bits), len(logits))
        allowed[:known] = bits[:known]
        # A model's logits may be wider than its vocabulary, and a template's end of a turn is no end to llguidance.
        allowed[[stop for stop in self._stops if stop < len(logits)]] = self._matcher.is_accepting()
        return logits.masked_fill(~torch.from_numpy(allowed).to(logits.device), float("-inf"))

    def take(self, token: int) -> None:
        """Note the token that was chosen."""
        if not self._broken:
            self._matcher.consume_token(token)

    def _breaks(self) -> bool:
        """Whether llguidance gave up, which it says once and for all."""
        if self._matcher.is_error():
            self._broken = True
            self._grammars.given_up += 1
        return self._broken
