"""Kills at random moments, and what is left: every kind of process, the command given again until its step is done.

For each step a reference run says how long it takes and what comes out. Then the same command is killed with SIGKILL
after a random part of that time, one of: everything it started, the command alone, the run, a step's process, a model
process. Where the command lives on it is waited for; else the same command is given again, up to five kills in a row,
and the last one may end. `service` does so with the web server, the daemon and what they start, under the sensors.
"""

import contextlib
import random
import subprocess
import time
from collections.abc import Iterator
from typing import NamedTuple

import psutil

from benchmarks.faults.experiment import CONCURRENCY, MARK, STEPS, Laboratory, Step, first_difference
from benchmarks.faults.outcomes import Outcome

_IN_A_ROW = 5  # kills before the command may end
_GONE_S = 20.0  # after which a process that is still there counts as left running
_KINDS = ("everything", "the command", "the run", "a step's process", "a model process")


class Tally(NamedTuple):
    """What became of the kills of one step; `notes` say what was seen where something went wrong."""

    tried: int = 0
    survived: int = 0
    lost: int = 0
    different: int = 0
    repeated: int = 0
    under_way: int = 0
    blocked: int = 0
    left_running: int = 0
    notes: tuple[str, ...] = ()

    def and_also(self, **more: int) -> "Tally":
        """Return the tally with numbers added."""
        return self._replace(**{name: getattr(self, name) + value for name, value in more.items()})

    def outcome(self, part: str) -> Outcome:
        """Return its line of the campaign's table: a command that never ends is lost work, another result is silent."""
        why = " | ".join(self.notes)
        return Outcome(part, self.tried, survived=self.survived, lost=self.lost + self.blocked, repeated=self.repeated,
                       leaked=self.left_running, silent=self.different, why=why)  # fmt: skip

    def noting(self, text: str) -> "Tally":
        """Return the tally with a note."""
        return self._replace(notes=(*self.notes, text))


class References(NamedTuple):
    """How long each step takes undisturbed in seconds, and what it makes."""

    seconds: dict[str, float]
    results: dict[str, dict[str, object]]


def references(lab: Laboratory) -> References:
    """Run every step undisturbed, and keep the state before each under its title."""
    seconds, results = dict[str, float](), dict[str, dict[str, object]]()
    lab.state.mkdir(exist_ok=True)
    for step in STEPS:
        lab.keep(step.title)
        began = time.monotonic()
        done, said = finish(lab, step, limit_s=300)
        if not done:
            raise RuntimeError(f"{step.title} fails undisturbed: {said}")
        seconds[step.title], results[step.title] = time.monotonic() - began, lab.result(step)
        print(f"{step.title}: {seconds[step.title]:.0f} s undisturbed", flush=True)
    return References(seconds, results)


def killing(lab: Laboratory, step: Step, known: References, *, kills: int, draw: random.Random) -> Tally:
    """Kill a step's command so often, and say what became of it."""
    tally = Tally()
    while tally.tried < kills:
        lab.restore(step.title)
        lab.asked.clear()
        tally, made, done = _in_a_row(lab, step, known, min(_IN_A_ROW, kills - tally.tried), draw, tally)
        if not done:
            done, said = finish(lab, step, limit_s=4 * known.seconds[step.title] + 90)
            tally = tally if done else _lost(tally, step, said)
        other = first_difference(known.results[step.title], lab.result(step))
        if done and other:
            tally = tally.and_also(different=1).noting(f"{step.title}: {other}")
        more = sum(times - 1 for times in lab.asked.values())
        tally = tally.and_also(
            survived=made if done and not other else 0,
            repeated=max(0, more - CONCURRENCY * made), under_way=min(more, CONCURRENCY * made),
        )  # fmt: skip
        if not made:
            break  # the step ends before it can be killed
    return tally


