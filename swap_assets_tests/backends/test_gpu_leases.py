"""Cards shared by real processes, on fake devices: nobody holds another's card, the dead hold none, all get a turn."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swap_assets.backends.processes.gpu_leases import FOLDER, WAIT, CardPool, Lease, LeaseError, leased
from swap_assets.backends.processes.hardware import DEVICES, VISIBLE, Gpu, cards_named, visible_cards

_HOLD = """
import os, sys
from swap_assets.backends.processes.gpu_leases import leased
with leased(int(sys.argv[1]), what=sys.argv[2], say=lambda line: print("SAID", line, flush=True)) as lease:
    print("HAS", lease.environment["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.read()
"""

# Takes and gives back leases; a second lock of another kind (POSIX) on each card finds out whether it is alone there.
_STRESS = """
import fcntl, random, sys, time
from pathlib import Path
from swap_assets.backends.processes.gpu_leases import CardPool, lease_folder
draw, pool = random.Random(int(sys.argv[1])), CardPool(("a", "b", "c", "d"), lease_folder())
for _ in range(int(sys.argv[2])):
    wanted = draw.choice((1, 1, 2, 3, 4))
    lease = pool.acquire(wanted, what=sys.argv[1], within_s=60, say=lambda line: None)
    files = [Path(sys.argv[3], card).open("w") for card in lease.cards]
    for file in files:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("TWO HOLDERS", flush=True)
            sys.exit(3)
    print("HELD", len(files), flush=True)
    time.sleep(draw.random() * 0.02)
    for file in files:
        file.close()
    lease.release()
"""


@pytest.fixture
def four_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DEVICES, "a,b,c,d")
    monkeypatch.setenv(FOLDER, str(tmp_path / "leases"))
    monkeypatch.setenv(WAIT, "60")
    return tmp_path


@contextlib.contextmanager
def process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait(timeout=10)
        for stream in (child.stdin, child.stdout):
            if stream:
                stream.close()


def finish(child: subprocess.Popen[str]) -> None:
    assert child.stdin
    child.stdin.close()
    child.wait(timeout=10)


def cards_of(child: subprocess.Popen[str]) -> list[str]:
    while (line := next_line(child)).startswith("SAID"):
        pass
    assert line.startswith("HAS ")
    return line.removeprefix("HAS ").split(",")


def next_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def pool(folder: Path) -> CardPool:
    (folder / "leases").mkdir(exist_ok=True)
    return CardPool(("a", "b", "c", "d"), folder / "leases")


def take(folder: Path, wanted: int, *, within_s: float = 10.0, say: Callable[[str], None] = print) -> Lease:
    return pool(folder).acquire(wanted, what="the test", within_s=within_s, say=say)


def test_two_processes_get_different_cards_and_a_third_waits_and_says_for_whom(four_cards: Path) -> None:
    with process(_HOLD, "2", "train a") as first, process(_HOLD, "1", "train b") as second:
        assert len({*cards_of(first), *cards_of(second)}) == 3
        with process(_HOLD, "2", "train c") as third:
            line = next_line(third)
            assert line.startswith("SAID waiting for 2 of 4 cards, held by train a (process ")
            assert f"(process {first.pid}) and train b (process {second.pid})" in line
            finish(first)
            assert len(cards_of(third)) == 2


def test_a_holder_that_is_killed_frees_its_cards(four_cards: Path) -> None:
    with process(_HOLD, "4", "train a") as holder:
        assert next_line(holder) == "HAS a,b,c,d"
        with pytest.raises(LeaseError, match="held by train a"):
            take(four_cards, 1, within_s=0.1)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(timeout=10)
        lease = take(four_cards, 4)
        assert lease.cards == ("a", "b", "c", "d")
        lease.release()


def test_a_waiter_that_is_killed_loses_its_place(four_cards: Path) -> None:
    held = take(four_cards, 1)
    with process(_HOLD, "4", "train all") as waiter:
        assert next_line(waiter).startswith("SAID waiting for 4 of 4")
        with pytest.raises(LeaseError, match="1 before it in the queue"):
            take(four_cards, 1, within_s=0.1)
        os.kill(waiter.pid, signal.SIGKILL)
        waiter.wait(timeout=10)
        take(four_cards, 1).release()
    held.release()


def test_who_wants_all_cards_is_not_overtaken_by_those_who_want_one(four_cards: Path) -> None:
    held = take(four_cards, 1)
    with process(_HOLD, "4", "train all") as waiter:
        assert next_line(waiter).startswith("SAID waiting for 4 of 4")
        with process(_HOLD, "1", "train one") as late:
            assert next_line(late).endswith("1 before it in the queue")
            held.release()
            assert next_line(waiter) == "HAS a,b,c,d"
            finish(waiter)
            assert cards_of(late) == ["a"]


def test_waiting_for_other_cards_keeps_nobody_back(four_cards: Path) -> None:
    held = take(four_cards, 1)
    assert held.cards == ("a",)
    with process(_HOLD, "1", "train x") as waiter:
        assert next_line(waiter) == "HAS b"
        only_a = CardPool(("a",), four_cards / "leases")
        with pytest.raises(LeaseError, match="for 1 of 1 cards"):
            only_a.acquire(1, what="the other", within_s=0.05)
        take(four_cards, 1).release()
    held.release()


@pytest.mark.slow
def test_under_stress_and_kills_no_card_has_two_holders_and_everybody_ends(four_cards: Path) -> None:
    markers = four_cards / "markers"
    markers.mkdir()
    draw = random.Random(5)
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(process(_STRESS, str(seed), "40", str(markers))) for seed in range(10)]
        victims = draw.sample(children, 4)
        for victim in victims:
            for _ in range(draw.randrange(3, 20)):
                next_line(victim)
            victim.kill()
        written = {child: child.communicate(timeout=120)[0] for child in children if child not in victims}
    for child, text in written.items():
        assert child.returncode == 0, text
        assert len(re.findall("^HELD", text, re.MULTILINE)) == 40
    take(four_cards, 4).release()


def test_more_cards_than_there_are_is_refused_at_once(four_cards: Path) -> None:
    with pytest.raises(LeaseError, match=r"wants 5 GPUs and this machine lets it use 4; lower `gpus`"):
        take(four_cards, 5)


def test_the_wait_is_bounded_by_the_setting(four_cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WAIT, "0.1")
    held = take(four_cards, 4)
    began = time.monotonic()
    with pytest.raises(LeaseError, match="raise SWAP_GPU_WAIT_S"), leased(1, what="late", say=lambda line: None):
        pass
    assert time.monotonic() - began < 5
    held.release()
    monkeypatch.setenv(WAIT, "soon")
    with pytest.raises(LeaseError, match="give a number of seconds"), leased(1, what="late"):
        pass


def test_without_cards_nothing_is_leased_and_nothing_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEVICES, raising=False)
    monkeypatch.setattr("swap_assets.backends.processes.hardware.gpus", lambda: ())
    with leased(1, what="train") as lease:
        assert (lease.cards, lease.environment) == ((), {})


def test_who_wants_no_card_sees_none_and_waits_for_nobody(four_cards: Path) -> None:
    held = take(four_cards, 4)
    with leased(0, what="the stand-in") as lease:
        assert lease.environment[VISIBLE] == ""
    held.release()


def test_a_process_started_by_a_holder_takes_no_lease_of_its_own(four_cards: Path, monkeypatch) -> None:
    with leased(4, what="the launcher") as outer:
        for name, value in outer.environment.items():
            monkeypatch.setenv(name, value)
        with leased(1, what="a rank") as inner:
            assert inner.environment == {}


def test_a_folder_that_cannot_be_made_is_one_sentence(four_cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (four_cards / "file").touch()
    monkeypatch.setenv(FOLDER, str(four_cards / "file" / "below"))
    with pytest.raises(LeaseError, match="cannot be used"), leased(1, what="train"):
        pass


def test_visible_cards_are_read_as_cuda_reads_them() -> None:
    cards = [Gpu(index=at, name="H100", memory_gib=80, uuid=f"GPU-{at}{at}{at}") for at in range(3)]
    assert cards_named(None, cards) == ("GPU-000", "GPU-111", "GPU-222")
    assert cards_named("2,0", cards) == ("GPU-222", "GPU-000")
    assert cards_named("GPU-11, GPU-000", cards) == ("GPU-111", "GPU-000")
    assert cards_named("1,7,2", cards) == ("GPU-111",)
    assert cards_named("1,1", cards) == ("GPU-111",)
    assert cards_named("-1", cards) == cards_named("", cards) == ()
    assert cards_named("MIG-5a", cards) == ("MIG-5a",)
    assert cards_named("0", []) == ()


def test_cards_can_be_named_by_a_variable() -> None:
    assert visible_cards({DEVICES: "fake-0, fake-1", VISIBLE: "3"}) == ("fake-0", "fake-1")


@pytest.mark.slow
def test_a_worker_waits_for_its_card_and_then_runs_on_it_alone(four_cards: Path) -> None:
    from swap_assets.backends.processes.specs import MergeSpec, Weights
    from swap_assets.backends.processes.supervision import WorkerError, run_workers

    folder = four_cards / "work"
    weights = Weights(source=str(four_cards))
    spec = MergeSpec(candidate_id="c", weights=weights, adapter=folder / "none", output=folder / "o")
    held, lines = take(four_cards, 4), []

    def hear(_stream: str, line: str) -> None:
        lines.append(line)
        if line.startswith("waiting for 1 of 4 cards, held by the test"):
            held.release()

    with pytest.raises(WorkerError, match="train the adapter first"):
        run_workers([(spec, folder)], on_line=hear)
    assert lines.index("runs on a") > 0
