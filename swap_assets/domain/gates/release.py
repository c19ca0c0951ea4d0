"""May a model's best candidate replace the LLM? The sealed rows, a person's approval, the merge."""

from collections.abc import Iterator, Sequence

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.gates.gate import RELEASE, SEALED_TEST, Deciding, Gate, Step, unusable
from swap_assets.domain.judging.contrasts import DECIDING_TRACK, contrast, contrasts, decide, evaluated, rows_to_settle
from swap_assets.domain.judging.decisions import Contrast, Decision, Override, Verdict
from swap_assets.domain.keys import RELEASE_DECISION, SCALE_UP_DECISION, models_of, partition_key
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.state import State

MAY_BE_MERGED = ("approved", "not_required")


def nominate(candidates: Sequence[Evaluation], llm: Evaluation, policy: GatePolicy) -> Contrast | None:
    """Return the contrast of the candidate that is nearest to the LLM or furthest ahead on the test rows."""
    found, _ = contrasts(evaluated(candidates), llm, [policy.primary])
    return min(found, key=lambda item: (item.delta_points, item.candidate_id), default=None)


def may_open_sealed(best: Contrast | None, policy: GatePolicy) -> bool:
    """Whether the sealed rows are worth asking: not for a candidate that the test rows show to be worse for sure."""
    return best is not None and _verdict_on(best, policy) != "fail"


def release(
    candidates: Sequence[Evaluation],
    llm: Evaluation,
    policy: GatePolicy,
    *,
    model: str,
    scale: str,
    sealed: tuple[Evaluation, Evaluation] | None = None,
) -> Decision:
    """Decide whether the best candidate of a model may replace the LLM: only when it is shown to be no worse.

    The best of several candidates on the test rows is partly the luckiest one (the winner's curse), so what counts is
    `sealed`: the nominated candidate's and the LLM's evaluation on rows that nothing else has read. Without them
    nothing is released.
    """
    rule, there = policy.release, evaluated(candidates)
    found, missing = contrasts(there, llm, [policy.primary])
    best = nominate(there, llm, policy)
    judged = contrast(*sealed, policy.primary) if sealed else None
    if judged:
        judged = judged.model_copy(update={"on": "release_test"})
        found.append(judged)
    incomplete = [text for item in (*there, llm, *(sealed or ())) if (text := _incomplete(item))]
    verdict: Verdict = "inconclusive"
    read = judged or (None if may_open_sealed(best, policy) else best)
    if read and not incomplete:
        verdict = _verdict_on(read, policy)
    shown = judged or best
    level = shown is not None and shown.delta_points <= rule.max_delta_points  # settled as passed, else as worse
    return decide(
        [*there, llm],
        name=RELEASE_DECISION,
        model=model,
        scale=scale,
        rule=(
            f"release when, on sealed rows, LLM - SLM is at most {rule.max_delta_points:g} points and SLM - LLM is "
            f"above -{rule.margin_points:g} points with 95 % confidence, on {policy.primary_metric}"
        ),
        thresholds={"max_delta_points": rule.max_delta_points, "margin_points": rule.margin_points},
        verdict=verdict,
        action="release" if verdict == "pass" else "wait",
        reason=_reason(shown, judged is not None, verdict, policy, incomplete),
        candidates=(best.candidate_id,) if best else (),
        contrasts=tuple(found),
        missing=(*missing, *incomplete),
        rows_needed=rows_to_settle(shown, rule.margin_points if level else rule.max_delta_points) if shown else None,
    )


def _verdict_on(item: Contrast, policy: GatePolicy) -> Verdict:
    if item.delta_points <= policy.release.max_delta_points and item.high_points < policy.release.margin_points:
        return "pass"
    return "fail" if item.low_points > policy.release.max_delta_points else "inconclusive"


def _incomplete(item: Evaluation) -> str:
    result = item.track(DECIDING_TRACK)
    if result is None or result.summary.complete:
        return ""
    return f"{item.candidate.id}: {result.summary.unscored} of {result.summary.cases} answers could not be obtained"


def _reason(
    item: Contrast | None, on_sealed_rows: bool, verdict: Verdict, policy: GatePolicy, incomplete: Sequence[str]
) -> str:
    if item is None:
        return "No candidate of this model has been evaluated beside the LLM: wait."
    margin = f"{policy.release.margin_points:g} points"
    ending = {
        "pass": f"no worse than the LLM within the margin of {margin}: release",
        "fail": "worse than the LLM for sure: wait",
        "inconclusive": f"not shown to be no worse within {margin}: wait"
        if on_sealed_rows
        else "the sealed release rows have not been asked: wait",
    }[verdict]
    return f"{item.sentence()}; {f'but {incomplete[0]}: wait' if incomplete else ending}."


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
    reads=("approvals",),
)
