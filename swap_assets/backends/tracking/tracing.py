"""Telling of what happened outside: traces in Langfuse where LANGFUSE_* is set, alerts to SWAP_ALERT_WEBHOOK.

A trace of an evaluation, training or decision holds hashes, numbers and verdicts: no key, and no text of the data set
unless SWAP_TRACE_TEXT says so. It is sent by a process of its own, `python -m` this module with the trace on stdin: so
the SDK's global OpenTelemetry provider sees no other library's spans, its threads and its work at exit keep nobody
waiting, and a server that hangs or refuses costs a bounded wait and a line in the log, never a result.
"""

import importlib.util
import json
import logging
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from swap_assets.backends.models.provenance import git_commit
from swap_assets.backends.processes.specs import TrainResult, TrainSpec
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import model_and_scale
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult

WEBHOOK_VARIABLE = "SWAP_ALERT_WEBHOOK"
_TIMEOUT_S = 10.0
PUBLIC_KEY, SECRET_KEY = "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"
# Set to 1, it lets the answers and the previews of the training rows into the traces.
TEXT_VARIABLE = "SWAP_TRACE_TEXT"
_WITHIN_S = 15.0  # start of the sending process (3 s on busy cores), then what the server has
# What is told of a training's result, under the same names.
_OF_A_TRAINING = {
    "adapter_hash", "train_rows", "validation_rows", "steps", "rows_per_step", "train_loss", "validation_curve",
    "tokens_per_second", "seconds", "peak_memory_mb", "device", "versions", "trainable_parameters",
}  # fmt: skip
_SERVER_S = 5  # all attempts to deliver the trace together


def post_alert(text: str) -> str:
    """Post a text to the webhook and say what became of it; an alert that fails must not fail what raised it."""
    address = os.environ.get(WEBHOOK_VARIABLE, "")
    if not address:
        return f"no webhook is set ({WEBHOOK_VARIABLE})"
    if not address.startswith(("https://", "http://")):
        return f"{WEBHOOK_VARIABLE} is no http address, so nothing was posted"
    body = json.dumps({"text": text}).encode()
    try:
        request = urllib.request.Request(address, data=body, headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return f"posted to the webhook, which answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"the webhook refused the alert ({error.code})"
    except (OSError, ValueError) as error:  # their texts may quote the address
        return f"the webhook could not be reached ({type(error).__name__})"


class Trace(Frozen):
    """What is told about one thing that happened; `session` is the experiment, in whose list Langfuse shows it."""

    kind: Literal["evaluation", "training", "decision"]
    name: str
    session: str
    tags: tuple[str, ...] = ()
    input: dict[str, Any] = Field(default_factory=dict)
    output: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)
    failed: str = ""


def send(trace: Trace, environment: Mapping[str, str] = os.environ) -> str:
    """Send a trace where Langfuse's keys are set, within 15 seconds; return a sentence where that did not work.

    Nothing is raised: a trace is a copy of what the experiment's folder holds.
    """
    missing = [name for name in (PUBLIC_KEY, SECRET_KEY) if not environment.get(name)]
    if len(missing) == 2:
        return ""
    if missing:
        return f"no trace was sent to Langfuse: {missing[0]} is not set; set it too, or unset the other key"
    if importlib.util.find_spec("langfuse") is None:
        how = "install it with pip install 'swap-assets[tracing]', or unset the keys"
        return f"no trace was sent to Langfuse: its keys are set and the package langfuse is missing; {how}"
    command = [sys.executable, "-m", "swap_assets.backends.tracking.tracing"]
    text = trace.model_dump_json().encode()
    url = environment.get("LANGFUSE_BASE_URL") or environment.get("LANGFUSE_HOST") or "https://cloud.langfuse.com"
    refused = f"Langfuse at {urlsplit(url).hostname or 'an unknown address'} did not take a trace"
    try:
        # What the sender writes is taken and dropped: a server's refusal may quote the key.
        done = subprocess.run(command, input=text, timeout=_WITHIN_S, env=dict(environment), capture_output=True)
    except subprocess.TimeoutExpired:
        return f"{refused} within {_WITHIN_S:.0f} s; going on without it"
    except OSError as error:
        return f"the process that sends traces to Langfuse did not start ({error.strerror}); going on without it"
    return f"{refused}; check its address and keys; going on without it" if done.returncode else ""


