"""The decision gates: evaluations and a policy in, one recorded decision out. Pure functions; nothing acts in here.

A threshold on LLM - SLM (in points) is passed for sure when the whole 95 % interval lies on its good side, failed for
sure when it lies on the bad side, and inconclusive between. What an inconclusive verdict does is policy: it trains
and scales up, because the next measurement is cheap beside a wrong stop; it never releases.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Contrast, Decision, Measured, Rivalry, Verdict
from swap_assets.domain.judging.reasons import fine_tune_reason, release_reason, scale_up_reason
from swap_assets.domain.judging.rivalry import WINS, clear_winner, passing_for_sure, rivalries
from swap_assets.domain.judging.rows_needed import least_rows, most_rows, rows_to_settle
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.statistics.intervals import nothing_seen
from swap_assets.domain.statistics.paired import paired_difference

# Decisions compare function calling; the structured track is reported beside it.
DECIDING_TRACK = Track.TOOLCALL


def contrast(slm: Evaluation, llm: Evaluation, metric: str, *, track: Track = DECIDING_TRACK) -> Contrast | None:
    """Compare a candidate with the LLM on the rows that both have a value for.

    None where they were asked different rows or share none: such a comparison would say nothing.
    """
    ours, theirs = slm.track(track), llm.track(track)
    if ours is None or theirs is None:
        return None
    paired = paired_difference(ours.rows, theirs.rows, metric)
    ids = {"candidate_id": slm.candidate.id, "reference_id": llm.candidate.id}
    return Contrast.of(paired, track=track, **ids) if paired else None


def fine_tune(slm: Evaluation, llm: Evaluation, policy: GatePolicy) -> Decision:
    """Decide whether a small model needs training: it does where it trails the LLM too far on any core metric."""
    rule = policy.fine_tune
    limit = rule.trails_by_points
    found, missing = _contrasts([slm], llm, policy.core)
    verdicts: list[Verdict] = [_within(item, limit) for item in found]
    verdict: Verdict = _worst(verdicts) if found and not missing else ("fail" if "fail" in verdicts else "inconclusive")
    actions: dict[Verdict, str] = {"pass": "skip", "fail": "train", "inconclusive": rule.when_inconclusive}
    action = actions[verdict]
    open_ones = [item for item, side in zip(found, verdicts, strict=True) if side == "inconclusive"]
    return Decision(
        name="fine_tune_decision",
        model=slm.candidate.model,
        scale=slm.candidate.scale,
        rule=f"fine-tune when the SLM trails the LLM by more than {limit:g} points on any core metric",
        thresholds={"trails_by_points": limit},
        verdict=verdict,
        action=action,
        reason=fine_tune_reason(found, missing, limit, verdict, action),
        candidates=(slm.candidate.id,),
        contrasts=tuple(found),
        missing=tuple(missing),
        rows_needed=most_rows([rows_to_settle(item, limit) for item in open_ones])
        if verdict == "inconclusive"
        else None,
        **_evidence([slm], llm),
    )


def scale_up(
    candidates: Sequence[Evaluation], llm: Evaluation, policy: GatePolicy, *, scale: str, next_scale: str | None
) -> Decision:
    """Decide whether to go on to the next scale: yes where a candidate reaches its share of the LLM.

    A clear winner goes on alone: the best candidate, where it may reach the share and the paired test puts it ahead of
    every other one that may. Without one, all that may reach the share go on, less those that it is clearly ahead of.
    """
    share, lenient = policy.scale_up.reaches_percent, policy.scale_up.when_inconclusive == "scale_up"
    metric = policy.primary
    evaluated = [item for item in candidates if item.status == "evaluated"]
    found, missing = _contrasts(evaluated, llm, [metric])
    missing += [f"{item.candidate.id}: {item.status}, {item.reason}" for item in candidates if item not in evaluated]
    limits = {item.candidate_id: (100 - share) * item.llm for item in found}
    sides = _sides(found, limits)
    verdict = _best(list(sides.values()))
    enough = ("pass", "inconclusive") if lenient else ("pass",)
    reaching = tuple(sorted(name for name, side in sides.items() if side in enough))
    contest = _contest([item for item in evaluated if item.candidate.id in reaching], found, metric)
    winner = contest[0].candidate_id if contest and clear_winner(contest, len(reaching) - 1) else ""
    beaten = {item.rival_id for item in contest if item.p_adjusted <= WINS}
    admitted = tuple(name for name in reaching if name not in beaten)
    action = "iterate" if not reaching else ("scale_up" if next_scale else "wait")
    return Decision(
        name="scale_up_decision",
        scale=scale,
        rule=(
            f"scale up when a candidate reaches {share:g} % of the LLM on {policy.primary_metric}: the winner alone "
            "when it is clearly ahead of the others (paired test, Holm), else all that reach it and are not clearly "
            "behind the best"
        ),
        thresholds={"reaches_percent": share},
        verdict=verdict,
        action=action,
        reason=scale_up_reason(found, reaching, admitted, share=share, next_scale=next_scale, verdict=verdict),
        candidates=admitted,
        contrasts=tuple(found),
        winner=winner,
        rivalries=contest,
        missing=tuple(missing),
        rows_needed=least_rows([rows_to_settle(item, limits[item.candidate_id]) for item in found])
        if verdict == "inconclusive"
        else None,
        **_evidence(evaluated, llm),
    )


def _sides(found: Sequence[Contrast], limits: Mapping[str, float]) -> dict[str, Verdict]:
    """Return on which side of its limit each candidate lies; of several, a pass has to survive Holm's adjustment."""
    sure = passing_for_sure(found, [limits[item.candidate_id] for item in found])
    return {
        item.candidate_id: "pass"
        if passes
        else "fail"
        if item.low_points > limits[item.candidate_id]
        else "inconclusive"
        for item, passes in zip(found, sure, strict=True)
    }


