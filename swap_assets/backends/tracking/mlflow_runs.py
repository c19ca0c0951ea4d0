"""MLflow through its client alone: a run each for a training, an evaluation and a report, always closed.

The fluent API keeps its active run in a global and the trainer's integration leaves it open; neither is used here.
MLflow is imported where a run is opened (1.1 s), never when definitions are loaded. A training that was interrupted
goes on in the run it had opened: its id lies in `mlflow_run.json` until the end. There the parent finds it too, which
closes the run of a process that was killed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filelock import FileLock

from swap_assets.backends.methods.checkpoints import RECIPE, flat
from swap_assets.backends.models.provenance import git_commit, versions
from swap_assets.backends.processes.hardware import described
from swap_assets.backends.processes.specs import LossPoint, Tracking, TrainResult, TrainSpec
from swap_assets.backends.store.whole import UnreadableError, full_disk, private_folder, read_json, write_json
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.scoring.evaluation import Evaluation

if TYPE_CHECKING:
    from mlflow import MlflowClient


_OPEN_FILE = "mlflow_run.json"
# Of the result, under the same names.
_NUMBERS = {
    "tokens_per_second", "peak_memory_mb", "kept_step", "micro_batch", "rows_per_step", "trainable_parameters",
    "parameters",
}  # fmt: skip
_NO_NUMBERS = {"answers", "latency_kind", "first_token_p99_s"}  # of an evaluation's totals


class TrackingError(RuntimeError):
    """The tracking store cannot be used; the message is one sentence that says what to do."""


class TrackedRun:
    """An open MLflow run; without a client nothing is tracked and the id is empty."""

    def __init__(self, client: MlflowClient | None = None, run_id: str = "") -> None:
        self.id, self._client = run_id, client

    def metrics(self, values: Mapping[str, float | None]) -> None:
        """Log numbers; a None is left out, for a value that was not measured is not zero."""
        self.log(metrics=[(name, float(value), _now(), 0) for name, value in values.items() if value is not None])

    def curve(self, name: str, points: Mapping[int, float]) -> None:
        """Log one metric at many steps; steps that an earlier attempt has logged are left out."""
        there = {point.step for point in self._client.get_metric_history(self.id, name)} if self._client else set()
        self.log(metrics=[(name, value, _now(), step) for step, value in points.items() if step not in there])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags; empty ones are left out."""
        self.log(tags=[item for item in values.items() if item[1]])

    def log(self, **entries: Sequence[tuple[Any, ...]]) -> None:
        """Log `metrics`, `tags` and `params`, each given as MLflow's entity takes it, which cuts longer texts."""
        if self._client:
            from mlflow.entities import Metric, Param, RunTag

            kinds = {"metrics": Metric, "tags": RunTag, "params": Param}
            made: Any = {name: [kinds[name](*entry) for entry in given] for name, given in entries.items()}
            self._client.log_batch(self.id, **made)

    def artifact(self, path: Path, *, folder: str = "") -> None:
        """Copy a file or a folder into the run's artifacts."""
        if self._client:
            log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            log(self.id, str(path), folder or None)


def _now() -> int:
    return int(time.time() * 1000)


@contextlib.contextmanager
def tracked_run(
    tracking: Tracking, *, params: Mapping[str, str], tags: Mapping[str, str], continues: str = ""
) -> Iterator[TrackedRun]:
    """Open a run and close it whatever happens: FINISHED, KILLED on an interrupt, else FAILED with the error as a tag.

    `continues` is the id of a run to open again; where it is gone a new one takes its place. TrackingError where the
    store cannot be opened.
    """
    client, experiment = _opened(tracking)
    known = _reopened(client, continues)
    run_id = continues if known is not None else client.create_run(experiment, run_name=tracking.run_name).info.run_id
    tracked = TrackedRun(client, run_id)
    try:
        # A param is written once: MLflow refuses another value, such as that of a setting which is no part of a recipe.
        tracked.log(params=[item for item in params.items() if item[0] not in (known or {})])
        tracked.tags({**tracking.tags, "git_commit": git_commit(), **tags})
        yield tracked
    except BaseException as error:
        ended = "FAILED" if isinstance(error, Exception) else "KILLED"
        with contextlib.suppress(Exception):  # what failed is the cause, not that the store cannot be told of it
            client.set_tag(tracked.id, "error", f"{type(error).__name__}: {error}")
            client.set_terminated(tracked.id, ended)
        raise
    client.set_terminated(tracked.id, "FINISHED")