def evaluation_trace(evaluation: Evaluation, *, experiment: str, partition: str, run_id: str) -> Trace:
    """Tell an evaluation: on which rows and weights, with which metrics in which track."""
    candidate = evaluation.candidate
    tracks = {track.value: _track(result) for track, result in evaluation.results.items()}
    where = {"candidate_id": candidate.id, "partition": partition, "mlflow_run": run_id}
    return Trace(
        kind="evaluation",
        name=f"evaluation {candidate.id}",
        session=experiment,
        tags=("evaluation", candidate.model, candidate.scale),
        input={
            **evaluation.model_dump(include={"dataset_hash", "artefact_hash"}),
            "prompt_hash": {track.value: result.prompt_hash for track, result in evaluation.results.items()},
        },
        output={"status": evaluation.status, "evidence_hash": evaluation.evidence_hash(), "tracks": tracks},
        metadata={**candidate.model_dump(mode="json"), **where},
    )


def _track(result: TrackResult) -> dict[str, Any]:
    summary = result.summary
    told: dict[str, Any] = {
        **summary.model_dump(mode="json", include={"cases", "unscored", "failures"}),
        "answer_format": summary.answer_format.name,
        "metrics": {name: {"value": metric.value, "low": metric.low, "high": metric.high, "rows": metric.n}
                    for name, metric in summary.metrics.items()},
        "totals": result.totals.model_dump(mode="json"),
    }  # fmt: skip
    if text_allowed():
        kept = {"case_id", "failure", "field_f1", "first_difference", "extracted_calls"}
        told["rows"] = [row.model_dump(mode="json", include=kept) for row in result.rows]
    return told


def training_trace(spec: TrainSpec, result: TrainResult | None, *, experiment: str, failed: str = "") -> Trace:
    """Tell a training: its settings and the hashes of what went in, its losses and speed, or that it failed."""
    settings = {"weights", "answer_format", "prompt_style", "system", "lora", "training", "seed"}
    told = _OF_A_TRAINING | ({"mask_preview"} if text_allowed() else set())
    output = {"status": "trained", **result.model_dump(mode="json", include=told)} if result else {"status": "failed"}
    hashes = {name: getattr(result, name, "") for name in ("dataset_hash", "prompt_hash")}
    run = result.mlflow_run_id if result else ""
    return Trace(
        kind="training", name=f"training {spec.candidate_id} {spec.output.parent.name}", session=experiment,
        tags=("training", *model_and_scale(spec.partition)),
        input={**spec.model_dump(mode="json", include=settings), **hashes}, output=output,
        metadata={**spec.model_dump(include={"candidate_id", "partition"}), "mlflow_run": run}, failed=failed,
    )  # fmt: skip


def decision_trace(decision: Decision, *, experiment: str, partition: str) -> Trace:
    """Tell a decision: on which evidence, by which rule, with which verdict and action."""
    shown = decision.model_dump(mode="json")
    told = {name: shown[name] for name in ("decided_by", "decided_at")}
    return Trace(
        kind="decision",
        name=f"{decision.name} {partition}",
        session=experiment,
        tags=(decision.name, decision.verdict, decision.action),
        input={name: shown[name] for name in ("rule", "thresholds", "candidates", "hashes", "contrasts", "missing")},
        output={name: shown[name] for name in ("verdict", "action", "reason")} | {"content": decision.content()},
        metadata=told | {"candidates": ", ".join(decision.candidates), "partition": partition},
    )


def text_allowed() -> bool:
    """Say whether text of the data set may be sent."""
    return os.environ.get(TEXT_VARIABLE, "").strip().lower() in ("1", "true", "yes", "on")


class _Refusals(logging.Handler):
    """Counts what the exporter could not deliver; it says so in its log alone."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def deliver() -> int:
    """Send the trace on stdin through Langfuse's SDK; return the exit code, which says whether it was taken."""
    trace = Trace.model_validate_json(sys.stdin.read())
    refusals = _Refusals(level=logging.ERROR)
    logging.getLogger("opentelemetry").addHandler(refusals)
    from langfuse import Langfuse, propagate_attributes

    client = Langfuse(timeout=_SERVER_S)
    with propagate_attributes(session_id=trace.session, tags=list(trace.tags), trace_name=trace.name):
        seen = client.start_observation(
            name=trace.name, as_type="span", input=trace.input, output=trace.output,
            metadata={"kind": trace.kind, "git_commit": git_commit(), **trace.metadata},
            level="ERROR" if trace.failed else "DEFAULT", status_message=trace.failed or None,
        )  # fmt: skip
        seen.end()
    client.flush()
    return min(1, refusals.count)


if __name__ == "__main__":
    # Not sys.exit: the SDK would wait for its threads once more.
    os._exit(deliver())
