"""Engines that answer for a small model: each gets the very prompt that the model was trained with.

What a new one has to bring is `answers`, which asks its model for `prompts` and makes each `answer` of what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from swap_assets.backends.engines.endings import turn_starts
from swap_assets.backends.engines.generation import Engine
from swap_assets.backends.engines.thinking import thinking_of
from swap_assets.backends.models import provenance
from swap_assets.backends.models.chat_template import ends_of_turn, render_prompt, template_for
from swap_assets.backends.models.local_model import load_tokenizer
from swap_assets.backends.models.provenance import Finding
from swap_assets.backends.processes.specs import GenerateSpec
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.formats.prompts import Message, prompt_hash, render_messages, system_told
from swap_assets.domain.model import EvalCase, content_hash
from swap_assets.domain.predictions import Answer, FinishReason, Usage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from swap_assets.domain.experiment.engines import EngineSettings


class AnswerLimitError(ValueError):
    """The limit would cut expected answers; the message is one sentence that names the limit to set."""


class LocalEngine(Engine):
    """Answers for the model of a spec, and says when it is ready by setting `began`; `say` takes progress lines.

    `method` and `token_budget` say afterwards how the rows were computed, and with how much of the budget left.
    ModelUnavailableError where the model or adapter is not there.
    """

    latency_kind: ClassVar[Literal["request", "batch_share"]] = "request"
    libraries: ClassVar[tuple[str, ...]] = ()  # imported before anything else, which is faster

    def __init__(self, spec: GenerateSpec, say: Callable[[str], None]) -> None:
        super().__init__()
        self.spec, self.say = spec, say
        if spec.adapter and (spec.adapter / provenance.ADAPTER_CARD).is_file():  # one made by hand has none
            again = "train the adapter again"
            provenance.require_base(provenance.adapter_card(spec.adapter, again=again), spec.weights)
        self.tokenizer = load_tokenizer(spec.weights, thinking=bool(spec.thinking))
        self.thinking = thinking_of(self.tokenizer, spec.thinking)
        # gpt-oss begins its answer as it begins a turn, so a thinking model is only watched for repeating itself.
        # So it does where calls end otherwise than words and one answer may hold both.
        channels = spec.answer_format.marks and len(ends_of_turn(self.tokenizer)) > 1
        begun = self.thinking or channels or not spec.ends_early
        starts = frozenset[int]() if begun else turn_starts(self.tokenizer)
        self.turns = starts if spec.ends_early else None
        self.artefact = spec.artefact_hash or artefact_hash(spec)
        template = template_for(self.tokenizer, spec.answer_format)
        self.prompt_hash = prompt_hash(
            spec.answer_format, spec.prompt_style, chat_template=template, system=spec.system
        )
        self.constants = {"latency_kind": self.latency_kind}
        self.longest_gold, self.method, self.token_budget = 0, "", spec.token_budget
        self.prompts: dict[str, str] = {}

    @property
    def device(self) -> str:
        """What computes the answers: `cuda`, `cpu`, or the name of a server."""
        return self.name

    @staticmethod
    def findings(key: str, settings: EngineSettings, environment: Mapping[str, str]) -> list[Finding]:
        """Say, before anything is loaded, whether the engine can be had for the model `key`."""
        return []

    def request_hashes(self, cases: Sequence[EvalCase]) -> dict[str, str]:
        """Render the prompts and name each with what answers it; AnswerLimitError where the limit cuts an answer."""
        spec = self.spec
        self.longest_gold = check_limit(self.tokenizer, cases, spec.answer_format, spec.max_new_tokens)
        how = (spec.answer_format, spec.prompt_style, spec.system)
        self.prompts = {case.id: render_prompt(self.tokenizer, asked(case, *how)) for case in cases}
        by = (self.artefact, spec.answer_format.name, self.limit, spec.epoch)
        return {name: content_hash(text, *by, *self.told_apart_by(name)) for name, text in self.prompts.items()}

    @property
    def limit(self) -> int:
        """The most tokens that are said to a case: a thought and an answer."""
        return self.spec.max_new_tokens + (self.thinking.room if self.thinking else 0)

    def told_apart_by(self, case_id: str) -> list[str]:
        """What else a request's hash covers: two engines may round otherwise, so their answers are not each other's."""
        return [self.name]

    def plan(self, missing: Sequence[EvalCase]) -> str:
        """Name the longest expected answer beside the limit."""
        return f"the longest expected answer has {self.longest_gold} tokens; the limit is {self.spec.max_new_tokens}"

    def summary(self) -> list[str]:
        """Say how the rows were computed."""
        return [self.method]

    def figures(self) -> dict[str, Any]:
        """Return the fields of the result that only the engine knows."""
        known = ("longest_gold", "method", "token_budget", "device")
        return {**{name: getattr(self, name) for name in known}, "artefact_hash": self.artefact}

    def answer(
        self, case: EvalCase, text: str, *, tokens: tuple[int, int], finish: FinishReason, seconds: float,
        card_s: float, thought: int = 0,
    ) -> Answer:  # fmt: skip
        """Return what was said to a case.

        `text` is without the token that ends it, `tokens` are those of the prompt and of the answer, its end and the
        `thought` before it included.
        `finish` says why it ended. `seconds` is the request's own time, or the row's
        share of its batch's; `card_s` its share of the cards' time: the shares of all add up to the whole.
        """
        used = Usage(prompt_tokens=tokens[0], completion_tokens=tokens[1], thinking_tokens=thought)
        return Answer(
            case_id=case.id, text=text, finish_reason=finish, usage=used, latency_s=round(seconds, 6),
            cost=self.cost(card_s), served_model=self.spec.weights.source,
        )  # fmt: skip

    def spoken(self, tokens: list[int]) -> tuple[str, int]:
        """Return an answer's text, and how many tokens were thought before; a thought without an end leaves none."""
        thought = self.thinking.length(tokens) if self.thinking else 0
        thought = len(tokens) if thought is None else thought
        bare = not self.spec.answer_format.marks
        text = str(self.tokenizer.decode(tokens[thought:], skip_special_tokens=bare))
        return text.lstrip() if thought else text, thought

    def cost(self, card_s: float) -> float | None:
        """Return what so many seconds of the cards cost, None without a card or its price."""
        price = self.spec.gpu_hour
        if price is None or self.device == "cpu":
            return None
        return card_s / 3600 * price * self.spec.engine.paid_cards


