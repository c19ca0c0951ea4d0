"""Commands that are killed and stopped as users run them: nothing goes on behind them, and the next one goes on."""

import itertools
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import yaml

from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.fakes import ChatServer, completion, tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.lasting]
REPOSITORY = Path(__file__).parents[2]
SPLITS = (
    "dataset_split,structured_track,toolcall_track,single_turn_test,multi_turn_test,domain_diverse_test,no_call_test,"
    "parallel_test,general_test,llm_interface"
)
HOSTED = ("materialize", "llm_baseline", "--partition", "tiny")
TRAINING = ("materialize", "paper_adapter", "--partition", "little|tiny")


class Place:
    """A folder with an experiment whose hosted model takes its time to answer, where that is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seconds, self.chat = folder, 0.0, ChatServer(self._reply)
        self._log = (folder / f"{number}.log" for number in itertools.count())

    def _reply(self, *_: Any) -> tuple[int, dict[str, str], str]:
        time.sleep(self.seconds)
        return 200, {}, completion("I cannot tell.")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of our commands in a process group of its own, in the background of a shell: SIGINT is ignored."""
        command = [sys.executable, "-c", "from swap_assets.cli.app import main; main()", *arguments]
        self.log = next(self._log)
        with self.log.open("wb") as log:
            return subprocess.Popen(
                ["sh", "-c", f"{shlex.join(command)} & wait $!"], cwd=self.folder, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OPENAI_API_KEY": "x",
                                             "SWAP_CONFIG": str(self.folder / "swap.yaml")},
            )  # fmt: skip

    def run(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed."""
        code = self.start(*arguments).wait(timeout=600)
        assert code == 0, self.log.read_text()[-3000:]
        return self.log.read_text()

    def left(self) -> list[psutil.Process]:
        """Return the processes that are at work in this folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if str(self.folder) in " ".join((process.cwd(), *process.cmdline())) and process.pid != os.getpid():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def runs(self) -> list[str]:
        """Return the states of the runs, the newest first, and of the places in pools that are taken."""
        with dg.DagsterInstance.from_config(str(self.folder / "state" / "dagster")) as instance:
            taken = [instance.event_log_storage.get_concurrency_info(pool).claimed_slots
                     for pool in ("hosted_llm", "model_process")]  # fmt: skip
            return [run.status.value for run in instance.get_runs()] + ["taken" for slots in taken for _ in slots]


def until(there: Callable[[], Any], *, within_s: float = 300) -> None:
    deadline = time.monotonic() + within_s
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    place = Place(tmp_path_factory.mktemp("kills"))
    data = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    data["hosted_model"] |= {"provider": "openai", "model": "big", "base_url": place.chat.base_url}
    data["models"] = {"little": data["models"]["little"]}
    data["scales"] = {"tiny": data["scales"]["tiny"]}
    data["approaches"] = {"paper": data["approaches"]["paper"]}
    data["approaches"]["paper"]["training"]["epochs"] = 40
    (place.folder / "swap.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    (place.folder / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    tiny_model(place.folder / "models" / "little", seed=1)
    with place.chat:
        place.run("materialize", "hermes_conversations")
        place.run("materialize", SPLITS, "--partition", "tiny")
        yield place
        for process in place.left():
            process.kill()


def test_a_lost_parent_of_hosted_answers_stops_paying_and_the_next_command_closes_its_run(place):
    place.seconds = 1.0
    began, shell = len(place.chat.requests), place.start(*HOSTED)
    until(lambda: len(place.chat.requests) >= began + 4)
    (parent,) = (process for process in place.left() if "dagster asset materialize" in " ".join(process.cmdline()))
    parent.kill()
    time.sleep(3.0)
    asked = len(place.chat.requests)
    time.sleep(4.0)
    assert len(place.chat.requests) == asked
    assert shell.wait(timeout=30) != 0 and "was killed by signal 9" in place.log.read_text()
    until(lambda: not place.left(), within_s=10)
    assert place.runs()[0] == "STARTED" and "taken" in place.runs()
    assert "of llm_baseline at tiny was lost: its process was killed" in place.run("plan")
    assert place.runs()[0] == "FAILURE" and "taken" not in place.runs()
    place.seconds = 0.0
    place.run(*HOSTED)
    bodies = [str(body) for body in place.chat.requests]
    assert len(bodies) - len(set(bodies)) <= 2  # those under way, two at once


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_ends_within_ten_seconds_of_a_signal_with_all_that_it_started(place, number):
    shell = place.start("demo", "--config", "swap.yaml")
    until(lambda: len(place.left()) >= 6)  # the shell, the demo, Dagster's command, its fork server, a step
    there = [process for process in place.left() if process.pid != shell.pid]
    (demo,) = psutil.Process(shell.pid).children()
    assert demo in there
    demo.send_signal(number)
    assert psutil.wait_procs(there, timeout=10)[1] == []
    assert shell.wait(timeout=10) == 128 + number and not place.left()


def test_a_training_whose_process_group_is_killed_goes_on_with_the_same_command(place):
    place.run(*HOSTED)
    place.run("materialize", "slm_baseline,fine_tune_decision", "--partition", "little|tiny")
    log = place.folder / "state" / "logs" / "paper_adapter-little__tiny.log"
    shell = place.start(*TRAINING)
    until(lambda: log.exists() and " step 2" in log.read_text())
    os.killpg(shell.pid, signal.SIGKILL)
    shell.wait(timeout=10)
    told = place.run(*TRAINING)
    assert "of paper_adapter at little|tiny was lost: its process was killed" in told
    assert "waits" not in told and place.runs()[:2] == ["SUCCESS", "FAILURE"]
    assert not (place.folder / "state" / "failures" / "paper_adapter" / "little__tiny.json").exists()