def _in_a_row(
    lab: Laboratory, step: Step, known: References, most: int, draw: random.Random, tally: Tally
) -> tuple[Tally, int, bool]:
    """Give the command and kill it, up to `most` times; return the tally, the kills made, and whether it is done."""
    made, misses = 0, 0
    while made < most and misses < 3:
        process = start(lab, step)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=draw.uniform(0.5, known.seconds[step.title]))
            if process.returncode == 0:
                return tally, made, True
            misses += 1
            tally = _lost(tally, step, told(lab))
            continue
        made, tally = made + 1, tally.and_also(tried=1)
        killed = kill_one(lab, process, draw)
        if killed in ("everything", "the command", "the run"):
            left = wait_gone(lab)
            tally = tally.and_also(left_running=len(left)).noting(f"after {killed}: {left}") if left else tally
            continue
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=4 * known.seconds[step.title] + 90)
        ended, _ = process.poll(), wait_gone(lab)
        if ended == 0:
            return tally, made, True
    return tally, made, False


def _lost(tally: Tally, step: Step, told: str) -> Tally:
    blocked = "blocked" in told.lower()
    return tally.and_also(**{"blocked" if blocked else "lost": 1}).noting(f"{step.title}: {told}")


def start(lab: Laboratory, step: Step) -> subprocess.Popen[bytes]:
    """Give a step's command in the experiment's folder."""
    with (lab.folder / "command.log").open("wb") as log:
        return subprocess.Popen(
            step.command, cwd=lab.folder, env=lab.environment, stdout=log, stderr=log, start_new_session=True
        )


def finish(lab: Laboratory, step: Step, *, limit_s: float) -> tuple[bool, str]:
    """Give a step's command and wait; say whether it succeeded, and the last lines that it showed."""
    process = start(lab, step)
    try:
        code = process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        for left in marked(lab):
            with contextlib.suppress(psutil.Error):
                left.kill()
        process.wait()
        return False, f"blocked: not done after {limit_s:.0f} s; {told(lab)}"
    return code == 0, told(lab)


def told(lab: Laboratory) -> str:
    """Return the last lines that a command showed."""
    lines = (lab.folder / "command.log").read_text(encoding="utf-8", errors="replace").split("\n")
    return " / ".join(line.strip() for line in lines[-6:] if line.strip())[-600:]


def kill_one(lab: Laboratory, command: subprocess.Popen[bytes], draw: random.Random) -> str:
    """Kill one kind of what is there, drawn at random, and return which."""
    alive = {kind: list(found) for kind, found in _by_kind(lab, command)}
    killed = draw.choice([kind for kind in _KINDS if alive.get(kind)])
    for process in alive[killed]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    if killed in ("everything", "the command"):
        command.wait()
    return killed


def _by_kind(lab: Laboratory, command: subprocess.Popen[bytes]) -> Iterator[tuple[str, list[psutil.Process]]]:
    found = marked(lab)
    yield "everything", found
    yield "the command", [each for each in found if each.pid == command.pid]
    lines = {each: " ".join(line_of(each)) for each in found}
    models = [each for each in found if "processes.worker" in lines[each]]
    runs = [each for each in found if "asset materialize" in lines[each]]
    steps = [each for each in found if "multiprocessing" in lines[each] and "tracker" not in lines[each]]
    yield from (("a model process", models), ("the run", runs), ("a step's process", steps))


def line_of(process: psutil.Process) -> list[str]:
    """Return a process's command line, empty where it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def marked(lab: Laboratory) -> list[psutil.Process]:
    """Return the processes that the campaign has started, and those that they have."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == lab.environment[MARK]:
                found.append(process)
    return found


def wait_gone(lab: Laboratory) -> list[str]:
    """Wait until nothing of the campaign's runs; return what still does after 20 s, which is killed."""
    end = time.monotonic() + _GONE_S
    while (left := marked(lab)) and time.monotonic() < end:
        time.sleep(0.2)
    told = [" ".join(line_of(process))[:120] for process in left]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return told
