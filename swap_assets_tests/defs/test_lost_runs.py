"""Runs that are killed with SIGKILL, in processes of their own: found, failed, and their places in pools given back."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest

from swap_assets.backends.processes.locks import any_left
from swap_assets.defs.lost_runs import fail_lost_runs, holders, lost_runs, process_of

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
POOL = "hosted_llm"
CODE = """
import time
import dagster as dg
from swap_assets.defs.lost_runs import executor

@dg.asset(pool="hosted_llm")
def first(): time.sleep(300)

@dg.asset(pool="hosted_llm")
def second(): time.sleep(1)

@dg.job(executor_def=dg.in_process_executor)
def plain():
    dg.op(name="long")(lambda: time.sleep(300))()

defs = dg.Definitions([first, second], executor=executor, jobs=[plain])
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\nconcurrency: {pools: {granularity: op}}\n")
    (tmp_path / "code.py").write_text(CODE)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.event_log_storage.set_concurrency_slots(POOL, 1)
        yield tmp_path, instance


def _start(folder: Path, *command: str) -> subprocess.Popen:
    """Start a command of Dagster's in a process group of its own."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("dagster"), *command, "-f", folder / "code.py"], start_new_session=True,
        env={**os.environ, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(REPOSITORY)}, cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture
def run(home):
    """A run that holds the only place of its pool."""
    folder, instance = home
    process = _start(folder, "asset", "materialize", "--select", "first")
    try:
        _until(lambda: instance.event_log_storage.get_concurrency_info(POOL).claimed_slots)
        _until(lambda: " since " in holders(instance, POOL))
        yield process
    finally:
        _kill(process)


def _kill(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def _until(there, *, within_s: float = 60):
    deadline = time.monotonic() + within_s
    while not (found := there()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_a_run_is_left_alone_while_its_process_lives_and_fails_with_its_reason_once_that_is_killed(home, run):
    folder, instance = home
    assert fail_lost_runs(instance) == [] and not any_left(folder)
    (record,) = instance.get_runs()
    assert process_of(instance, record.run_id) == run.pid
    told = holders(instance, POOL)
    assert f"first of run {record.run_id[:8]} since " in told
    assert f"(process {run.pid}; to stop it: kill -INT {run.pid})" in told
    os.killpg(run.pid, signal.SIGKILL)  # nobody has taken its exit yet: a zombie counts as gone
    _until(lambda: any_left(folder))
    skipped = lost_runs(dg.build_sensor_context(instance=instance))
    assert isinstance(skipped, dg.SkipReason) and "of first was lost: its process was killed" in skipped.skip_message
    assert instance.get_runs()[0].status is dg.DagsterRunStatus.FAILURE
    assert instance.event_log_storage.get_concurrency_info(POOL).claimed_slots == []
    assert fail_lost_runs(instance) == [] and not any_left(folder)


def test_dagsters_own_command_frees_what_a_run_holds_that_is_killed_while_it_waits(home, run):
    """It says who holds the place, since when and how to free it; nobody has to edit anything."""
    folder, instance = home
    waiting = _start(folder, "asset", "materialize", "--select", "second")
    try:
        _until(
            lambda: (
                "second" in {s.step_key for s in instance.event_log_storage.get_concurrency_info(POOL).pending_steps}
            )
        )
        time.sleep(3)
        assert waiting.poll() is None
        _kill(run)
        told = waiting.communicate(timeout=60)[0]
    finally:
        _kill(waiting)
    assert waiting.returncode == 0, told
    assert f"second waits: {POOL} is held by first of run " in told and f"to stop it: kill -INT {run.pid}" in told
    assert "of first was lost: its process was killed" in told
    assert {entry.status for entry in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


def test_a_killed_run_of_another_executor_is_found_by_its_process(home):
    folder, instance = home
    process = _start(folder, "job", "execute", "-j", "plain")
    try:
        pid = _until(lambda: (runs := instance.get_runs()) and process_of(instance, runs[0].run_id))
        assert fail_lost_runs(instance) == [] and psutil.pid_exists(pid)
    finally:
        _kill(process)
    assert len(fail_lost_runs(instance)) == 1


def test_a_step_ends_with_the_process_of_its_run_even_where_that_is_a_zombie():
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    code = f"import time\nfrom swap_assets.backends.processes.supervision import die_with\ndie_with({other.pid})\n"
    step = subprocess.Popen([sys.executable, "-c", code + "time.sleep(60)"], env=dict(os.environ))
    try:
        time.sleep(1.5)
        assert step.poll() is None
        other.kill()
        assert step.wait(timeout=10) == 1
    finally:
        step.kill()
        other.kill()
        other.wait(timeout=10)
