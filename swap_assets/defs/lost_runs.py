"""Runs whose process is gone: found, failed with their reason, and their places in pools given to others.

A killed process says nothing: its run counts as started for ever, and its step keeps its place. Dagster's own
monitoring asks run launchers, which know nothing of a run that a command line executed. So `executor` holds a lock for
as long as it executes a run. Not here: what a step does when its run's process is gone (`resources.store`).
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from swap_assets.backends.processes.locks import any_left, unless_held, working_on

_UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
_COMING_UP_S = 120  # a run that has not named its process yet: as in dagster.yaml's start_timeout_seconds
_RUNS = 500
_LOOK_S = 2.0  # between looks at the locks of others, while a run works


def fail_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail the runs whose process is gone and free their places in pools; return a sentence for each."""
    told = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY), limit=_RUNS):
        run = record.dagster_run
        with unless_held(Path(instance.root_directory), run.run_id) as gone:
            if gone is False or (gone is None and not _never_to_end(instance, record)):
                continue
            # Read again: it may have ended since, and whoever has gone changes it no more.
            if (now := instance.get_run_by_id(run.run_id)) and not now.is_finished:
                why = f"run {run.run_id[:8]} of {_what(run)} was lost: its process was killed, or the machine went down"
                instance.report_run_failed(run, f"{why}. Materialise it again: it goes on from what was kept.")
                told.append(f"{why}; it counts as failed now, and its place is free")
    for run_id in instance.event_log_storage.get_concurrency_run_ids():
        holder = instance.get_run_by_id(run_id)
        if holder is None or holder.is_finished:
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return told


def _never_to_end(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether a run that holds no lock (of another executor, or killed before it took one) has no process any more.

    Only where the records lie in SQLite: these are one machine's, whose process ids can be asked.
    """
    young = time.time() - record.create_timestamp.timestamp() < _COMING_UP_S
    if type(instance.run_storage).__name__ != "SqliteRunStorage":
        return False
    if (process := process_of(instance, record.dagster_run.run_id)) is None:
        return not young
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    return True


def holders(instance: dg.DagsterInstance, pool: str) -> str:
    """Say which steps hold the places of a pool, since when, and how such a place is freed; "" where none does."""
    found = []
    for slot in instance.event_log_storage.get_concurrency_info(pool).claimed_slots:
        process = process_of(instance, slot.run_id)
        since = next((step.start_time for step in instance.get_run_step_stats(slot.run_id, [slot.step_key])), None)
        at = f" since {datetime.fromtimestamp(since):%H:%M:%S}" if since else ""
        how = f"process {process}; to stop it: kill -INT {process}" if process else "no process yet"
        found.append(f"{slot.step_key} of run {slot.run_id[:8]}{at} ({how})")
    return f"{pool} is held by {' and '.join(found)}" if found else ""


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Fails runs whose process is gone, so that nobody waits for them. It starts nothing and costs nothing."""
    return dg.SkipReason("; ".join(fail_lost_runs(context.instance)) or "every run under way has its process")


def process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """Return the id of the process that executes a run, the last that it has named; None before it has."""
    for entry in reversed(instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        data = entry.get_dagster_event().engine_event_data if entry.is_dagster_event else None
        if data and entry.step_key is None and (pid := data.metadata.get("pid")):
            return int(str(pid.value))
    return None


def _what(run: dg.DagsterRun) -> str:
    assets = sorted(key.path[-1] for key in run.asset_selection or ())
    partition = run.tags.get("dagster/partition", "")
    return (", ".join(assets[:3]) or run.job_name) + (f" at {partition}" if partition else "")


class _Locked(dg.Executor):
    """Another executor that holds the run's lock meanwhile, frees what killed runs hold, and says who holds a pool."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner, self.retries = inner, inner.retries
        self.step_dependency_config = inner.step_dependency_config

    retries: Any = None
    step_dependency_config: Any = None

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        instance, over = plan_context.instance, threading.Event()
        look = threading.Thread(target=_look_after, args=(instance, plan_context.log, over), daemon=True)
        with working_on(Path(instance.root_directory), plan_context.run_id):
            look.start()
            try:
                for event in self._inner.execute(plan_context, execution_plan):
                    yield event
                    _tell_who_holds(instance, event, plan_context.log)
            finally:
                over.set()
                look.join()


def _tell_who_holds(instance: dg.DagsterInstance, event: dg.DagsterEvent, log: Any) -> None:
    data = event.engine_event_data if event.is_engine_event else None
    if data and event.step_key and (pool := data.metadata.get("pool")):
        log.info(f"{event.step_key} waits: {holders(instance, str(pool.value)) or 'a step has just ended'}")


def _look_after(instance: dg.DagsterInstance, log: Any, over: threading.Event) -> None:
    """Fail runs that are lost, as long as this one works: it may wait for what they hold."""
    home, lost = Path(instance.root_directory), fail_lost_runs(instance)
    while True:
        for told in lost:
            log.warning(told)
        if over.wait(_LOOK_S):
            return
        lost = fail_lost_runs(instance) if any_left(home) else []


@dg.executor(
    name="multiprocess", config_schema=dg.multiprocess_executor.config_schema.as_field(),
    requirements=dg.multiple_process_executor_requirements(),
)  # fmt: skip
def executor(context: dg.InitExecutorContext) -> dg.Executor:
    """Dagster's own executor, under which a killed run blocks nobody."""
    create = dg.multiprocess_executor.executor_creation_fn
    assert create is not None
    return _Locked(create(context))
