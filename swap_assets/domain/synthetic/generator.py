"""The seeded generator of conversations: for the demo, for filling test splits, and where no real rows can be had.

    Please transfer 450 to Maria Lopez.   ->   transfer_money(recipient="Maria Lopez", amount=450)

Row `i` depends on the seed, `i` and the settings alone, so asking for more rows changes no earlier one. Every row
belongs to a pool (`provenance.config` is "train" or "test"): phrasings, names, places and words are reserved for one
of them, so that no test row can come out of the training stream. How much of a test row is new beyond its values is a
setting (`Novelty`). The tools are in `tools`, how each kind of conversation goes in `dialogues`.
"""

import random
from collections.abc import Iterator
from functools import cache
from typing import ClassVar, Self

from pydantic import Field, NonNegativeFloat, model_validator

from swap_assets.domain.model import Conversation, Frozen, Provenance, content_hash
from swap_assets.domain.reading.parsing import conversation_id
from swap_assets.domain.synthetic.dialogues import KINDS, Writer
from swap_assets.domain.synthetic.tools import ALL_TOOLS, DOMAINS, Pool, ToolPlan
from swap_assets.domain.synthetic.values import Values


class _Weights(Frozen):
    """Weights relative to each other; 0 leaves an entry out."""

    _without_any: ClassVar[str]

    @model_validator(mode="after")
    def _one_is_above_zero(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError(f"every weight is 0, so {self._without_any} a weight")
        return self


class KindWeights(_Weights):
    """How often each kind of conversation is made; weights relative to each other, 0 leaves a kind out."""

    _without_any = "no conversation could be made; give one kind"
    simple: NonNegativeFloat = 3
    moderate: NonNegativeFloat = 3
    complex: NonNegativeFloat = 2
    parallel: NonNegativeFloat = 2
    clarification: NonNegativeFloat = 2
    sequential: NonNegativeFloat = 2
    context_dependent: NonNegativeFloat = 2
    no_call: NonNegativeFloat = 2


class Novelty(_Weights):
    """What is new in a test row, as weights relative to each other; its values are new in every one of them."""

    _without_any = "no test row could be made; give one kind of novelty"
    values: float = Field(default=0, ge=0, description="only the values: tools and wordings are those of training rows")
    wordings: float = Field(default=1, ge=0, description="the wordings too")
    tools: float = Field(default=0, ge=0, description="the tools and their own phrasings: one of `unseen_domains`")


class GeneratorSettings(Frozen):
    """What the generator makes."""

    seed: int = 42
    rows: int = Field(default=2000, ge=1, description="conversations")
    domains: tuple[str, ...] = Field(default=DOMAINS, min_length=1)
    tools_per_domain: int = Field(default=3, ge=1, le=3, description="tools of each domain; 1 takes the shortest")
    max_distractors: int = Field(default=3, ge=0, le=8, description="tools offered beside the ones that are called")
    kinds: KindWeights = KindWeights()
    test_share: float = Field(default=0.3, ge=0, le=1, description="share of rows made from the reserved test pool")
    novelty: Novelty = Novelty()
    unseen_domains: tuple[str, ...] = Field(default=(), description="domains whose tools only test rows use")
    verbatim_values: bool = Field(default=False, description="every value of a call stands in the user's words as is")
    closing: bool = Field(default=True, description="let single requests go on to the tool's response and a summary")

    @model_validator(mode="after")
    def _domains_are_known(self) -> "GeneratorSettings":
        if unknown := [domain for domain in (*self.domains, *self.unseen_domains) if domain not in DOMAINS]:
            raise ValueError(f"there is no domain '{unknown[0]}'; expected some of {', '.join(DOMAINS)}")
        if both := [domain for domain in self.unseen_domains if domain in self.domains]:
            raise ValueError(f"'{both[0]}' stands in domains and in unseen_domains; take it out of one")
        if self.novelty.tools and not self.unseen_domains:
            raise ValueError("novelty.tools wants tools that training rows never use; name unseen_domains")
        fewest = min(len(self.domains), len(self.unseen_domains) or len(self.domains))
        if fewest * self.tools_per_domain < 2 and self.kinds.no_call:
            raise ValueError("a single tool leaves no unfitting one to offer; add a domain or set kinds.no_call to 0")
        return self


@cache
def _tools_of(domains: tuple[str, ...], first: int) -> tuple[ToolPlan, ...]:
    return tuple(tool for domain in domains for tool in [t for t in ALL_TOOLS if t.domain == domain][:first])


def generate(settings: GeneratorSettings, *, start: int = 0) -> Iterator[Conversation]:
    """Generate rows `start` to `settings.rows`, lazily; `category` is a domain, `subcategory` a kind, `task` a tool."""
    revision = content_hash(settings.model_dump(mode="json", exclude={"rows"}))
    for index in range(start, settings.rows):
        yield _generate_row(settings, index, revision)


def fill_settings(settings: GeneratorSettings, *, rows: int, seed: int) -> GeneratorSettings:
    """Return settings that make only test-pool rows, for filling test splits that real rows leave short."""
    return settings.model_copy(update={"rows": rows, "seed": seed, "test_share": 1.0})


def _generate_row(settings: GeneratorSettings, index: int, revision: str) -> Conversation:
    source = random.Random(f"{settings.seed}:{index}")
    pool: Pool = "test" if source.random() < settings.test_share else "train"
    weights, novelty = {name: weight for name, weight in settings.novelty.model_dump().items() if weight}, ""
    if pool == "test":  # with one possibility nothing is drawn, so that such rows stay as they are
        novelty = min(weights) if len(weights) == 1 else source.choices([*weights], [*weights.values()])[0]
    kind = source.choices(tuple(KINDS), weights=[getattr(settings.kinds, kind) for kind in KINDS])[0]
    domains = settings.unseen_domains if novelty == "tools" else settings.domains
    writer = Writer(
        pool=pool if novelty == "wordings" else "train", random=source,
        values=Values(pool, source, verbatim=settings.verbatim_values),
        tools=_tools_of(domains, settings.tools_per_domain), max_distractors=settings.max_distractors,
        closing=settings.closing,
    )  # fmt: skip
    plan, tools, turns = KINDS[kind](writer)
    return Conversation(
        id=conversation_id("", tools, turns),
        tools=tools,
        turns=turns,
        provenance=Provenance(
            source="synthetic", config=pool, row=index, row_id=f"{settings.seed}-{index}", revision=revision,
            origin="synthetic",
        ),
        category=plan.domain,
        subcategory=kind,
        task=plan.name,
    )  # fmt: skip