def _reopened(client: MlflowClient, run_id: str) -> dict[str, str] | None:
    """Open a closed run again and return the params it has; None where there is no such run."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    try:
        found = client.get_run(run_id)
    except MlflowException:
        return None
    client.update_run(run_id, status="RUNNING")
    if "error" in found.data.tags:
        client.delete_tag(run_id, "error")
    return dict(found.data.params)


def mark_failed(uri: str, run_id: str, *, reason: str) -> None:
    """Close a run that its process could not close itself, for instance because it was killed. A closed one stays."""
    client = _client(uri)
    if client.get_run(run_id).info.status == "RUNNING":
        client.set_tag(run_id, "error", reason)
        client.set_terminated(run_id, "FAILED")


def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow import MlflowClient

    try:
        return MlflowClient(tracking_uri=uri)
    except Exception as error:
        raise TrackingError(f"the MLflow store {without_password(uri)} does not open: {error}") from error


def _opened(tracking: Tracking) -> tuple[MlflowClient, str]:
    """Open the store and return it with the experiment's id, which is made where it is missing.

    In SQLite one process at a time does so: of four that came at once to a new file three crashed over its tables
    (mlflow 3.17.2). A server looks after itself.
    """
    if not tracking.uri.startswith("sqlite:///"):
        return _with_experiment(tracking, artifacts=None)
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 (seconds on busy cores, so not while others wait)

    sqlite = Path(tracking.uri.removeprefix("sqlite:///"))
    try:
        private_folder(sqlite.parent)
        with FileLock(sqlite.with_name(sqlite.name + ".lock")):
            _make_tables(sqlite)
            # Beside the store, not in ./mlruns of whatever folder the process happens to run in.
            return _with_experiment(tracking, artifacts=(sqlite.parent.absolute() / "artifacts").as_uri())
    except OSError as error:
        told = f"the MLflow store {sqlite} cannot be written: {error.strerror}; check the folder"
        raise TrackingError(full_disk(error, sqlite.parent) or told) from None


def _make_tables(sqlite: Path) -> None:
    """Make a new store's tables in a file beside it: a kill between two of them would leave one that never opens."""
    if not sqlite.exists():
        (unfinished := sqlite.with_name(sqlite.name + ".part")).unlink(missing_ok=True)
        _client(f"sqlite:///{unfinished}").search_experiments(max_results=1)
        unfinished.replace(sqlite)


def _with_experiment(tracking: Tracking, *, artifacts: str | None) -> tuple[MlflowClient, str]:
    client = _client(tracking.uri)
    found = client.get_experiment_by_name(tracking.experiment)
    made = found.experiment_id if found else client.create_experiment(tracking.experiment, artifact_location=artifacts)
    return client, made


def without_password(uri: str) -> str:
    """Return a store's address with its password hidden."""
    parts = urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":***@") if parts.password else uri


class _OpenRun(Frozen):
    uri: str
    run_id: str
    identity: str


def record_curves(run: TrackedRun, training: Sequence[LossPoint], validation: Sequence[LossPoint]) -> None:
    """Write the losses so far, that of the tokens that end an answer by itself: a training that fails has no more."""
    for name, points in (("train", training), ("validation", validation)):
        run.curve(f"{name}_loss", {point.step: point.loss for point in points})
        run.curve(f"{name}_end_loss", {point.step: point.end for point in points if point.end is not None})


def record_training(run: TrackedRun, result: TrainResult) -> None:
    """Write a training's numbers and curves."""
    record_curves(run, result.loss_curve, result.validation_curve)
    rows = result.train_rows
    took = {"training_seconds": result.seconds, "estimated_memory_mb": result.memory.total_mb}
    counted = {"rows_used": rows.used, "rows_cut": rows.cut, "rows_lost": rows.lost}
    counted |= {"trained_tokens": rows.trained_tokens, "final_train_loss": result.train_loss}
    run.metrics({**result.model_dump(include=_NUMBERS), **took, **counted})
    resumed, untrained = ", ".join(map(str, result.resumed_from)), ", ".join(result.untrained_tokens)
    tags = {"adapter_hash": result.adapter_hash, "device": result.device, "resumed_from_steps": resumed}
    run.tags({**tags, "gradient_checkpointing": str(result.gradient_checkpointing), "untrained_tokens": untrained})


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
    # The hash is that of the recipe alone.
    plain = spec.model_dump(mode="json", include={"weights", *RECIPE})
    how = spec.model_dump(mode="json", include={"processes", "threads"})
    params = {"settings_hash": content_hash(plain), **flat({**plain, **how})}
    with tracked_run(spec.tracking, params=params, tags=tags, continues=_interrupted(spec, same, folder)) as run:
        opened = _OpenRun(uri=spec.tracking.uri, run_id=run.id, identity=same)
        write_json(folder / _OPEN_FILE, opened)
        yield run
    (folder / _OPEN_FILE).unlink(missing_ok=True)


def _interrupted(spec: TrainSpec, identity: str, folder: Path) -> str:
    """Return the run that this very training had opened before; a run of another training is closed as failed."""
    left = _left(folder)
    if left and spec.tracking and (left.uri, left.identity) == (spec.tracking.uri, identity):
        return left.run_id
    close_left_open(folder, reason="given up for a training with other settings")
    return ""


def _left(folder: Path) -> _OpenRun | None:
    try:
        return read_json(folder / _OPEN_FILE, _OpenRun.model_validate_json, again="")
    except (OSError, UnreadableError):
        return None


def close_left_open(folder: Path, *, reason: str = "the process ended without closing its run") -> None:
    """Close as failed the run of a training that could not do so itself, where there is one and it is open."""
    # The store may be gone, or its disk full, which is nothing to stop for and not what failed.
    with contextlib.suppress(Exception):
        if left := _left(folder):
            mark_failed(left.uri, left.run_id, reason=reason)


def track_evaluation(tracking: Tracking, evaluation: Evaluation, *, partition: str) -> str:
    """Write an evaluation as a finished run and return its id.

    Metric names are `TRACK.METRIC` for every candidate, so that MLflow's compare view lines them up.
    """
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
