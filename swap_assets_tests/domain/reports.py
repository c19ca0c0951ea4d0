"""A report with every section filled, its texts chosen by the test, for tests of the report's forms."""

from swap_assets.domain.experiment.entries import Prices
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.judging.criteria import criteria_of
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec, Turn
from swap_assets.domain.report.comparison import Report, build_report
from swap_assets.domain.report.inputs import BaseModelOrigin, GenerationRun, LossPoint, ReportInputs, TrainingRun
from swap_assets.domain.scoring.evaluation import Evaluation, Totals
from swap_assets_tests.domain.evaluations import LLM, PAPER, SLM, evaluation, shares

POLICY = GatePolicy()
_PHI = "microsoft/Phi-4-mini-instruct"
_CLASSES = ("wrong_value", "unreadable", "missing_call", "called_when_it_should_not")


def full_report(text: str = "Weather in Paris?", *, rows: int = 60, price: float | None = 2.0) -> Report:
    """Return a report of three candidates; `text` is every request, answer, reason and tool name that others write."""
    return build_report(full_inputs(text, rows=rows, price=price))


def full_inputs(text: str, *, rows: int = 60, price: float | None = 2.0) -> ReportInputs:
    """Return the same as inputs, to change."""
    llm = _told(evaluation(LLM, shares(rows * 3 // 4, rows)), text, cost=0.12)
    slm = _told(evaluation(SLM, shares(rows // 5, rows)), text)
    paper = _told(evaluation(PAPER, [*shares(rows // 2, rows - 4), 1.0, 1.0, 1.0, 1.0]), text)
    return ReportInputs(
        experiment="forms",
        scale="small",
        evaluations=[llm, slm, paper],
        llm_id=LLM.id,
        policy=POLICY,
        prices=Prices(gpu_hour=price),
        decisions=[fine_tune(slm, llm, POLICY).model_copy(update={"reason": f"because {text}"})],
        criteria={item.candidate.id: criteria_of(item, llm, POLICY) for item in (slm, paper)},
        notices=[f"Notice: {text}"],
        cases={f"c{index}": _case(f"c{index}", text) for index in range(rows)},
        answer_text=lambda candidate, _track, case: f"{candidate} on {case}: {text}",
        trainings=[
            TrainingRun(
                candidate_id=PAPER.id, adapter="toolcall", rows=100, steps=3,
                loss=tuple(LossPoint(step=step, epoch=step / 3, loss=2.0 / step) for step in (1, 2, 3)),
                validation=(LossPoint(step=3, epoch=1.0, loss=0.9),), seconds=3600,
                tokens_per_second=512.5, device="cuda",
            )
        ],
        generations=[
            GenerationRun(candidate_id=PAPER.id, track=Track.TOOLCALL, answers=rows, per_second=4.0, seconds=15,
                          device="cuda")
        ],
        models={"phi": BaseModelOrigin(weights=_PHI, hub_id=_PHI)},
        train_rows={"small": 100},
        provenance={"source": text},
        commands=["swap-assets demo"],
        facts={"settings": "abc", "code": text},
        generated_at="2026-01-02T03:04:05+00:00",
    )  # fmt: skip


def _told(item: Evaluation, text: str, *, cost: float | None = None) -> Evaluation:
    result = item.results[Track.TOOLCALL]
    rows = tuple(
        row if row.exact_match == 1.0
        else row.model_copy(update={"failure": _CLASSES[place % len(_CLASSES)], "first_difference": text})
        for place, row in enumerate(result.rows)
    )  # fmt: skip
    counts = {name: sum(row.failure == name for row in rows) for name in _CLASSES}
    summary = result.summary.model_copy(update={"failures": counts})
    totals = Totals(answers=len(rows), prompt_tokens=900, completion_tokens=90, cost=cost, latency_p50_s=0.25,
                    latency_p95_s=0.5, latency_p99_s=0.75)  # fmt: skip
    told = result.model_copy(update={"rows": rows, "summary": summary, "totals": totals, "prompt_hash": "p"})
    return item.model_copy(update={"results": {Track.TOOLCALL: told}})


def _case(name: str, text: str) -> EvalCase:
    return EvalCase(
        id=name,
        conversation_id=name,
        turn=1,
        tools=(ToolSpec(name=text or "tool"),),
        history=(Turn(role="user", text=text),),
        gold_calls=(ToolCall(name="weather", arguments={"city": text}),),
        labels={"single_turn": "simple", "domain": "weather"},
        origin="real",
    )
