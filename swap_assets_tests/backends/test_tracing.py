"""Traces against a server that speaks Langfuse's endpoint: what arrives, what never does, what a bad one costs."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.processes.specs import TrainSpec
from swap_assets.backends.tracking import tracing
from swap_assets.backends.tracking.tracing import TEXT_VARIABLE, decision_trace, evaluation_trace, send, training_trace
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.model import ToolCall
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets_tests.domain.evaluations import LLM, PAPER, SLM, evaluation, shares
from swap_assets_tests.langfuse_server import LangfuseServer, hanging

OUTPUT, INPUT = "langfuse.observation.output", "langfuse.observation.input"
DECISION = fine_tune(evaluation(SLM, shares(2, 10)), evaluation(LLM, shares(9, 10)), GatePolicy())


def with_text() -> Evaluation:
    """An evaluation whose first row holds the user's words."""
    made = evaluation(PAPER, shares(8, 10))
    track, result = next(iter(made.results.items()))
    said = result.rows[0].model_copy(
        update={"extracted_calls": (ToolCall(name="mail", arguments={"to": "ada@example.org"}),)}
    )
    return made.model_copy(update={"results": {track: result.model_copy(update={"rows": (said, *result.rows[1:])})}})


def environment(server: LangfuseServer) -> dict[str, str]:
    return {**os.environ, **server.environment()}


def test_a_decision_arrives_with_its_evidence_and_verdict() -> None:
    with LangfuseServer() as server:
        trace = decision_trace(DECISION, experiment="mine", partition="phi|small")
        assert send(trace, environment(server)) == ""
    (span,) = server.spans
    assert span["name"] == span["langfuse.trace.name"] == "fine_tune_decision phi|small"
    assert span["session.id"] == "mine"
    assert span["langfuse.trace.tags"] == ["fine_tune_decision", DECISION.verdict, DECISION.action]
    assert span[OUTPUT]["reason"] == DECISION.reason
    assert span[INPUT]["hashes"] == DECISION.hashes != {}
    assert span["langfuse.observation.metadata.partition"] == '"phi|small"'
    assert server.keys == {"pk-lf-test:sk-lf-test"}


def test_an_evaluation_arrives_with_hashes_and_metrics_and_without_text() -> None:
    with LangfuseServer() as server:
        trace = evaluation_trace(with_text(), experiment="mine", partition="phi|small", run_id="r1")
        assert send(trace, environment(server)) == ""
    (span,) = server.spans
    metric = span[OUTPUT]["tracks"]["toolcall"]["metrics"]["exact_match"]
    assert (metric["value"], metric["rows"]) == (0.8, 10) and metric["low"] < 0.8 < metric["high"]
    assert span[INPUT]["dataset_hash"] == "d" and span[INPUT]["artefact_hash"] == "a"
    assert span["langfuse.observation.metadata.candidate_id"] == f'"{PAPER.id}"'
    assert b"ada@example.org" not in b"".join(server.bodies)


def test_text_of_rows_is_sent_where_the_setting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEXT_VARIABLE, "1")
    trace = evaluation_trace(with_text(), experiment="mine", partition="phi|small", run_id="r1")
    assert "ada@example.org" in trace.model_dump_json()


def test_a_failed_training_arrives_as_an_error(tmp_path: Path) -> None:
    with LangfuseServer() as server:
        trace = training_trace(_train_spec(tmp_path), None, experiment="mine", failed="the training failed")
        assert send(trace, environment(server)) == ""
    (span,) = server.spans
    assert span["langfuse.observation.level"] == "ERROR"
    assert span["langfuse.observation.status_message"] == "the training failed"
    assert span[INPUT]["lora"]["r"] == 4


def test_without_keys_nothing_is_started_and_nothing_imported() -> None:
    code = (
        "import subprocess, sys; from swap_assets.backends.tracking.tracing import Trace, send;"
        "subprocess.run = subprocess.Popen = None;"
        "said = send(Trace(kind='decision', name='n', session='s'), {'LANGFUSE_HOST': 'http://127.0.0.1:9'});"
        "print(repr(said), 'langfuse' in sys.modules, 'opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "'' False False"


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [(hanging, ""), (lambda: 401, "no such key: sk-lf-test"), (lambda: 503, "")],
    ids=["hangs", "refuses", "is down"],
)
def test_a_server_that_does_not_take_a_trace_costs_a_bounded_wait_and_one_sentence(behaviour: Any, answer: str) -> None:
    trace = decision_trace(DECISION, experiment="mine", partition="phi|small")
    with LangfuseServer(behaviour, answer=answer) as server:
        began = time.monotonic()
        said = send(trace, environment(server))
        assert time.monotonic() - began < 20
    assert said.startswith("Langfuse at 127.0.0.1 did not take a trace")
    assert "sk-lf" not in said


def test_a_sender_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_WITHIN_S", 0.5)
    trace = decision_trace(DECISION, experiment="mine", partition="phi|small")
    with LangfuseServer(hanging) as server:
        began = time.monotonic()
        assert "within 0 s; going on without it" in send(trace, environment(server))
        assert time.monotonic() - began < 3


def test_half_the_keys_or_a_missing_package_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = decision_trace(DECISION, experiment="mine", partition="phi|small")
    half = send(trace, {"LANGFUSE_PUBLIC_KEY": "pk"})
    assert "LANGFUSE_SECRET_KEY is not set" in half
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'swap-assets[tracing]'" in send(trace, LangfuseServer().environment())


def _train_spec(folder: Path) -> TrainSpec:
    settings = {"batch_size": 2, "learning_rate": 1e-2, "epochs": 2, "max_length": 400}
    return TrainSpec.model_validate(
        {
            "candidate_id": PAPER.id,
            "partition": "phi|small",
            "weights": {"source": "microsoft/phi"},
            "data_file": folder / "data.json",
            "answer_format": "hermes",
            "prompt_style": "compact",
            "lora": {"r": 4, "alpha": 8},
            "training": settings,
            "output": folder / "toolcall" / "adapter",
        }
    )
