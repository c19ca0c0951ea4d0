"""Is a candidate near enough to the LLM to go on to the next scale, and which of several?"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from swap_assets.domain import keys
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.gates.gate import BASELINE, SEALED_TEST, Deciding, Gate, Step, unusable
from swap_assets.domain.judging import contrasts
from swap_assets.domain.judging.decisions import Contrast, Decision, Rivalry, Verdict
from swap_assets.domain.judging.floors import Floors, floors, thresholds, together
from swap_assets.domain.judging.suggestions import suggest
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.state import State

_Verdicts = dict[str, Verdict]  # by candidate id
_BEST_FIRST: tuple[Verdict, ...] = ("pass", "inconclusive", "fail")
_RULE = (
    "scale up when a candidate above the floors reaches {share:g} % of the LLM on {metric} and is in no core metric "
    "surely below half of it: the winner alone when it is clearly ahead of the others (paired test, Holm), else all "
    "that reach it and are not clearly behind the best"
)


class _GoesOn(NamedTuple):
    """Who may reach the share, who of them is admitted, and the verdict on the best of all."""

    reaching: tuple[str, ...]
    admitted: tuple[str, ...]
    verdict: Verdict


def scale_up(
    candidates: Sequence[Evaluation], llm: Evaluation, policy: GatePolicy, *, scale: str, next_scale: str | None
) -> Decision:
    """Decide whether to go on to the next scale: yes where a candidate reaches its share of the LLM.

    A clear winner goes on alone: the best candidate, where it may reach the share and the paired test puts it ahead of
    every other one that may. Without one, all that may reach the share go on, less those that it is clearly ahead of.
    """
    share, there = policy.scale_up.reaches_percent, contrasts.evaluated(candidates)
    found, missing = contrasts.contrasts(there, llm, [policy.primary])
    missing += [f"{item.candidate.id}: {item.status}, {item.reason}" for item in candidates if item not in there]
    limits = {item.candidate_id: (100 - share) * item.llm for item in found}
    stands = {item.candidate.id: floors(item, llm, policy) for item in there}
    verdicts = _verdicts(found, limits, stands)
    reaching = _reaching(verdicts, policy)
    contest = _contest([item for item in there if item.candidate.id in reaching], found, policy.primary)
    beaten = {item.rival_id for item in contest if item.p_adjusted <= contrasts.WINS}
    verdict = min((*verdicts.values(), "fail"), key=_BEST_FIRST.index)
    goes_on = _GoesOn(reaching, tuple(name for name in reaching if name not in beaten), verdict)
    rows = [contrasts.rows_to_settle(item, limits[item.candidate_id]) for item in found]
    return contrasts.decide(
        [*there, llm],
        name=keys.SCALE_UP_DECISION,
        scale=scale,
        rule=_RULE.format(share=share, metric=policy.primary_metric),
        thresholds={"reaches_percent": share, **thresholds(policy)},
        verdict=verdict,
        action="iterate" if not reaching else ("scale_up" if next_scale else "wait"),
        reason=_reason(found, goes_on, stands, share=share, next_scale=next_scale),
        candidates=goes_on.admitted,
        contrasts=tuple(found),
        slices=tuple(item for one in stands.values() for item in one.no_call),
        winner=contest[0].candidate_id if contest and contrasts.clear_winner(contest, len(reaching) - 1) else "",
        rivalries=contest,
        missing=tuple(missing),
        rows_needed=min((row for row in rows if row is not None), default=None),  # one that settles is enough
    )


def _reaching(verdicts: _Verdicts, policy: GatePolicy) -> tuple[str, ...]:
    enough = ("pass", "inconclusive") if policy.scale_up.when_inconclusive == "scale_up" else ("pass",)
    return tuple(sorted(name for name, verdict in verdicts.items() if verdict in enough))


def _verdicts(found: Sequence[Contrast], limits: Mapping[str, float], stands: Mapping[str, Floors]) -> _Verdicts:
    """Judge each candidate by its limit and the floors; of several, a pass has to survive Holm's adjustment."""
    verdicts: _Verdicts = {}
    sure = contrasts.passing_for_sure(found, [limits[item.candidate_id] for item in found])
    for item, passes in zip(found, sure, strict=True):
        beyond = item.low_points > limits[item.candidate_id]
        distance: Verdict = "pass" if passes else "fail" if beyond else "inconclusive"
        verdicts[item.candidate_id] = together(distance, stands[item.candidate_id].verdict)
    return verdicts


def _contest(reaching: Sequence[Evaluation], found: Sequence[Contrast], metric: str) -> tuple[Rivalry, ...]:
    """Return the best candidate's comparisons with the others; none where there is but one."""
    rows = {item.candidate.id: item.results[contrasts.DECIDING_TRACK].rows for item in reaching}
    if len(rows) < 2:
        return ()
    best = min((item for item in found if item.candidate_id in rows), key=lambda item: item.delta_points)
    return contrasts.rivalries(rows, best.candidate_id, metric)


