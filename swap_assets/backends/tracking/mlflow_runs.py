"""Experiment tracking in MLflow, through its client alone: one run for a training or an evaluation, always closed.

The fluent API keeps its active run in a global and the trainer's integration leaves it open; neither is used here.
MLflow is imported where a run is opened (1.1 s), never when definitions are loaded.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from filelock import FileLock

from swap_assets.backends.models.provenance import git_commit
from swap_assets.backends.processes.specs import Tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient


_NOTHING: Mapping[str, str] = {}


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
    tracking: Tracking, *, params: Mapping[str, str] = _NOTHING, tags: Mapping[str, str] = _NOTHING, continues: str = ""
) -> Iterator[TrackedRun]:
    """Open a run and close it whatever happens: FINISHED, KILLED on an interrupt, else FAILED with the error as a tag.

    `continues` is the id of a run to open again; where it is gone a new one takes its place.

    Raises:
        TrackingError: the store cannot be opened.
    """
    client, experiment = _opened(tracking)
    known = _reopened(client, continues)
    run_id = continues if known is not None else client.create_run(experiment, run_name=tracking.run_name).info.run_id
    tracked = TrackedRun(client, run_id)
    try:
        # A param is written once: MLflow refuses another value, such as that of a setting which is no part of a recipe.
        tracked.log(params=[item for item in {**tracking.params, **params}.items() if item[0] not in (known or {})])
        tracked.tags({**tracking.tags, "git_commit": git_commit(), **tags})
        yield tracked
    except BaseException as error:
        ended = "FAILED" if isinstance(error, Exception) else "KILLED"
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


def tracking_uri(given: str) -> str:
    """Return a store's address without a name and password, which would end up in spec files and logs.

    Those of a server go where MLflow looks for them, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of this
    process and of those that it starts.

    Raises:
        TrackingError: the address of a database holds a password, for which there is no such place.
    """
    parts = urlsplit(given)
    if parts.scheme in ("http", "https") and parts.username:
        os.environ.setdefault("MLFLOW_TRACKING_USERNAME", unquote(parts.username))
        os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", unquote(parts.password or ""))
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if parts.password:
        raise TrackingError(
            f"MLFLOW_TRACKING_URI holds a password ({_without_password(given)}), which would be written into spec "
            "files; give it to the database another way (PGPASSFILE, ~/.my.cnf), or use an MLflow server"
        )
    return given


def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow import MlflowClient

    try:
        return MlflowClient(tracking_uri=uri)
    except Exception as error:
        raise TrackingError(f"the MLflow store {_without_password(uri)} does not open: {error}") from error


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
        sqlite.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(sqlite.with_name(sqlite.name + ".lock")):
            # Beside the store, not in ./mlruns of whatever folder the process happens to run in.
            return _with_experiment(tracking, artifacts=(sqlite.parent.absolute() / "artifacts").as_uri())
    except OSError as error:
        told = f"the MLflow store {sqlite} cannot be written: {error.strerror}; check the folder"
        raise TrackingError(told) from None


def _with_experiment(tracking: Tracking, *, artifacts: str | None) -> tuple[MlflowClient, str]:
    client = _client(tracking.uri)
    found = client.get_experiment_by_name(tracking.experiment)
    made = found.experiment_id if found else client.create_experiment(tracking.experiment, artifact_location=artifacts)
    return client, made


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":***@") if parts.password else uri
