"""What of a training goes to MLflow: one run with its settings, hashes, counts and loss curves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from swap_assets.backends.provenance import git_commit
from swap_assets.backends.specs import RUN_ID_FILE, TrainResult, TrainSpec
from swap_assets.backends.tracking import TrackedRun, tracked_run
from swap_assets.domain.model import content_hash


class TrainingRun:
    """The run of a training; with an empty id nothing is tracked."""

    def __init__(self, tracked: TrackedRun | None = None) -> None:
        self._tracked = tracked

    @property
    def id(self) -> str:
        """The MLflow run id, empty where the training is not tracked."""
        return self._tracked.id if self._tracked else ""

    def record(self, result: TrainResult) -> None:
        """Write the result's numbers and curves."""
        if not self._tracked:
            return
        self._tracked.curve("train_loss", {point.step: point.loss for point in result.loss_curve})
        self._tracked.curve("validation_loss", {point.step: point.loss for point in result.validation_curve})
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
            }
        )
        self._tracked.tags({"adapter_hash": result.adapter_hash, "device": result.device})


@contextlib.contextmanager
def tracked_training(spec: TrainSpec, hashes: dict[str, str], *, folder: Path) -> Iterator[TrainingRun]:
    """Open the MLflow run that a spec asks for, if it does, and leave its id in `folder` for the parent."""
    if spec.tracking is None:
        yield TrainingRun()
        return
    tags = {"candidate_id": spec.candidate_id, "partition": spec.partition, "git_commit": git_commit(), **hashes}
    with tracked_run(spec.tracking, params=training_params(spec), tags=tags) as run:
        (folder / RUN_ID_FILE).write_text(run.id, encoding="utf-8")
        yield TrainingRun(run)


def training_params(spec: TrainSpec) -> dict[str, str]:
    """Return every setting of a training as flat texts, `lora.r` and so on."""
    plain = spec.model_dump(mode="json", include={"weights", "contract", "prompt_style", "lora", "training", "seed"})
    flat: dict[str, str] = {"settings_hash": content_hash(plain)}
    for key, value in plain.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        flat |= {f"{key}.{name}" if name else key: str(setting) for name, setting in inner}
    return flat