def artefact_hash(spec: GenerateSpec) -> str:
    """Name the exact weights that answer: the base's hash, and the adapter's where there is one."""
    base = provenance.weights_hash(spec.weights.source, spec.weights.revision)
    return content_hash(base, spec.weights.dtype, provenance.adapter_hash(spec.adapter) if spec.adapter else "")


def stop_tokens(own: int | list[int] | None, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end an answer: the model's `own`, the tokenizer's, and the template's ends of a turn."""
    listed = own if isinstance(own, list) else [own]
    found = [*listed, tokenizer.eos_token_id, *ends_of_turn(tokenizer)]
    return sorted({token for token in found if isinstance(token, int)})


def asked(case: EvalCase, answer_format: AnswerFormat, style: PromptStyle, system: str) -> list[Message]:
    """Return a case as the messages that a small model is asked with; `system` is what it is told of the agent's."""
    told = system_told(case.system, system)
    return render_messages(case.tools, case.history, answer_format=answer_format, style=style, system=told)


def check_limit(
    tokenizer: PreTrainedTokenizerBase, cases: Sequence[EvalCase], answer_format: AnswerFormat, limit: int
) -> int:
    """Return the tokens of the longest expected answer, its end included; AnswerLimitError where the limit cuts one.

    Gold is measured here and goes nowhere.
    """
    golds = [answer_format.write(case.gold_calls, case.gold_text) for case in cases]
    encoded: Any = tokenizer(golds, add_special_tokens=False)
    lengths = [len(tokens) + 1 for tokens in encoded["input_ids"]]
    if (longest := max(lengths)) <= limit:
        return longest
    cut = sum(length > limit for length in lengths)
    raise AnswerLimitError(
        f"max_answer_tokens {limit} would cut {cut} of {len(cases)} expected answers in the answer format "
        f"{answer_format.name} (the longest, of case {cases[lengths.index(longest)].id}, takes "
        f"{longest} tokens): set max_answer_tokens to {longest} or more in the model's entry"
    )
