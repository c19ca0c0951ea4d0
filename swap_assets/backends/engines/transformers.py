"""The engine `transformers`: the model is loaded here and decodes greedily, over one cache where it can share one.

How rows are computed together lives in `decoding`; which models can't, and what is done then, in `sharing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.engines.constrained import Grammars
from swap_assets.backends.engines.decoding import decode
from swap_assets.backends.engines.local import LocalEngine, stop_tokens
from swap_assets.backends.engines.rows import Budget, Constraint, Row
from swap_assets.backends.engines.sharing import Sharing, decode_in_batches, sharing
from swap_assets.backends.engines.thinking import Thought
from swap_assets.backends.models.chat_template import prompt_tokens
from swap_assets.backends.models.local_model import device_name, load_adapted
from swap_assets.backends.processes.specs import GenerateSpec
from swap_assets.domain.model import EvalCase
from swap_assets.domain.predictions import Answer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TransformersEngine(LocalEngine):
    """Answers in this process; ConstraintError where answers cannot be constrained, OutOfRoomError if no row fits."""

    name = "transformers"
    latency_kind = "batch_share"
    libraries = ("transformers.modeling_utils",)

    def __init__(self, spec: GenerateSpec, say: Callable[[str], None]) -> None:
        super().__init__(spec, say)
        self._grammars = Grammars(self.tokenizer, spec.answer_format) if spec.constrained else None
        self._grammar_of: dict[str, str] = {}

    @property
    def device(self) -> str:
        """The card, else the processor."""
        return device_name()

    def request_hashes(self, cases: Sequence[EvalCase]) -> dict[str, str]:
        """Name each case's request; a constrained answer is told from a free one by its grammar."""
        if self._grammars:
            self._grammar_of = {case.id: self._grammars.of(case) for case in cases}
        return super().request_hashes(cases)

    def told_apart_by(self, case_id: str) -> list[str]:
        """The grammar, where there is one."""
        return [self._grammar_of[case_id]] if self._grammars else []

    def answers(self, cases: Sequence[EvalCase]) -> Iterator[list[Answer]]:
        """Load the model and answer."""
        spec = self.spec
        loaded = load_adapted(spec.weights, spec.adapter)
        model = LocalModel(
            loaded, self.tokenizer, max_new_tokens=self.limit, token_budget=spec.token_budget, turns=self.turns,
            marks=spec.answer_format.marks,
        )  # fmt: skip
        grammars, thinking = self._grammars, self.thinking
        begins = [grammars.start(self._grammar_of[case.id], model.stops) for case in cases] if grammars else ()
        if thinking:
            begins = [lambda: Thought(thinking)] * len(cases)
        self.began = time.monotonic()
        for rows in model.stream([self.prompts[case.id] for case in cases], begins):
            yield [self._answer(cases[row.index], row) for row in rows]
        self.method, self.token_budget = model.method, model.budget.tokens

    def _answer(self, case: EvalCase, row: Row) -> Answer:
        counts, share = (len(row.prompt), len(row.tokens)), row.seconds
        text, thought = self.spoken(row.said)
        how: Any = {"tokens": counts, "finish": row.finish, "thought": thought, "seconds": share, "card_s": share}
        found = self.answer(case, text, **how)
        return found.model_copy(update={"first_token_s": None if row.first_s is None else round(row.first_s, 6)})

    def summary(self) -> list[str]:
        """Say how the rows were computed, what could not be constrained, and whether memory held the budget."""
        lines = super().summary()
        if self._grammars:
            lines.append(
                f"constrained; the arguments of {self._grammars.loose_tools} offered tools may be any JSON object, as "
                f"their schemas cannot be compiled; {self._grammars.given_up} rows outgrew the grammar's limits"
            )
        if self.token_budget < self.spec.token_budget:
            lines.append(
                f"memory held {self.token_budget} tokens at once, not {self.spec.token_budget}: set generation_tokens "
                "to that and no time goes into trying"
            )
        return lines

    def figures(self) -> dict[str, Any]:
        """Add what could not be constrained."""
        found, grammars = super().figures(), self._grammars
        return found | ({"loose_tools": grammars.loose_tools, "given_up": grammars.given_up} if grammars else {})


class LocalModel:
    """A loaded model that answers prompts greedily; each row's text is the one that it would get alone.

    With `turns`, the tokens that begin a turn, answers that no end comes to are cut.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_new_tokens: int,
        token_budget: int = 16_384, turns: frozenset[int] | None = None, marks: bool = False,
    ) -> None:  # fmt: skip
        self._model, self._tokenizer, self._max_new_tokens = model, tokenizer, max_new_tokens
        own = model.generation_config.eos_token_id if model.generation_config else None
        self.stops, self.budget, self.method = stop_tokens(own, tokenizer), Budget(token_budget), ""
        self._turns, self._sharing, self._marks = turns, None, marks

    def answer(self, prompts: Sequence[str]) -> list[str]:
        """Answer prompts and return the texts in their order."""
        rows = [row for rows in self.stream(prompts) for row in rows]
        return [row.text for row in sorted(rows, key=lambda row: row.index)]

    def stream(self, prompts: Sequence[str], constrain: Sequence[Callable[[], Constraint]] = ()) -> Iterator[list[Row]]:
        """Answer prompts and yield rows as they end, with their texts; `Row.index` says to which prompt.

        `constrain` begins the constraint of each prompt's answer; without it an answer is free. OutOfRoomError where
        memory does not hold a single row.
        """
        begins = constrain or [None] * len(prompts)
        rows = [
            Row(index, prompt_tokens(self._tokenizer, prompt), self._max_new_tokens, begin, self._turns)
            for index, (prompt, begin) in enumerate(zip(prompts, begins, strict=True))
        ]
        found = self._sharing = self._sharing or sharing(self._model)
        together = [row for row in rows if row.need <= found.longest]
        others = [row for row in rows if row.need > found.longest]
        self.method = _method(len(together), len(others), found)
        how: Any = {"stops": frozenset(self.stops), "budget": self.budget}
        yield from map(self._read, decode(self._model, together, **how))
        yield from map(self._read, decode_in_batches(self._model, others, **how, alone=found.alone))

    def _read(self, rows: list[Row]) -> list[Row]:
        for row in rows:
            row.text = str(self._tokenizer.decode(row.said, skip_special_tokens=not self._marks))
        return rows


def _method(together: int, others: int, found: Sharing) -> str:
    how = "one at a time" if found.alone else "in padded batches"
    slower = f"{others} rows {how}, since the model's cache cannot be shared: {found.reason}"
    return "; ".join([f"{together} rows over one cache"] * bool(together or not others) + [slower] * bool(others))
