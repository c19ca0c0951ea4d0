"""What a decision is, once made: rule, evidence, verdict, action, reason. Making one lives in `domain.gates`.

A release may need a person's approval: given by name, bound to the evidence it was given on, void when that changes.

release_decision for phi-4-mini|large: verdict inconclusive, action wait,
reason "phi-4-mini--large--paper--greedy--adapter is 1.2 points behind gpt-4o--large... on field_f1 (...)"
"""

import re
from typing import Any, Literal

from pydantic import Field

from swap_assets.domain.formats.base import Track
from swap_assets.domain.keys import partition_key
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.scoring.scores import PairedDifference, Part

Verdict = Literal["pass", "fail", "inconclusive"]
Standing = Literal["not_required", "waiting", "approved", "rejected", "void"]
# What a person writes into the description where an event is reported in the UI.
_REPORTED = re.compile(r"^\s*(approved?|reject(?:ed)?)\s+by\s+([^:]+?)\s*:\s*(.+)$", re.IGNORECASE | re.DOTALL)
_ROWS = {"test": "rows", "release_test": "sealed rows"}
_PARTS: dict[Part, str] = {
    "all": "", "call": " where a call is right", "no_call": " where no call is right",
    "real": " that are real", "synthetic": " that were generated",
}  # fmt: skip


class Contrast(Frozen):
    """An SLM candidate against the LLM on identical rows, for one metric of one track.

    `delta_points` is LLM - SLM in points (100 x a share), as the guide has it; `low_points` and `high_points` are its
    95 % interval. `on` and `part` say which rows: the test rows, or the sealed ones that only a release reads, and of
    them those on which a call is right, or is not. `at_worst_points` is what a release reads: LLM - SLM at most, with
    room for total failures that nobody saw.
    `percent_of_llm` is relative, None where the LLM's value is 0.
    """

    candidate_id: str
    reference_id: str
    track: Track
    metric: str
    slm: float
    llm: float
    delta_points: float
    low_points: float
    high_points: float
    at_worst_points: float = 100.0
    rows: int
    on: Literal["test", "release_test"] = "test"
    part: Part = "all"
    conversations: int = 0
    deviation_points: float = Field(default=0.0, description="of the difference, from conversation to conversation")
    unseen: float = Field(default=3.7, description="conversations times the share of rows that may fail unseen")

    @classmethod
    def of(cls, paired: PairedDifference, **known: Any) -> "Contrast":
        """Return SLM − LLM of identical rows as a contrast; `known` says of whom, on which track and rows."""
        return cls(
            metric=paired.metric, slm=paired.mean_a, llm=paired.mean_b, delta_points=-100 * paired.difference,
            low_points=-100 * paired.high, high_points=-100 * paired.low, at_worst_points=-100 * paired.surely_above,
            rows=paired.rows, conversations=paired.conversations, deviation_points=100 * paired.conversation_deviation,
            unseen=paired.unseen, **known,
        )  # fmt: skip

    @property
    def percent_of_llm(self) -> float | None:
        """The SLM's value in percent of the LLM's."""
        return 100 * self.slm / self.llm if self.llm else None

    @property
    def told_rows(self) -> str:
        """Which rows, in words: `52 sealed rows where a call is right`."""
        return f"{self.rows} {_ROWS[self.on]}{_PARTS[self.part]}"

    def sentence(self) -> str:
        """Say the contrast in words."""
        side = "behind" if self.delta_points > 0 else "ahead of"
        return (
            f"{self.candidate_id} is {abs(self.delta_points):.1f} points {side} {self.reference_id} on "
            f"{self.metric} ({100 * self.slm:.1f} against {100 * self.llm:.1f}; 95 % interval of LLM - SLM "
            f"{self.low_points:+.1f} to {self.high_points:+.1f}, {self.told_rows})"
        )


class Rivalry(Frozen):
    """The best candidate against one rival on identical rows: is it ahead by more than chance?

    `ahead_points` is best - rival in points. `p_value` is two-sided: McNemar's exact test where whole answers are
    compared, else from the difference and its interval. `p_adjusted` is Holm's over all
    rivals of one decision.
    """

    candidate_id: str
    rival_id: str
    metric: str
    ahead_points: float
    p_value: float
    p_adjusted: float


