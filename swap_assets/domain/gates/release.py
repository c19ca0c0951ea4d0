"""May a model's best candidate replace the LLM? The sealed rows, a person's approval, the merge."""

from collections.abc import Iterator

from swap_assets.domain.gates.gate import Deciding, Gate, Step, unusable
from swap_assets.domain.gates.jobs import RELEASE, SEALED_TEST
from swap_assets.domain.judging.decisions import Decision, Override
from swap_assets.domain.keys import RELEASE_DECISION, SCALE_UP_DECISION, models_of, partition_key
from swap_assets.domain.state import State

MAY_BE_MERGED = ("approved", "not_required")


def _releases(state: State) -> Iterator[Step | str]:
    """Ask the sealed rows after the last scale, and release what passed and, where asked for, was approved."""
    last = list(state.experiment.scales)[-1]
    decision = state.in_force(SCALE_UP_DECISION, last) if last in state.admitted() else None
    if decision is None:
        yield unusable(state, SCALE_UP_DECISION, last) or f"the last scale, {last}, has not been reached"
    elif not decision.candidates:
        yield f"{last}: {decision.action}. {decision.reason}"
    else:
        yield from (_release(state, decision, partition_key(model, last)) for model in models_of(decision.candidates))


def _release(state: State, scaled_up: Decision, key: str) -> Step | str:
    decision = state.decision(RELEASE_DECISION, key)
    if decision is None or state.stale(decision):
        because = unusable(state, RELEASE_DECISION, key) if decision else scaled_up.reason
        return Step(job=SEALED_TEST.name, partition=key, because=because, evidence=(scaled_up.content(),))
    if decision.action != "release":
        return f"{key}: wait. {decision.reason}"
    told, where = state.approval_sentence(decision), state.standing(decision)
    if where not in MAY_BE_MERGED:
        return f"{key}: {told}"
    approved = state.approvals[key].content() if where == "approved" else ""
    return Step(job=RELEASE.name, partition=key, because=told, evidence=(decision.content(), approved))


def release_refusal(decision: Decision, override: Override | None, state: State) -> str:
    """Say why a model may not be merged under a decision; an empty text where it may.

    Without a candidate there is nothing to merge, override or not.
    """
    where = f"release_decision for {decision.model} at {decision.scale}"
    if not decision.candidates:
        return f"{where} names no candidate: {decision.reason}"
    if override:
        return ""
    if stale := state.stale(decision):
        return f"{where} is stale: {stale}. Materialise release_decision at '{decision.partition}' again."
    against = "To go against it give override_reason and override_by; both are recorded."
    if decision.action != "release":
        return f"{where} says {decision.action}, so nothing is merged: {decision.reason} {against}"
    if state.standing(decision) in MAY_BE_MERGED:
        return ""
    return f"{where} says release, but nothing is merged: {state.approval_sentence(decision)} {against}"


def _follows(decision: Decision, state: State) -> str:
    where = state.standing(decision)
    if decision.action != "release":
        return ""
    if where in MAY_BE_MERGED:
        return RELEASE.command(decision.partition)
    if where == "rejected":
        return "none: it was rejected, and stays so until the evidence changes or somebody approves it"
    return f"swap-assets approve '{decision.name}:{decision.partition}' --by NAME --reason TEXT"


RELEASE_GATE = Gate(
    name="release_gate",
    description="Asks the sealed rows after the last scale; merges what passed and, where asked for, was approved.",
    due=_releases,
    jobs=(SEALED_TEST, RELEASE),
    decision=Deciding(RELEASE_DECISION, "model", _follows),
    reads_approvals=True,
)
