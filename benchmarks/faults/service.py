"""Kills of every kind of process, in steps (`kills`) and in a running service, and two of every command at once.

`swap-assets ui` is started on the conversations alone. After a random while one kind of its processes is killed; where
the service ends with it, nothing may be left running, and it is started again. At the end every step's command is given
once by hand, as a person does where a killed run is not asked for again, and the results are those of quiet runs.
"""

import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.faults.experiment import CONCURRENCY, KILLED, STEPS, Laboratory, Step, first_difference, laboratory
from benchmarks.faults.kills import (
    References,
    Tally,
    finish,
    killing,
    line_of,
    marked,
    references,
    start,
    told,
    wait_gone,
)  # fmt: skip
from benchmarks.faults.outcomes import Outcome
from swap_assets.backends.serving.servers import free_port
from swap_assets.cli.environment import is_free

_KINDS = {
    "the web server": "dagster_webserver", "the daemon": "dagster._daemon", "the code server": "api grpc",
    "a run": "execute_run", "a model process": "processes.worker", "everything": "",
}  # fmt: skip
_WHILE_S = (5.0, 40.0)  # between kills
_UP_S = 90.0
_SERVICE_SHARE = 0.2  # of all kills


def run(draw: random.Random, *, kills: int) -> Iterator[Outcome]:
    """Kill every kind of process, `kills` times in all, then give every command twice at once."""
    with tempfile.TemporaryDirectory() as folder, laboratory(Path(folder), mark=f"{draw.random()}") as lab:
        known, steps = references(lab), [step for step in STEPS if step.title in KILLED]
        of_steps = kills - round(_SERVICE_SHARE * kills)
        for at, step in enumerate(steps):
            share = of_steps // len(steps) + (at < of_steps % len(steps))
            yield killing(lab, step, known, kills=share, draw=draw).outcome(f"kill -9: {step.title}")
        tally = killing_the_service(lab, known, kills=kills - of_steps, draw=draw)
        yield tally.outcome("kill -9: daemon, web server, what they start")
        yield two_at_once(lab, known, steps).outcome("two of a command at once")


def two_at_once(lab: Laboratory, known: References, steps: Sequence[Step]) -> Tally:
    """Give each command twice at once: both are to succeed, with the result of one, and nothing asked twice."""
    tally = Tally()
    for step in steps:
        lab.restore(step.title)
        lab.asked.clear()
        pair, bad = [start(lab, step), start(lab, step)], list[str]()
        for process in pair:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=6 * known.seconds[step.title] + 120)
        if any(process.returncode != 0 for process in pair):
            bad.append(f"{step.title}: {told(lab)}")
        left = wait_gone(lab)
        more, same = sum(lab.asked.values()) - len(lab.asked), lab.result(step) == known.results[step.title]
        tally = tally.and_also(
            tried=1, survived=int(same and not bad), lost=len(bad), different=int(not same and not bad), repeated=more,
            left_running=len(left),
        )  # fmt: skip
        tally = tally.noting("; ".join(bad + left)) if bad + left else tally
    return tally


def killing_the_service(lab: Laboratory, known: References, *, kills: int, draw: random.Random) -> Tally:
    """Kill parts of a running service so often, end it, make every step by hand, and say what became of all."""
    tally = Tally()
    lab.restore(STEPS[1].title)
    lab.asked.clear()
    service = _start(lab)
    while tally.tried < kills:
        time.sleep(draw.uniform(*_WHILE_S))
        if killed := _kill(lab, draw):
            tally = tally.and_also(tried=1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.wait(timeout=15.0)
            left = wait_gone(lab)
            tally = tally.and_also(left_running=len(left)).noting(f"after {killed}: {left}") if left else tally
            service = _start(lab)
    service.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        service.wait(timeout=10.0)
    left = wait_gone(lab)
    tally = tally.and_also(left_running=len(left)).noting(f"after SIGTERM: {left}") if left else tally
    return _by_hand(lab, known, tally)


def _by_hand(lab: Laboratory, known: References, tally: Tally) -> Tally:
    bad = 0
    for step in STEPS[1:]:
        done, said = finish(lab, step, limit_s=4 * known.seconds[step.title] + 90)
        if not done:
            tally, bad = tally.and_also(**{"blocked" if "blocked" in said else "lost": 1}).noting(said), bad + 1
        elif step.title in KILLED and (other := first_difference(known.results[step.title], lab.result(step))):
            tally, bad = tally.and_also(different=1).noting(f"{step.title}: {other}"), bad + 1
    more = sum(times - 1 for times in lab.asked.values())
    return tally.and_also(
        survived=tally.tried if not bad else 0, under_way=min(more, CONCURRENCY * tally.tried),
        repeated=max(0, more - CONCURRENCY * tally.tried),
    )  # fmt: skip


def _start(lab: Laboratory) -> subprocess.Popen[bytes]:
    """Start web server and daemon, and wait until they answer."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("swap-assets")), "ui", "--port", str(port), "--no-token"]
    with (lab.folder / "service.log").open("ab") as log:
        found = subprocess.Popen(
            command, cwd=lab.folder, env=lab.environment, stdout=log, stderr=log, start_new_session=True
        )
    end = time.monotonic() + _UP_S
    while is_free(port) and found.poll() is None and time.monotonic() < end:
        time.sleep(0.5)
    return found


def _kill(lab: Laboratory, draw: random.Random) -> str:
    """Kill one kind of what is there, drawn at random; return which, "" where there is none."""
    alive = dict(_by_kind(marked(lab)))
    if not (kinds := [kind for kind in _KINDS if alive.get(kind)]):
        return ""
    killed = draw.choice(kinds)
    for process in alive[killed]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return killed


def _by_kind(found: list[psutil.Process]) -> Iterator[tuple[str, list[psutil.Process]]]:
    lines = {each: " ".join(line_of(each)) for each in found}
    for kind, word in _KINDS.items():
        yield kind, [each for each in found if word in lines[each]]
