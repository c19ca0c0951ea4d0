"""May a model's best candidate replace the LLM? The sealed rows, a person's approval, the merge."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.gates.gate import RELEASE, SEALED_TEST, Deciding, Gate, Step, unusable
from swap_assets.domain.judging.contrasts import DECIDING_TRACK, contrast, contrasts, decide, evaluated, rows_to_settle
from swap_assets.domain.judging.decisions import Contrast, Decision, Override, Verdict
from swap_assets.domain.judging.floors import Floors, floors, thresholds, together
from swap_assets.domain.keys import RELEASE_DECISION, SCALE_UP_DECISION, models_of, partition_key
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import Part
from swap_assets.domain.state import State

MAY_BE_MERGED = ("approved", "not_required")
_ORIGINS: tuple[Part, ...] = ("real", "synthetic")
_NONE_IN_COMMON = "the sealed rows hold none where a call is right that both have answered"
_RULE = (
    "release when, on sealed rows where a call is right, LLM - SLM is at most {rule.max_delta_points:g} points and "
    "SLM - LLM is above -{rule.margin_points:g} points with 95 % confidence and room for unseen failures, on {metric}; "
    "no other core metric is surely further behind, the candidate stands above the floors, and {rule.real_share:.0%} "
    "of the rows or more are real"
)


def nominate(candidates: Sequence[Evaluation], llm: Evaluation, policy: GatePolicy) -> Contrast | None:
    """Return the contrast of the candidate that is nearest to the LLM or furthest ahead on the test rows.

    One above the floors comes before one that is not.
    """
    there = evaluated(candidates)
    found, _ = contrasts(there, llm, [policy.primary])
    fallen = {item.candidate.id for item in there if _floors(item, llm, policy).verdict == "fail"}
    order = {item.candidate_id: (item.candidate_id in fallen, item.delta_points, item.candidate_id) for item in found}
    return min(found, key=lambda item: order[item.candidate_id], default=None)


def may_be_asked(candidates: Sequence[Evaluation], llm: Evaluation, policy: GatePolicy) -> Contrast | None:
    """Return the nominated candidate's contrast where the sealed rows are worth asking.

    None where the test rows show it to be worse for sure, or below a floor.
    """
    on_test = _best_of(candidates, llm, policy)
    return on_test.contrast if on_test and _verdict_on(on_test, policy) != "fail" else None


class _Read(NamedTuple):
    """What a release is judged by: a candidate on some rows, its floors, and what keeps it from being judged."""

    contrast: Contrast
    stands: Floors
    slices: tuple[Contrast, ...] = ()
    waits: tuple[str, ...] = ()


def release(
    candidates: Sequence[Evaluation], llm: Evaluation, policy: GatePolicy, *, model: str, scale: str,
    sealed: tuple[Evaluation, Evaluation] | None = None, lengths: Mapping[int, float] | None = None,
) -> Decision:  # fmt: skip
    """Decide whether the best candidate of a model may replace the LLM: only when it is shown to be no worse.

    The best of several candidates on the test rows is partly the luckiest one (the winner's curse), so what counts is
    `sealed`: the nominated candidate's and the LLM's evaluation on rows that nothing else has read. Without them
    nothing is released. `lengths` of the source's conversations (`DatasetSplit`) say what those rows may not show.
    """
    there = evaluated(candidates)
    found, missing = contrasts(there, llm, [policy.primary])
    best, judged = _best_of(there, llm, policy), None
    if sealed:
        judged = _read_of(*sealed, policy, on="release_test", lengths=lengths)
    read = judged or best
    incomplete = tuple(text for item in (*there, llm, *(sealed or ())) if (text := _incomplete(item)))
    waits = (*incomplete, *(judged.waits if judged else [_NONE_IN_COMMON] * bool(sealed)))
    verdict = _verdict_on(read, policy) if read and not waits else "inconclusive"
    if judged is None and verdict == "pass":
        verdict = "inconclusive"  # nothing is released on the test rows alone
    return decide(
        [*there, llm], name=RELEASE_DECISION, model=model, scale=scale,
        rule=_RULE.format(rule=policy.release, metric=policy.primary_metric),
        thresholds={**policy.release.model_dump(exclude={"approval"}), **thresholds(policy)}, verdict=verdict,
        action="release" if verdict == "pass" else "wait",
        reason=_reason(read, judged is not None, verdict, policy, waits),
        candidates=(best.contrast.candidate_id,) if best else (),
        contrasts=(*found, *([judged.contrast] if judged else [])), slices=read.slices if read else (),
        missing=(*missing, *waits), rows_needed=_rows_needed(read.contrast, policy) if read else None,
    )  # fmt: skip


def _best_of(candidates: Sequence[Evaluation], llm: Evaluation, policy: GatePolicy) -> _Read | None:
    """Read the nominated candidate on the test rows; None where there is none."""
    best = nominate(candidates, llm, policy)
    return next(
        (_read_of(item, llm, policy) for item in candidates if best and item.candidate.id == best.candidate_id), None
    )


def _read_of(
    slm: Evaluation, llm: Evaluation, policy: GatePolicy, on: Literal["test", "release_test"] = "test",
    lengths: Mapping[int, float] | None = None,
) -> _Read | None:  # fmt: skip
    """Read one candidate beside the LLM; None where no row on which a call is right has both answers."""
    found = contrast(slm, llm, policy.primary, part="call", lengths=lengths)
    if found is None:
        return None
    stands = _floors(slm, llm, policy)
    apart = [made for part in _ORIGINS if (made := contrast(slm, llm, policy.primary, part=part))]
    slices = tuple(item.model_copy(update={"on": on}) for item in (*stands.no_call, *apart))
    real = sum(item.rows for item in apart if item.part == "real")
    asked = policy.release.real_share
    few = f"{real} of the {found.rows} rows are real, {asked:.0%} are asked for (gates.release.real_share)"
    waits = (few,) if on == "release_test" and real < asked * found.rows else ()
    return _Read(found.model_copy(update={"on": on}), stands, slices, waits)


def _floors(slm: Evaluation, llm: Evaluation, policy: GatePolicy) -> Floors:
    return floors(slm, llm, policy, margin_points=policy.release.margin_points)


def _verdict_on(read: _Read, policy: GatePolicy) -> Verdict:
    return together(_distance(read.contrast, policy), read.stands.verdict)


def _distance(item: Contrast, policy: GatePolicy) -> Verdict:
    """Judge a distance to the LLM.

    A loss is ruled out only with room for total failures that so few rows need not show; without that, one better
    answer among fifty equal ones would look surer than none.
    """
    if item.delta_points <= policy.release.max_delta_points and item.at_worst_points < policy.release.margin_points:
        return "pass"
    return "fail" if item.low_points > policy.release.max_delta_points else "inconclusive"


def _rows_needed(item: Contrast, policy: GatePolicy) -> int | None:
    level = item.delta_points <= policy.release.max_delta_points  # settled as passed, else as worse
    return rows_to_settle(item, policy.release.margin_points if level else policy.release.max_delta_points)


def _incomplete(item: Evaluation) -> str:
    result = item.track(DECIDING_TRACK)
    if result is None or result.summary.complete:
        return ""
    return f"{item.candidate.id}: {result.summary.unscored} of {result.summary.cases} answers could not be obtained"


def _reason(
    read: _Read | None, on_sealed_rows: bool, verdict: Verdict, policy: GatePolicy, waits: Sequence[str]
) -> str:
    if read is None:
        return "No candidate of this model has been evaluated beside the LLM where a call is right: wait."
    item, margin = read.contrast, f"{policy.release.margin_points:g} points"
    if waits:
        return f"{item.sentence()}; but {waits[0]}: wait."
    short = f"not shown to be no worse within {margin}: with room for what so few rows need not show, it may be "
    short += f"{item.at_worst_points:.1f} points behind"
    if _distance(item, policy) == "pass":
        short = "not surely above the floors"
    ending = {
        "pass": f"no worse than the LLM within the margin of {margin}: release",
        "fail": f"{'below a floor' if read.stands.verdict == 'fail' else 'worse than the LLM for sure'}: wait",
        "inconclusive": f"{short if on_sealed_rows else 'the sealed release rows have not been asked'}: wait",
    }[verdict]
    real = sum(one.rows for one in read.slices if one.part == "real")
    evidence = f"{real} of these rows are real" if on_sealed_rows else ""
    return "; ".join(filter(None, (item.sentence() + read.stands.told, evidence, ending))) + "."


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
