"""Each way in a process of its own; on CPU they take turns step by step, so that other work on the machine hits all."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Sequence
from typing import Any

from benchmarks.training_ways import Job, Measured, OutOfMemory, measure

_TIMEOUT = 900  # seconds for one step, or for a process to begin


class WayFailedError(RuntimeError):
    """A way's process ended without a result, or took too long; the message says which."""


class _Runner:
    """One way's process: it stops before each step until it is told to go on."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.result: Measured | OutOfMemory | None = None
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_work, args=(far, job), daemon=True)
        self._process.start()
        far.close()
        self._wait()

    def step(self) -> None:
        """Let it take one step and wait until it has."""
        self._pipe.send("go")
        self._wait()

    def _wait(self) -> None:
        if not self._pipe.poll(_TIMEOUT):
            raise WayFailedError(f"{self.job.way.label}: no step within {_TIMEOUT} s")
        try:
            said: Any = self._pipe.recv()
        except EOFError:
            self._process.join(10)
            code = self._process.exitcode
            raise WayFailedError(f"{self.job.way.label}: its process ended with code {code}, see above") from None
        self.result = said if said != "turn" else None
        if self.result is not None:
            self._process.join(60)

    def stop(self) -> None:
        """End the process where it still runs."""
        if self._process.is_alive():
            self._process.kill()
            self._process.join(10)


def _work(pipe: Any, job: Job) -> None:
    if job.device == "cpu":
        # Before torch is loaded: the project's trainer takes a card where it sees one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""

    def turn() -> None:
        pipe.send("turn")
        pipe.recv()

    pipe.send(measure(job, turn))


def measure_all(jobs: Sequence[Job]) -> list[Measured | OutOfMemory]:
    """Measure every job and return the results in the same order.

    On CPU all processes are begun one after the other and then each takes a step in turn; only one computes at a time.
    A card has memory for one: there each runs to its end. Where memory does not suffice for our way, it goes down the
    project's ladder.

    Raises:
        WayFailedError: a process ended without a result.
    """
    if jobs and jobs[0].device == "cuda":
        return [_down_the_ladder(job) for job in jobs]
    with contextlib.ExitStack() as stack:
        runners = []
        for job in jobs:
            runners.append(runner := _Runner(job))
            stack.callback(runner.stop)
        while under_way := [runner for runner in runners if runner.result is None]:
            for runner in under_way:
                runner.step()
        return [runner.result for runner in runners if runner.result]


def _down_the_ladder(job: Job) -> Measured | OutOfMemory:
    with contextlib.ExitStack() as stack:
        runner = _Runner(job)
        stack.callback(runner.stop)
        while runner.result is None:
            runner.step()
    lower = runner.result.plan.next_rung() if isinstance(runner.result, OutOfMemory) and job.way.ours else None
    if lower is None:
        return runner.result
    return _down_the_ladder(job._replace(way=job.way._replace(plan=lower)))
