"""Does a small model need training? Its untouched answers first, then what the decision lets through."""

from collections.abc import Iterator

from swap_assets.domain.gates.gate import Deciding, Gate, Step, unusable
from swap_assets.domain.gates.jobs import BASELINE, MODEL_BASELINE, REPORT, TRAIN
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import FINE_TUNE_DECISION, LLM_BASELINE, base, evaluation_asset, model_and_scale
from swap_assets.domain.keys import partition_key as key_of
from swap_assets.domain.state import EvaluationRecord, State


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
    ways = state.experiment.small_model(model).decoding
    evaluations = [evaluation_asset(name, way) for name in due for way in ways]
    assets = (*state.experiment.adapter_assets(*due), *evaluations)
    evidence = (decision.content(), state.rows.get(scale, ""))
    return Step(job=TRAIN.name, partition=key, assets=assets, because=decision.reason, evidence=evidence)


def trains(state: State, approach: str, key: str, action: str) -> bool:
    """Whether an approach trains a model under a fine-tune decision's action."""
    return action == "train" or state.experiment.approaches[approach].trains == "always"


def _follows(decision: Decision, _state: State) -> str:
    if decision.action == "train":
        return TRAIN.command(decision.partition)
    return REPORT.command(decision.scale)


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
)
