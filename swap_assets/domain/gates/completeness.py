"""Is everything there that a scale's report and its decision wait for? Nothing is decided here, only waited for."""

from collections.abc import Iterator

from swap_assets.domain import keys
from swap_assets.domain.gates.fine_tune import trains
from swap_assets.domain.gates.gate import MODEL_BASELINE, REPORT, TRAIN, Gate, Step
from swap_assets.domain.state import State


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
            ids = (
                one
                for model in models
                for one in (keys.base(model, scale), *state.tuned(keys.partition_key(model, scale)))
            )
            seen = [llm, *map(state.evaluation, ids)]
            evidence = tuple(sorted(f"{item.candidate_id} {item.evidence_hash}" for item in seen))
            because = f"all {len(seen) - 1} expected candidates of {scale} are evaluated, skipped or failed"
            yield Step(job=REPORT.name, partition=scale, because=because, evidence=evidence)
            yield from _report_again(state, scale)


def _report_again(state: State, scale: str) -> Iterator[Step]:
    """Write the report anew where decisions or approvals have come after it; nothing is measured for that."""
    decision = state.in_force(keys.SCALE_UP_DECISION, scale)
    if decision is None or state.running(REPORT.name, scale):
        return
    partitions = state.partitions(scale)
    releases = [found.content() for key in partitions if (found := state.in_force(keys.RELEASE_DECISION, key))]
    approvals = [state.approvals[key].content() for key in partitions if key in state.approvals]
    because = "the report shows the decisions that were made after it"
    evidence = (decision.content(), *releases, *approvals)
    yield Step(job=REPORT.name, partition=scale, assets=(keys.COMPARISON_REPORT,), because=because, evidence=evidence)


def _outstanding(state: State, model: str, scale: str, approaches: tuple[str, ...]) -> Iterator[str]:
    """Yield what a scale still waits for of a model; what broke or was skipped by a decision is not waited for."""
    key = keys.partition_key(model, scale)
    decision = state.in_force(keys.FINE_TUNE_DECISION, key)
    if state.running_at(MODEL_BASELINE.name, key) or state.running_at(TRAIN.name, key):
        yield f"a run for {key}"
    elif decision is None:
        if f"{MODEL_BASELINE.name}/{key}" not in state.broken:
            yield f"{keys.FINE_TUNE_DECISION} for {key}"
    elif f"{TRAIN.name}/{key}" not in state.broken:
        for candidate in state.tuned(key):
            expected = candidate.recipe in approaches and trains(state, candidate.recipe, key, decision.action)
            if expected and state.evaluation(candidate).status == "absent":
                yield candidate.id


REPORT_GATE = Gate(
    name="report_ready",
    description="Writes a scale's report when all its candidates are evaluated, skipped or failed.",
    due=_reports,
    jobs=(REPORT,),
    reads=("approvals",),
)