def _reason(
    found: Sequence[Contrast], goes_on: _GoesOn, stands: Mapping[str, Floors], *, share: float, next_scale: str | None,
) -> str:  # fmt: skip
    if not found:
        return "No candidate has been evaluated beside the LLM, so there is nothing to scale up."
    best = min(found, key=lambda item: item.delta_points)
    reaching, admitted = goes_on.reaching, goes_on.admitted
    percent = best.percent_of_llm
    reached = f"{percent:.0f} % of the LLM" if percent is not None else "an LLM that scores 0"
    opening = f"{best.sentence()}: {reached}{stands[best.candidate_id].told}"
    if not reaching and goes_on.verdict == "inconclusive":
        return f"{opening}; too few rows to tell whether that is the {share:g} % asked for: the policy iterates."
    if not reaching:
        return f"{opening}; no candidate can be at the {share:g} % asked for and above the floors: iterate."
    who = f"{' and '.join(reaching)} may be at the {share:g} % asked for or above"
    if len(reaching) > 1:
        who += f", {_who_goes_on(reaching, admitted)}"
    if next_scale is None:
        return f"{opening}; {who}; there is no larger scale: release_decision is next."
    return f"{opening}; {who}, to scale '{next_scale}'."


def _who_goes_on(reaching: Sequence[str], admitted: Sequence[str]) -> str:
    if len(admitted) == len(reaching):
        return "none clearly ahead of the others, so all go on"
    if len(admitted) == 1:
        return f"and {admitted[0]} is clearly ahead, so it alone goes on"
    behind = " and ".join(name for name in reaching if name not in admitted)
    return f"{behind} clearly behind the best, so {' and '.join(admitted)} go on"


def _judge(candidates: Sequence[Evaluation], llm: Evaluation, experiment: Experiment, partition: str) -> Decision:
    decision = scale_up(candidates, llm, experiment.gates, scale=partition, next_scale=experiment.next_scale(partition))
    best = min(decision.contrasts, key=lambda item: item.delta_points, default=None)
    if decision.action == "iterate" and best:
        return decision.model_copy(update={"suggestions": suggest(experiment, best.candidate_id)})
    return decision


def _scales(state: State) -> Iterator[Step | str]:
    """Start a scale: splits, tracks and the LLM's answers. The first when the conversations are there."""
    scales, admitted = list(state.experiment.scales), state.admitted()
    because = "the conversations are there, and the first scale needs no decision"
    yield Step(job=BASELINE.name, partition=scales[0], because=because, evidence=(state.root,))
    for before, scale in zip_longest(scales, scales[1:]):
        if before not in admitted:
            return
        if why := unusable(state, keys.SCALE_UP_DECISION, before):
            yield why
            continue
        decision = state.decisions[f"{keys.SCALE_UP_DECISION}/{before}"]
        if scale and decision.action == "scale_up":
            yield Step(job=BASELINE.name, partition=scale, because=decision.reason, evidence=(decision.content(),))
        else:
            yield f"{before}: {decision.action.replace('_', ' ')}. {decision.reason}"


def scale_refusal(state: State, scale: str) -> str:
    """Say why a further scale may not be started by a sensor, "" where it may."""
    scales = list(state.experiment.scales)
    if scale == scales[0]:
        return ""
    before = scales[scales.index(scale) - 1]
    why = unusable(state, keys.SCALE_UP_DECISION, before)
    if not why and (action := state.decisions[f"{keys.SCALE_UP_DECISION}/{before}"].action) != "scale_up":
        why = f"{keys.SCALE_UP_DECISION} for {before} says {action.replace('_', ' ')}"
    return f"{why}, so scale {scale} is not started" if why else ""


def _follows(decision: Decision, state: State) -> str:
    if decision.action == "scale_up":
        return BASELINE.command(state.experiment.next_scale(decision.scale) or "SCALE")
    if decision.action == "iterate":
        tried = "paste one of the lines above into the experiment file" if decision.suggestions else "change the recipe"
        return f"{tried}, see what it costs with `swap-assets plan`, and start Dagster anew, so that it reads the file"
    models = keys.models_of(decision.candidates)
    return "; ".join(SEALED_TEST.command(keys.partition_key(model, decision.scale)) for model in models)


def _rests_on(experiment: Experiment) -> list[str]:
    return [
        keys.COMPARISON_REPORT,
        keys.LLM_BASELINE,
        keys.SLM_BASELINE,
        keys.FINE_TUNE_DECISION,
        *experiment.evaluation_assets(),
    ]


SCALE_UP_GATE = Gate(
    name="scale_up_gate",
    description="Starts the first scale when the conversations are there, each further one by scale_up_decision.",
    due=_scales,
    jobs=(BASELINE,),
    decision=Deciding(
        keys.SCALE_UP_DECISION,
        "scale",
        _follows,
        "Whether to go on to the next scale, and who: a clear winner, else all that reach their share of the LLM.",
        _judge,
        _rests_on,
    ),
)
