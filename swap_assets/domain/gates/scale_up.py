"""Is a candidate near enough to the LLM to go on to the next scale? The report, the decision, the next scale's rows."""

from collections.abc import Iterator
from itertools import zip_longest

from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.gates.fine_tune import trains
from swap_assets.domain.gates.gate import Deciding, Gate, Measurements, Step, unusable
from swap_assets.domain.gates.jobs import BASELINE, MODEL_BASELINE, REPORT, SEALED_TEST, TRAIN
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.judging.gates import scale_up
from swap_assets.domain.judging.suggestions import suggest
from swap_assets.domain.keys import (
    COMPARISON_REPORT,
    FINE_TUNE_DECISION,
    LLM_BASELINE,
    RELEASE_DECISION,
    SCALE_UP_DECISION,
    SLM_BASELINE,
    base,
    models_of,
    partition_key,
)
from swap_assets.domain.state import EvaluationRecord, State


def _scales(state: State) -> Iterator[Step | str]:
    """Start a scale: splits, tracks and the LLM's answers. The first when the conversations are there."""
    scales, admitted = list(state.experiment.scales), state.admitted()
    because = "the conversations are there, and the first scale needs no decision"
    yield Step(job=BASELINE.name, partition=scales[0], because=because, evidence=(state.root,))
    for before, scale in zip_longest(scales, scales[1:]):
        if before not in admitted:
            return
        if why := unusable(state, SCALE_UP_DECISION, before):
            yield why
            continue
        decision = state.decisions[f"{SCALE_UP_DECISION}/{before}"]
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
    why = unusable(state, SCALE_UP_DECISION, before)
    if not why and (action := state.decisions[f"{SCALE_UP_DECISION}/{before}"].action) != "scale_up":
        why = f"{SCALE_UP_DECISION} for {before} says {action.replace('_', ' ')}"
    return f"{why}, so scale {scale} is not started" if why else ""


def _reports(state: State) -> Iterator[Step | str]:
    """Write a scale's report, and decide on scaling up, once nothing that is expected of the scale is outstanding."""
    for scale, models in state.admitted().items():
        llm = state.evaluation(state.hosted(scale))
        outstanding = [item for model, names in models.items() for item in _outstanding(state, model, scale, names)]
        if not llm.measured:
            yield f"{scale}: the LLM has not been measured"
        elif outstanding:
            yield f"{scale}: waiting for {', '.join(outstanding)}"
        else:
            seen = [llm, *(item for model in models for item in _candidates(state, model, scale))]
            evidence = tuple(sorted(f"{item.candidate_id} {item.evidence_hash}" for item in seen))
            because = f"all {len(seen) - 1} expected candidates of {scale} are evaluated, skipped or failed"
            yield Step(job=REPORT.name, partition=scale, because=because, evidence=evidence)
            yield from _report_again(state, scale)


def _report_again(state: State, scale: str) -> Iterator[Step]:
    """Write the report anew where decisions or approvals have come after it; nothing is measured for that."""
    decision = state.in_force(SCALE_UP_DECISION, scale)
    if decision is None or state.running(REPORT.name, scale):
        return
    keys = state.partitions(scale)
    releases = [found.content() for key in keys if (found := state.in_force(RELEASE_DECISION, key))]
    approvals = [state.approvals[key].content() for key in keys if key in state.approvals]
    because = "the report shows the decisions that were made after it"
    evidence = (decision.content(), *releases, *approvals)
    yield Step(job=REPORT.name, partition=scale, assets=(COMPARISON_REPORT,), because=because, evidence=evidence)


def _candidates(state: State, model: str, scale: str) -> list[EvaluationRecord]:
    return [state.evaluation(one) for one in (base(model, scale), *state.tuned(partition_key(model, scale)))]


def _outstanding(state: State, model: str, scale: str, approaches: tuple[str, ...]) -> Iterator[str]:
    """Yield what a scale still waits for of a model; what broke or was skipped by a decision is not waited for."""
    key = partition_key(model, scale)
    decision = state.in_force(FINE_TUNE_DECISION, key)
    if state.running_at(MODEL_BASELINE.name, key) or state.running_at(TRAIN.name, key):
        yield f"a run for {key}"
    elif decision is None:
        if f"{MODEL_BASELINE.name}/{key}" not in state.broken:
            yield f"{FINE_TUNE_DECISION} for {key}"
    elif f"{TRAIN.name}/{key}" not in state.broken:
        for candidate in state.tuned(key):
            expected = candidate.recipe in approaches and trains(state, candidate.recipe, key, decision.action)
            if expected and state.evaluation(candidate).status == "absent":
                yield candidate.id


def _judge(measured: Measurements, _model: str) -> Decision:
    experiment = measured.state.experiment
    following = experiment.next_scale(measured.scale)
    decision = scale_up(
        measured.contenders(), measured.llm, experiment.gates, scale=measured.scale, next_scale=following
    )
    best = min(decision.contrasts, key=lambda item: item.delta_points, default=None)
    if decision.action == "iterate" and best:
        return decision.model_copy(update={"suggestions": suggest(experiment, best.candidate_id)})
    return decision


def _follows(decision: Decision, state: State) -> str:
    if decision.action == "scale_up":
        return BASELINE.command(state.experiment.next_scale(decision.scale) or "SCALE")
    if decision.action == "iterate":
        tried = "paste one of the lines above into the experiment file" if decision.suggestions else "change the recipe"
        return f"{tried}, see what it costs with `swap-assets plan`, and start Dagster anew, so that it reads the file"
    keys = [partition_key(model, decision.scale) for model in models_of(decision.candidates)]
    return "; ".join(SEALED_TEST.command(key) for key in keys)


def _rests_on(experiment: Experiment) -> list[str]:
    return [COMPARISON_REPORT, LLM_BASELINE, SLM_BASELINE, FINE_TUNE_DECISION, *experiment.evaluation_assets()]


SCALE_UP_GATE = Gate(
    name="scale_up_gate",
    description="Starts the first scale when the conversations are there, each further one by scale_up_decision.",
    due=_scales,
    jobs=(BASELINE,),
    decision=Deciding(SCALE_UP_DECISION, "scale", _follows, _judge, _rests_on),
)
REPORT_GATE = Gate(
    name="report_ready",
    description="Writes a scale's report when all its candidates are evaluated, skipped or failed.",
    due=_reports,
    jobs=(REPORT,),
    reads_approvals=True,
)
