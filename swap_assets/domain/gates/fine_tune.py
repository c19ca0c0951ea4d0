"""Does a small model need training? Its untouched answers first, then what the decision lets through."""

from collections.abc import Iterator, Sequence
from math import inf

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.gates.gate import BASELINE, MODEL_BASELINE, REPORT, TRAIN, Deciding, Gate, Step, unusable
from swap_assets.domain.judging.contrasts import contrasts, decide, rows_to_settle
from swap_assets.domain.judging.decisions import Contrast, Decision, Verdict
from swap_assets.domain.judging.floors import floors, thresholds, together
from swap_assets.domain.keys import FINE_TUNE_DECISION, LLM_BASELINE, base, evaluation_asset, model_and_scale
from swap_assets.domain.keys import partition_key as key_of
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.state import EvaluationRecord, State

_DOES = {
    "pass": "no training needed",
    "fail": "train",
    "train": "the policy trains",
    "skip": "the policy does not train",
}


def fine_tune(slm: Evaluation, llm: Evaluation, policy: GatePolicy) -> Decision:
    """Decide whether a small model needs training: where it trails the LLM too far, or stands below a floor."""
    limit = policy.fine_tune.trails_by_points
    found, missing = contrasts([slm], llm, policy.core)
    stands = floors(slm, llm, policy, margin_points=inf)  # every core metric is read here
    each: list[Verdict] = [_within(item, limit) for item in found]
    if missing or not found:
        each.append("inconclusive")
    distance = together(*each)
    verdict = together(distance, stands.verdict)
    action = {"pass": "skip", "fail": "train", "inconclusive": policy.fine_tune.when_inconclusive}[verdict]
    rows = [rows_to_settle(item, limit) for item, one in zip(found, each, strict=False) if one == "inconclusive"]
    return decide(
        [slm, llm],
        name=FINE_TUNE_DECISION,
        model=slm.candidate.model,
        scale=slm.candidate.scale,
        rule=f"fine-tune when the SLM is more than {limit:g} points behind the LLM in a core metric, or below a floor",
        thresholds={"trails_by_points": limit, **thresholds(policy)},
        verdict=verdict,
        action=action,
        reason=_reason(found, missing, limit, distance, stands.told, {**_DOES, "inconclusive": _DOES[action]}[verdict]),
        candidates=(slm.candidate.id,),
        contrasts=tuple(found),
        slices=stands.no_call,
        missing=tuple(missing),
        # Every metric has to settle.
        rows_needed=None if None in rows else max((row for row in rows if row), default=None),
    )


def _within(item: Contrast, limit_points: float) -> Verdict:
    if item.high_points <= limit_points:
        return "pass"
    return "fail" if item.low_points > limit_points else "inconclusive"


def _reason(
    found: Sequence[Contrast], missing: Sequence[str], limit: float, distance: Verdict, floors_told: str, does: str
) -> str:
    if not found:
        return f"Nothing could be compared ({missing[0]}){floors_told}: {does}."
    worst = max(found, key=lambda item: item.delta_points)
    ending = {
        "fail": f"more than the {limit:g} points allowed",
        "pass": f"within the {limit:g} points allowed on every core metric",
        "inconclusive": missing[0] if missing else f"too few rows to tell whether that is within {limit:g} points",
    }[distance]
    return f"{worst.sentence()}; {ending}{floors_told}: {does}."


def _measuring(state: State) -> Iterator[Step | str]:
    """Measure each admitted model untouched, and decide on its training, once the LLM's answers are there."""
    for scale, models in state.admitted().items():
        llm = state.evaluation(state.hosted(scale))
        if not llm.measured:
            yield f"{LLM_BASELINE} for {scale} is {llm.status}"
        elif state.running(BASELINE.name, scale):
            yield f"{BASELINE.name} for {scale} is still running"
        else:
            for model in models:
                yield _measured(state, llm, key_of(model, scale))


def _measured(state: State, llm: EvaluationRecord, key: str) -> Step | str:
    untouched, why = state.evaluation(base(*model_and_scale(key))), unusable(state, FINE_TUNE_DECISION, key)
    if not untouched.measured or untouched.dataset_hash != llm.dataset_hash:
        why = f"{key} was measured on other rows than the LLM" if untouched.measured else f"{key} has not been measured"
        # A failure changes the record, and must not act as new evidence.
        seen = (llm.dataset_hash, untouched.evidence_hash if untouched.measured else "none")
        step = Step(job=MODEL_BASELINE.name, partition=key, because=why, evidence=seen)
    elif why:
        seen, only = (llm.evidence_hash, untouched.evidence_hash), (FINE_TUNE_DECISION,)
        step = Step(job=MODEL_BASELINE.name, partition=key, assets=only, because=why, evidence=seen)
    else:
        return f"{key} is measured and decided on"
    return f"{MODEL_BASELINE.name} for {key} is running" if state.running_at(MODEL_BASELINE.name, key) else step


def _training(state: State) -> Iterator[Step | str]:
    """Train and evaluate each admitted model whose decision says so, with the approaches that are admitted."""
    for scale, models in state.admitted().items():
        for model, approaches in models.items():
            yield _trained(state, key_of(model, scale), approaches)


def _trained(state: State, key: str, approaches: tuple[str, ...]) -> Step | str:
    model, scale = model_and_scale(key)
    if why := unusable(state, FINE_TUNE_DECISION, key):
        return why
    if state.running_at(MODEL_BASELINE.name, key):
        return f"{MODEL_BASELINE.name} for {key} is still running"
    if state.running(BASELINE.name, scale):
        return f"{BASELINE.name} for {scale} is still running: its rows may be others"
    decision = state.decisions[f"{FINE_TUNE_DECISION}/{key}"]
    due = [name for name in approaches if trains(state, name, key, decision.action)]
    if not due:
        return f"{key}: no training needed. {decision.reason}"
    decodings = state.experiment.small_model(model).decoding
    evaluations = [evaluation_asset(name, decoding) for name in due for decoding in decodings]
    assets = (*state.experiment.adapter_assets(*due), *evaluations)
    evidence = (decision.content(), state.rows.get(scale, ""))
    return Step(job=TRAIN.name, partition=key, assets=assets, because=decision.reason, evidence=evidence)


def trains(state: State, approach: str, key: str, action: str) -> bool:
    """Whether an approach trains a model under a fine-tune decision's action."""
    return action == "train" or state.experiment.approaches[approach].trains == "always"


def _follows(decision: Decision, _state: State) -> str:
    return TRAIN.command(decision.partition) if decision.action == "train" else REPORT.command(decision.scale)


MODEL_BASELINE_GATE = Gate(
    name="model_baseline_gate",
    description="Measures each admitted model untouched once the LLM's answers of the scale are there.",
    due=_measuring,
    jobs=(MODEL_BASELINE,),
    decision=Deciding(FINE_TUNE_DECISION, "model", _follows),
)
FINE_TUNE_GATE = Gate(
    name="fine_tune_gate",
    description="Trains and evaluates what fine_tune_decision lets through.",
    due=_training,
    jobs=(TRAIN,),
    reads=("rows",),
)
