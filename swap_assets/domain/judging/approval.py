"""A person's approval of a release: given by name, bound to the evidence it was given on, void when that changes.

    {"model": "phi-4-mini", "scale": "large", "verdict": "approved", "by": "Ada", "reason": "tried it for a week",
     "evidence_hash": "5f0c...", "at": "2026-11-23T23:00:00+00:00"}

`by` is what the person wrote: nothing here checks who it was.
"""

import re
from typing import Literal

from pydantic import Field

from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import partition_key
from swap_assets.domain.model import Frozen, content_hash

Standing = Literal["not_required", "waiting", "approved", "rejected", "void"]
# What a person writes into the description where an event is reported in the UI.
_REPORTED = re.compile(r"^\s*(approved?|reject(?:ed)?)\s+by\s+([^:]+?)\s*:\s*(.+)$", re.IGNORECASE | re.DOTALL)


class Approval(Frozen):
    """One person's verdict on a release decision; `evidence_hash` is the `content()` of the decision it is on."""

    decision: Literal["release_decision"] = "release_decision"
    model: str
    scale: str
    verdict: Literal["approved", "rejected"]
    by: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=3, max_length=2000)
    evidence_hash: str
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
        return f"{self.verdict} by {self.by} (self-declared) at {self.at or 'an unknown time'}: {self.reason}"


def standing(decision: Decision, approval: Approval | None, *, required: bool) -> Standing:
    """Return where a passed release stands with people; a rejection counts even where no approval is asked for."""
    if approval is not None and approval.evidence_hash == decision.content():
        return approval.verdict
    if not required:
        return "not_required"
    return "waiting" if approval is None else "void"


def standing_sentence(decision: Decision, approval: Approval | None, *, required: bool) -> str:
    """Say where a passed release stands, and what to do about it."""
    where = standing(decision, approval, required=required)
    command = f"swap-assets approve '{decision.name}:{decision.partition}' --by NAME --reason TEXT"
    if where in ("approved", "rejected"):
        assert approval is not None
        return f"The release was {approval.sentence().rstrip('.')}."
    return {
        "not_required": "The policy asks for nobody's approval (gates.release.approval: none).",
        "waiting": f"Waiting for a person: {command}, or reject.",
        "void": f"The approval given was on other evidence, so it is void; look again: {command}, or reject.",
    }[where]


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