class Measured(Frozen):
    """Which measurement of a candidate a decision rests on: hashes of figures, rows, weights, and prompts by track."""

    candidate_id: str
    evidence_hash: str
    dataset_hash: str
    artefact_hash: str
    prompt_hashes: dict[str, str] = Field(default_factory=dict)


class Suggestion(Frozen):
    """Something to try, and the entry to paste for it, with the section of the experiment file that it belongs to."""

    text: str
    entry: str

    @property
    def section(self) -> str:
        """The key of the experiment file below which the entry's line belongs."""
        return self.entry.split(":", 1)[0]

    @property
    def line(self) -> str:
        """The line to paste there."""
        return self.entry.split("\n", 1)[1]


class Override(Frozen):
    """A person going against a gate, by name and with a reason; it is recorded in whatever it lets through."""

    reason: str = Field(min_length=3)
    by: str = Field(min_length=1)


class Decision(Frozen):
    """One recorded decision. The verdict says what the evidence shows; the action, what the policy makes of it."""

    name: str
    scale: str
    model: str = ""
    rule: str
    thresholds: dict[str, float]
    verdict: Verdict
    action: str
    reason: str
    candidates: tuple[str, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    slices: tuple[Contrast, ...] = Field(
        default=(), description="parts of the rows by themselves: where no call is right, real ones, generated ones"
    )
    winner: str = Field(default="", description="the one candidate that is clearly ahead of every rival, if any")
    rivalries: tuple[Rivalry, ...] = Field(default=(), description="the best candidate against each rival")
    missing: tuple[str, ...] = Field(default=(), description="expected evidence that was not there, and why")
    hashes: dict[str, str] = Field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    rows_needed: int | None = Field(
        default=None, description="rows in all that would settle an inconclusive verdict, if what was measured is true"
    )
    suggestions: tuple[Suggestion, ...] = ()
    decided_by: str = "policy"
    decided_at: str = ""
    approval: str = Field(
        default="", description="a person's verdict on a release; added where it is shown, never stored"
    )

    def content(self) -> str:
        """Hash what was decided on what; not who, when, and what people say: the same evidence has the same hash."""
        return content_hash(self.model_dump(mode="json", exclude={"decided_by", "decided_at", "approval"}))

    @property
    def partition(self) -> str:
        """The partition key it was made for: the scale, or `MODEL|SCALE`."""
        return partition_key(self.model, self.scale) if self.model else self.scale


class Approval(Frozen):
    """One person's verdict on a release decision; `evidence_hash` is the `content()` of the decision it is on.

    `by` is what the person wrote: nothing here checks who it was. `given` says by which way it came.
    """

    decision: Literal["release_decision"] = "release_decision"
    model: str
    scale: str
    verdict: Literal["approved", "rejected"]
    by: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=3, max_length=2000)
    evidence_hash: str
    given: Literal["command", "ui"] = "command"
    at: str = ""

    @property
    def partition(self) -> str:
        """The partition key of the release that it is on."""
        return partition_key(self.model, self.scale)

    def content(self) -> str:
        """Hash everything but when."""
        return content_hash(self.model_dump(mode="json", exclude={"at"}))

    def sentence(self) -> str:
        """Say it in words; the name is self-declared and is said to be."""
        how = {"command": "by command", "ui": "in the UI"}[self.given]
        return f"{self.verdict} by {self.by} (self-declared, {how}) at {self.at or 'an unknown time'}: {self.reason}"


def read_reported(text: str) -> tuple[Literal["approved", "rejected"], str, str] | None:
    """Read `approved by NAME: REASON` or `rejected by NAME: REASON`; None where a text is neither.

    Returns:
        Verdict, name, reason.
    """
    found = _REPORTED.match(text)
    if found is None or len(found[3].strip()) < 3:
        return None
    verdict = "approved" if found[1].lower().startswith("approve") else "rejected"
    return verdict, found[2].strip(), found[3].strip()
