"""What of a training goes to MLflow: one run with its settings, hashes, counts and loss curves.

A training that was interrupted goes on in the run it had opened: its id lies in `mlflow_open.json` until the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from swap_assets.backends.methods.identity import flat
from swap_assets.backends.models.provenance import git_commit, versions
from swap_assets.backends.processes.hardware import described
from swap_assets.backends.processes.specs import RUN_ID_FILE, LossPoint, TrainResult, TrainSpec
from swap_assets.backends.tracking.mlflow_runs import TrackedRun, mark_failed, tracked_run
from swap_assets.domain.model import Frozen, content_hash

_OPEN_FILE = "mlflow_open.json"


class _OpenRun(Frozen):
    uri: str
    run_id: str
    identity: str


class TrainingRun:
    """The run of a training; with an empty id nothing is tracked."""

    def __init__(self, tracked: TrackedRun | None = None) -> None:
        self._tracked = tracked

    @property
    def id(self) -> str:
        """The MLflow run id, empty where the training is not tracked."""
        return self._tracked.id if self._tracked else ""

    def tag(self, name: str, value: str) -> None:
        """Set one tag at once."""
        if self._tracked:
            self._tracked.tags({name: value})

    def curves(self, training: Sequence[LossPoint], validation: Sequence[LossPoint]) -> None:
        """Write the losses so far: of a training that fails they are what there is to look at."""
        if self._tracked:
            self._tracked.curve("train_loss", {point.step: point.loss for point in training})
            self._tracked.curve("validation_loss", {point.step: point.loss for point in validation})

    def record(self, result: TrainResult) -> None:
        """Write the result's numbers and curves."""
        if not self._tracked:
            return
        self.curves(result.loss_curve, result.validation_curve)
        rows = result.train_rows
        self._tracked.metrics(
            {
                "final_train_loss": result.train_loss,
                "tokens_per_second": result.tokens_per_second,
                "training_seconds": result.seconds,
                "peak_memory_mb": result.peak_memory_mb,
                "rows_used": rows.used,
                "rows_cut": rows.cut,
                "rows_lost": rows.lost,
                "trained_tokens": rows.trained_tokens,
                "kept_step": result.kept_step,
                "estimated_memory_mb": result.memory.total_mb,
                "micro_batch": result.micro_batch,
                "rows_per_step": result.rows_per_step,
                "trainable_parameters": result.trainable_parameters,
                "parameters": result.parameters,
            }
        )
        self._tracked.tags(
            {
                "adapter_hash": result.adapter_hash,
                "device": result.device,
                "gradient_checkpointing": str(result.gradient_checkpointing),
                "resumed_from_steps": ", ".join(map(str, result.resumed_from)),
            }
        )


@contextlib.contextmanager
def tracked_training(
    spec: TrainSpec, hashes: Mapping[str, str], identity: Mapping[str, str], *, folder: Path, active: bool = True
) -> Iterator[TrainingRun]:
    """Open the MLflow run that a spec asks for, or the one that an interrupted training left, and close it at the end.

    Its id lies in `folder` for the parent, which closes it when this process is killed. Without `active` (another
    process tracks) or without tracking in the spec, nothing is recorded.
    """
    if spec.tracking is None or not active:
        yield TrainingRun()
        return
    machine = {f"hardware.{name}": text for name, text in described().items()}
    known = {"candidate_id": spec.candidate_id, "partition": spec.partition, "git_commit": git_commit()}
    tags = {**known, **hashes, **machine, **{f"version.{name}": text for name, text in versions().items()}}
    same = content_hash(dict(identity))
    params = training_params(spec)
    with tracked_run(spec.tracking, params=params, tags=tags, continues=_interrupted(spec, same, folder)) as run:
        (folder / RUN_ID_FILE).write_text(run.id, encoding="utf-8")
        opened = _OpenRun(uri=spec.tracking.uri, run_id=run.id, identity=same)
        (folder / _OPEN_FILE).write_text(opened.model_dump_json(), encoding="utf-8")
        yield TrainingRun(run)
    (folder / _OPEN_FILE).unlink()


def _interrupted(spec: TrainSpec, identity: str, folder: Path) -> str:
    """Return the run that this very training had opened before; a run of another training is closed as failed."""
    try:
        left = _OpenRun.model_validate_json((folder / _OPEN_FILE).read_bytes())
    except (OSError, ValidationError):
        return ""
    if spec.tracking and (left.uri, left.identity) == (spec.tracking.uri, identity):
        return left.run_id
    with contextlib.suppress(Exception):  # the other store may be gone, which is nothing to stop a training for
        mark_failed(left.uri, left.run_id, reason="given up for a training with other settings")
    return ""


def training_params(spec: TrainSpec) -> dict[str, str]:
    """Return every setting of a training as flat texts, `lora.r` and so on; the hash is that of the recipe alone."""
    plain = spec.model_dump(
        mode="json", include={"weights", "answer_format", "prompt_style", "method", "lora", "training", "seed"}
    )
    how = spec.model_dump(mode="json", include={"processes", "threads"})
    return {"settings_hash": content_hash(plain), **flat({**plain, **how})}
