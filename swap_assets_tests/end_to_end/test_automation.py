"""The sensors under the real daemon: from nothing to the last decision with no hand in between, killed on the way."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from swap_assets.cli.environment import session_members, stop_session
from swap_assets.cli.story import Story
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets_tests.conftest import EXPERIMENT

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
MODULE = "swap_assets_tests.end_to_end.quick_definitions"
LIMIT_S = 900  # two minutes on an idle machine
# One model, the winner of the first scale alone at the second, then the sealed rows and the merge.
EXPECTED = Counter(
    {
        ("baseline", "tiny"): 1, ("model_baseline", "little|tiny"): 1, ("train_and_evaluate", "little|tiny"): 1,
        ("report", "tiny"): 2, ("baseline", "small"): 1, ("model_baseline", "little|small"): 1,
        ("train_and_evaluate", "little|small"): 1, ("sealed_test", "little|small"): 1,
        ("release", "little|small"): 1,
    }
)  # fmt: skip


class Plant:
    """A folder with an experiment whose sensors run, its instance, and the daemon."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        text = EXPERIMENT.read_text(encoding="utf-8")
        head, _, tail = text.partition("  little-r4:")
        text = head + tail.partition("scales:")[1] + tail.partition("scales:")[2]
        text = text.replace("fine_tune: {trails_by_points: 0}", "")
        text = text.replace("approval: ui", "approval: none")
        (folder / "swap.yaml").write_text(f"{text}automation: {{sensors: running, every_s: 1}}\n", encoding="utf-8")
        (folder / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
        patch.chdir(folder)
        self.environment = {
            "SWAP_CONFIG": str(folder / "swap.yaml"),
            "DAGSTER_HOME": str(folder),
            "PYTHONPATH": str(REPOSITORY),
        }
        for name, value in self.environment.items():
            patch.setenv(name, value)
        self.daemons: list[subprocess.Popen] = []
        with dg.DagsterInstance.get():  # two processes that first touch a new SQLite storage crash each other
            pass

    def start(self) -> subprocess.Popen:
        command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-m", MODULE]
        with (self.folder / "daemon.log").open("a", encoding="utf-8") as log:
            daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.daemons.append(daemon)
        return daemon

    def kill(self) -> None:
        """Kill the daemon alone, as a crash would; its code server ends once nobody asks it any more."""
        os.kill(self.daemons[-1].pid, signal.SIGKILL)
        self.daemons[-1].wait()

    def materialize_the_root(self) -> None:
        command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-m", MODULE]
        command += ["--select", "hermes_conversations,quarantined_conversations"]
        subprocess.run(command, check=True, capture_output=True, timeout=200)

    def log_end(self) -> str:
        return (self.folder / "daemon.log").read_text(encoding="utf-8", errors="replace")[-6000:]


@pytest.fixture
def plant(tmp_path, monkeypatch):
    made = Plant(tmp_path, monkeypatch)
    yield made
    for daemon in made.daemons:
        stop_session(daemon)
    assert not any(session_members(daemon.pid) for daemon in made.daemons)


class Quiet:
    """A console that keeps what is printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, *parts: object, **_: object) -> None:
        self.lines.append(" ".join(map(str, parts)))


@pytest.mark.lasting
@pytest.mark.parametrize("kills", [0, 4])
def test_the_daemon_carries_an_experiment_to_its_last_decision_however_often_it_is_killed(plant, kills):
    from swap_assets.backends.store.experiment_file import load_experiment

    load_experiment.cache_clear()
    when = random.Random(kills)
    plant.start()
    plant.materialize_the_root()
    began = time.monotonic()
    kill_at = [began + sum(when.uniform(4, 22) for _ in range(number + 1)) for number in range(kills)]
    with dg.DagsterInstance.get() as instance:
        story, quiet = Story(instance, ExperimentStore(), Quiet()), 0
        while quiet < 3 and time.monotonic() < began + LIMIT_S:
            if kill_at and time.monotonic() > kill_at[0]:
                kill_at.pop(0)
                plant.kill()
                plant.start()
            quiet = quiet + 1 if story.go_on() else 0
            time.sleep(1)
        told = "\n".join(story.console.lines)
        assert quiet == 3, f"{told}\n{plant.log_end()}"
        asked = [run for run in instance.get_runs() if "swap/requested_by" in run.tags]
        first = [run for run in asked if run.parent_run_id is None]
        assert max(Counter(run.tags["dagster/run_key"] for run in first).values()) == 1
        found = Counter((run.job_name, run.tags["dagster/partition"]) for run in first)
        reports = found.pop(("report", "small"))
        assert found == EXPECTED, told
        assert reports >= 2  # after the evaluations, and again after each decision that follows
        succeeded = {run.root_run_id or run.run_id for run in asked if run.is_success}
        assert succeeded >= {run.run_id for run in first}
