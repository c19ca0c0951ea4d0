"""What goes to MLflow: a run each for a training, an evaluation and a report, with settings, hashes and numbers.

A training that was interrupted goes on in the run it had opened: its id lies in `mlflow_run.json` until the end. There
the parent finds it too, which closes the run of a process that was killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from swap_assets.backends.methods.checkpoints import RECIPE, flat
from swap_assets.backends.models.provenance import versions
from swap_assets.backends.processes.hardware import described
from swap_assets.backends.processes.specs import LossPoint, Tracking, TrainResult, TrainSpec
from swap_assets.backends.tracking.mlflow_runs import TrackedRun, mark_failed, tracked_run
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.report.report import Report
from swap_assets.domain.scoring.evaluation import Evaluation

_OPEN_FILE = "mlflow_run.json"
# Of the result, under the same names.
_NUMBERS = {
    "tokens_per_second", "peak_memory_mb", "kept_step", "micro_batch", "rows_per_step", "trainable_parameters",
    "parameters",
}  # fmt: skip
_NO_NUMBERS = {"answers", "latency_kind", "first_token_p99_s"}  # of an evaluation's totals


class _OpenRun(Frozen):
    uri: str
    run_id: str
    identity: str


def record_curves(run: TrackedRun, training: Sequence[LossPoint], validation: Sequence[LossPoint]) -> None:
    """Write the losses so far: of a training that fails they are what there is to look at."""
    run.curve("train_loss", {point.step: point.loss for point in training})
    run.curve("validation_loss", {point.step: point.loss for point in validation})


def record_training(run: TrackedRun, result: TrainResult) -> None:
    """Write a training's numbers and curves."""
    record_curves(run, result.loss_curve, result.validation_curve)
    rows = result.train_rows
    run.metrics(
        {
            **result.model_dump(include=_NUMBERS),
            "final_train_loss": result.train_loss,
            "training_seconds": result.seconds,
            "estimated_memory_mb": result.memory.total_mb,
            "rows_used": rows.used,
            "rows_cut": rows.cut,
            "rows_lost": rows.lost,
            "trained_tokens": rows.trained_tokens,
        }
    )
    resumed = ", ".join(map(str, result.resumed_from))
    tags = {"adapter_hash": result.adapter_hash, "device": result.device, "resumed_from_steps": resumed}
    run.tags({**tags, "gradient_checkpointing": str(result.gradient_checkpointing)})


@contextlib.contextmanager
def tracked_training(
    spec: TrainSpec, hashes: Mapping[str, str], identity: Mapping[str, str], *, folder: Path, active: bool = True
) -> Iterator[TrackedRun]:
    """Open the MLflow run that a spec asks for, or the one that an interrupted training left, and close it at the end.

    Without `active` (another process tracks) or without tracking in the spec, nothing is recorded.
    """
    if spec.tracking is None or not active:
        yield TrackedRun()
        return
    machine = {f"hardware.{name}": text for name, text in described().items()}
    known = {"candidate_id": spec.candidate_id, "partition": spec.partition}
    tags = {**known, **hashes, **machine, **{f"version.{name}": text for name, text in versions().items()}}
    same = content_hash(dict(identity))
    params = training_params(spec)
    with tracked_run(spec.tracking, params=params, tags=tags, continues=_interrupted(spec, same, folder)) as run:
        opened = _OpenRun(uri=spec.tracking.uri, run_id=run.id, identity=same)
        (folder / _OPEN_FILE).write_text(opened.model_dump_json(), encoding="utf-8")
        yield run
    (folder / _OPEN_FILE).unlink()


def _interrupted(spec: TrainSpec, identity: str, folder: Path) -> str:
    """Return the run that this very training had opened before; a run of another training is closed as failed."""
    left = _left(folder)
    if left and spec.tracking and (left.uri, left.identity) == (spec.tracking.uri, identity):
        return left.run_id
    with contextlib.suppress(Exception):  # the other store may be gone, which is nothing to stop a training for
        close_left_open(folder, reason="given up for a training with other settings")
    return ""


def _left(folder: Path) -> _OpenRun | None:
    try:
        return _OpenRun.model_validate_json((folder / _OPEN_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def close_left_open(folder: Path, *, reason: str = "the process ended without closing its run") -> None:
    """Close as failed the run of a training that could not do so itself, where there is one and it is open."""
    if left := _left(folder):
        mark_failed(left.uri, left.run_id, reason=reason)


def training_params(spec: TrainSpec) -> dict[str, str]:
    """Return every setting of a training as flat texts, `lora.r` and so on; the hash is that of the recipe alone."""
    plain = spec.model_dump(mode="json", include={"weights", *RECIPE})
    how = spec.model_dump(mode="json", include={"processes", "threads"})
    return {"settings_hash": content_hash(plain), **flat({**plain, **how})}


def track_evaluation(tracking: Tracking, evaluation: Evaluation, *, partition: str) -> str:
    """Write an evaluation as a finished run and return its id; an empty text where nothing was evaluated.

    Metric names are `TRACK.METRIC` for every candidate, so that MLflow's compare view lines them up.
    """
    if evaluation.status != "evaluated":
        return ""
    tags = {
        "candidate_id": evaluation.candidate.id,
        "partition": partition,
        "dataset_hash": evaluation.dataset_hash,
        "artefact_hash": evaluation.artefact_hash,
        "prompt_hash": "-".join(result.prompt_hash for result in evaluation.results.values()),
    }
    summaries = {track.value: result.summary for track, result in evaluation.results.items()}
    formats = {f"{track}.answer format": summary.answer_format.name for track, summary in summaries.items()}
    with tracked_run(tracking, params={**evaluation.candidate.model_dump(mode="json"), **formats}, tags=tags) as run:
        for track, result in evaluation.results.items():
            counted = {"cases": result.summary.cases, "unscored": result.summary.unscored}
            counted |= result.totals.model_dump(exclude=_NO_NUMBERS)
            scored = {name: metric.value for name, metric in result.summary.metrics.items()}
            run.metrics({f"{track.value}.{name}": value for name, value in {**scored, **counted}.items()})
    return run.id


def track_report(tracking: Tracking, report: Report, folder: Path) -> str:
    """Put a report's files into a finished run of their own and return its id; earlier reports are not among them."""
    tags = {"scale": report.scale, "evidence": report.evidence(), "verdict": report.verdict.kind}
    tags |= {"best_candidate": report.best_id}
    with tracked_run(tracking, params={"verdict": report.verdict.sentence}, tags=tags) as run:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                run.artifact(path)
            elif path.name in ("csv", "model_cards"):
                run.artifact(path, folder=path.name)
    return run.id
