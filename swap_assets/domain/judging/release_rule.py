"""What may follow a release decision: a merge needs a pass and, where the policy asks, a person's approval."""

from swap_assets.domain.judging.approval import Approval, standing, standing_sentence
from swap_assets.domain.judging.decisions import Decision, Override


def release_refusal(
    decision: Decision,
    override: Override | None,
    approval: Approval | None = None,
    *,
    approval_required: bool = False,
    stale: str = "",
) -> str:
    """Say why a model may not be merged under a decision; an empty text where it may.

    Without a candidate there is nothing to merge, override or not. `stale` says which evidence has changed since.
    """
    where = f"release_decision for {decision.model} at {decision.scale}"
    if not decision.candidates:
        return f"{where} names no candidate: {decision.reason}"
    if override:
        return ""
    if stale:
        return f"{where} is stale: {stale}. Materialise release_decision at '{decision.partition}' again."
    against = "To go against it give override_reason and override_by; both are recorded."
    if decision.action != "release":
        return f"{where} says {decision.action}, so nothing is merged: {decision.reason} {against}"
    if standing(decision, approval, required=approval_required) in ("approved", "not_required"):
        return ""
    told = standing_sentence(decision, approval, required=approval_required)
    return f"{where} says release, but nothing is merged: {told} {against}"
