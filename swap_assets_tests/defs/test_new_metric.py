"""A metric is one entry: registered, it stands in the graph, the tables, the checks, the CSV files and MLflow."""

import pytest
from pydantic import ValidationError

from swap_assets.defs import checks, metadata
from swap_assets.domain.experiment.gate_policy import CoreMetric, GatePolicy
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.judging.criteria import criteria_of
from swap_assets.domain.keys import base, hosted
from swap_assets.domain.metrics import METRICS, MetricEntry
from swap_assets.domain.model import EvalCase, ToolCall
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.report.comparison import build_report
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.layout import lay_out, spreadsheets, to_markdown
from swap_assets.domain.scoring.evaluation import Evaluation, measure
from swap_assets.domain.scoring.row_scoring import score_answer
from swap_assets_tests.defs.scenarios import Scenario

LLM, SLM = hosted("big", "tiny"), base("little", "tiny")


def _brief(case, parsed):
    """Give 1 where an answer with calls says nothing beside them."""
    return float(not parsed.text.strip()) if case.gold_calls else None


@pytest.fixture
def registered(monkeypatch):
    entry = MetricEntry("calls alone", "rate", compute=_brief, tables=("main", "labels"), asked=0.9)
    monkeypatch.setitem(METRICS, "calls_alone", entry)


def _evaluation(candidate, chatty):
    call = '<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>'
    cases, records = [], []
    for index in range(40):
        case = EvalCase(id=f"c{index}", conversation_id=f"c{index}", turn=1, tools=(), history=(), origin="real",
                        gold_calls=(ToolCall(name="weather", arguments={"city": "Paris"}),),
                        labels={"single_turn": "simple"}, splits=("single_turn_test",))  # fmt: skip
        text = f"Let me look. {call}" if index < chatty else call
        cases.append(case)
        records.append(_record(case, candidate, text))
    return Evaluation(
        candidate=candidate, results={HERMES.track: measure(candidate, HERMES, cases=cases, records=records)}
    )


def test_one_entry_brings_a_metric_into_graph_tables_checks_gates_csv_and_mlflow(registered, scenario: Scenario):
    from mlflow import MlflowClient

    llm, slm = _evaluation(LLM, chatty=0), _evaluation(SLM, chatty=30)
    assert slm.results[HERMES.track].summary.value("calls_alone") == 0.25
    policy = GatePolicy(core_metrics={"calls_alone": CoreMetric(unit="rate")})
    (contrast,) = fine_tune(slm, llm, policy).contrasts
    assert (contrast.metric, contrast.delta_points) == ("calls_alone", 75.0)
    judged = criteria_of(slm, llm, policy)
    assert "calls_alone" in [spec.name for spec in checks.evaluation_checks("paper_evaluation")]
    (check,) = [found for found in checks.check_results(judged) if found.check_name == "calls_alone"]
    assert not check.passed and "Calls alone: 25 % on 40 rows, at least 90 % asked" in check.description
    shown = metadata.evaluation_result(slm, run_id="", checks=[]).metadata
    assert "calls alone" in shown["toolcall_metrics"].value
    report = build_report(ReportInputs(experiment="e", scale="tiny", evaluations=[llm, slm], llm_id=LLM.id,
                                       policy=policy, criteria={SLM.id: judged}))  # fmt: skip
    text = to_markdown(lay_out(report))
    assert "calls alone" in text
    assert "25.0 \\[14–40\\]" in text
    rows = spreadsheets(report)["single_turn"].query("metric == 'calls_alone' and label == 'simple'")
    assert rows[rows["candidate"] == SLM.id]["value"].tolist() == [0.25]
    run_id = scenario.resources["tracking"].evaluation(slm, partition="little|tiny")
    run = MlflowClient(tracking_uri=f"sqlite:///{scenario.store.folder.root / 'mlflow.db'}").get_run(run_id)
    assert run.data.metrics["toolcall.calls_alone"] == 0.25


def test_a_metric_that_computes_its_own_value_has_a_strict_reading_of_the_strict_calls(monkeypatch):
    entry = MetricEntry("calls", "score", compute=lambda _, parsed: float(len(parsed.calls) == 1), strict=True)
    monkeypatch.setitem(METRICS, "one_call", entry)
    case = EvalCase(id="c", conversation_id="c", turn=1, tools=(), history=(), origin="real", labels={},
                    gold_calls=(ToolCall(name="weather", arguments={}),))  # fmt: skip
    row = score_answer(case, HERMES.read('Sure: <tool_call>{"name": "weather", "arguments": {}}</tool_call>'))
    assert (row.value("one_call"), row.value("one_call_strict")) == (1.0, 0.0)


def test_a_gate_names_registered_metrics_only_in_their_own_unit():
    with pytest.raises(ValidationError, match="'calls_alone' is no metric that gates read; write one of 'field_f1'"):
        GatePolicy(core_metrics={"calls_alone": CoreMetric(unit="rate")})
    with pytest.raises(ValidationError, match="exact_match is a rate, no score"):
        GatePolicy(core_metrics={"exact_match": CoreMetric(unit="score")})


@pytest.mark.parametrize("metric", [name for name, entry in METRICS.items() if entry.gates])
def test_every_metric_that_a_gate_may_name_is_read_of_the_rows(metric):
    policy = GatePolicy(primary_metric=metric, core_metrics={metric: CoreMetric(unit=METRICS[metric].unit)})
    llm, slm = _evaluation(LLM, chatty=0), _evaluation(SLM, chatty=30)
    decision = fine_tune(slm, llm, policy)
    assert [item.metric for item in decision.contrasts] == [metric] or decision.missing


def _record(case, candidate, text):
    return PredictionRecord(
        case_id=case.id, conversation_id=case.id, candidate_id=candidate.id, answer_format=HERMES, text=text,
        request_hash="r", prompt_hash="p", finish_reason="stop",
    )  # fmt: skip