def _contest(reaching: Sequence[Evaluation], found: Sequence[Contrast], metric: str) -> tuple[Rivalry, ...]:
    """Return the best candidate's comparisons with the others; none where there is but one."""
    rows = {item.candidate.id: item.results[DECIDING_TRACK].rows for item in reaching}
    if len(rows) < 2:
        return ()
    best = min((item for item in found if item.candidate_id in rows), key=lambda item: item.delta_points)
    return rivalries(rows, best.candidate_id, metric)


def nominate(candidates: Sequence[Evaluation], llm: Evaluation, policy: GatePolicy) -> Contrast | None:
    """Return the contrast of the candidate that is nearest to the LLM or furthest ahead on the test rows."""
    evaluated = [item for item in candidates if item.status == "evaluated"]
    found, _ = _contrasts(evaluated, llm, [policy.primary])
    return min(found, key=lambda item: (item.delta_points, item.candidate_id), default=None)


def may_open_sealed(best: Contrast | None, policy: GatePolicy) -> bool:
    """Whether the sealed rows are worth asking: not for a candidate that the test rows show to be worse for sure."""
    return best is not None and _release_verdict(best, policy) != "fail"


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
    rule = policy.release
    evaluated = [item for item in candidates if item.status == "evaluated"]
    metric = policy.primary
    found, missing = _contrasts(evaluated, llm, [metric])
    best = nominate(candidates, llm, policy)
    judged = contrast(*sealed, metric) if sealed else None
    if judged:
        judged = judged.model_copy(update={"on": "release_test"})
        found.append(judged)
    incomplete = [text for item in (*evaluated, llm, *(sealed or ())) if (text := _incomplete(item))]
    verdict = _final_verdict(best, judged, policy) if not incomplete else "inconclusive"
    return Decision(
        name="release_decision",
        model=model,
        scale=scale,
        rule=(
            f"release when, on sealed rows, LLM - SLM is at most {rule.max_delta_points:g} points and SLM - LLM is "
            f"above -{rule.margin_points:g} points with 95 % confidence, on {policy.primary_metric}"
        ),
        thresholds={"max_delta_points": rule.max_delta_points, "margin_points": rule.margin_points},
        verdict=verdict,
        action="release" if verdict == "pass" else "wait",
        reason=release_reason(judged or best, judged is not None, verdict, policy, incomplete),
        candidates=(best.candidate_id,) if best else (),
        contrasts=tuple(found),
        missing=(*missing, *incomplete),
        rows_needed=_release_rows(judged or best, policy) if verdict == "inconclusive" else None,
        **_evidence(evaluated, llm),
    )


def _contrasts(
    candidates: Sequence[Evaluation], llm: Evaluation, metrics: Sequence[str]
) -> tuple[list[Contrast], list[str]]:
    found: list[Contrast] = []
    missing: list[str] = []
    for candidate in candidates:
        for metric in metrics:
            item = contrast(candidate, llm, metric)
            if item is None:
                missing.append(f"{candidate.candidate.id}: no row has {metric} for it and for the LLM")
            else:
                found.append(item)
    return found, missing


def _within(item: Contrast, limit_points: float) -> Verdict:
    """Judge one distance against its limit.

    A pass leaves room for what as many conversations without a single difference would still allow. Without that, one
    wrong answer could look surer than none, and a better model would be trained where a worse one is not.
    """
    unseen = 100 * nothing_seen(max(1, item.conversations))
    if max(item.high_points, item.delta_points + unseen) <= limit_points:
        return "pass"
    return "fail" if item.low_points > limit_points else "inconclusive"


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    if not verdicts or "fail" in verdicts:
        return "fail"
    return "inconclusive" if "inconclusive" in verdicts else "pass"


def _best(verdicts: Sequence[Verdict]) -> Verdict:
    if "pass" in verdicts:
        return "pass"
    return "inconclusive" if "inconclusive" in verdicts else "fail"


def _final_verdict(best: Contrast | None, judged: Contrast | None, policy: GatePolicy) -> Verdict:
    if judged:
        return _release_verdict(judged, policy)
    return "fail" if best and _release_verdict(best, policy) == "fail" else "inconclusive"


def _release_verdict(item: Contrast, policy: GatePolicy) -> Verdict:
    if item.delta_points <= policy.release.max_delta_points and item.high_points < policy.release.margin_points:
        return "pass"
    return "fail" if item.low_points > policy.release.max_delta_points else "inconclusive"


def _incomplete(item: Evaluation) -> str:
    result = item.track(DECIDING_TRACK)
    if result is None or result.summary.complete:
        return ""
    return f"{item.candidate.id}: {result.summary.unscored} of {result.summary.cases} answers could not be obtained"


def _release_rows(item: Contrast | None, policy: GatePolicy) -> int | None:
    """Return the rows that would settle a release: as passed where it is level or ahead, else as worse."""
    if item is None:
        return None
    rule = policy.release
    level = item.delta_points <= rule.max_delta_points
    return rows_to_settle(item, rule.margin_points if level else rule.max_delta_points)


def _evidence(candidates: Sequence[Evaluation], llm: Evaluation) -> dict[str, Any]:
    """Return the fields of a decision that say which measurements it rests on."""
    everyone = [*candidates, llm]
    return {
        "hashes": {item.candidate.id: item.evidence_hash() for item in everyone},
        "measured": tuple(
            Measured(
                candidate_id=item.candidate.id,
                evidence_hash=item.evidence_hash(),
                dataset_hash=item.dataset_hash,
                artefact_hash=item.artefact_hash,
                prompt_hashes={track.value: result.prompt_hash for track, result in item.results.items()},
            )
            for item in everyone
        ),
    }
