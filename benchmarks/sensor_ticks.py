"""How long a round of all sensors takes when nothing is new: `python -m benchmarks.sensor_ticks [MODELS] [SCALES]`.

Made-up evaluations of a hundred rows in a temporary folder, beside an instance on disk (SQLite); 8 models at 3 scales
by default. The first round reads every record anew, as a fresh process does; the others are what a daemon pays. It is
the process's own time that is told: on a busy machine the wall's says nothing.
"""

import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from swap_assets_tests.conftest import EXPERIMENT

ROUNDS = 10


def main(models: int = 8, scales: int = 3) -> None:
    """Print the milliseconds of a first round, and of the median and the slowest of ten further ones."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        settings = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
        settings["models"] = {f"m{number}": settings["models"]["little"] for number in range(models)}
        settings["scales"] = {f"s{number}": settings["scales"]["tiny"] for number in range(scales)}
        Path("swap.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        os.environ["SWAP_CONFIG"] = str(Path("swap.yaml").resolve())
        import dagster as dg

        from swap_assets.backends.store import artefacts
        from swap_assets.domain.gates.registry import GATES
        from swap_assets_tests.defs.scenarios import SENSORS_BY_NAME, Scenario, nothing_left_to_do

        with dg.DagsterInstance.local_temp(folder) as instance:
            scenario = Scenario(instance)
            nothing_left_to_do(scenario)
            artefacts.evaluation_record_of.cache_clear()
            artefacts.parsed.cache_clear()
            took = [_milliseconds(scenario.ask, SENSORS_BY_NAME) for _ in range(ROUNDS + 1)]
            reading = scenario.store.state
            own = _milliseconds(lambda gate: gate.outcome(dataclasses.replace(reading(), root="v1")), GATES)
        first, others = took[0], sorted(took[1:])
        print(f"{models} models x {scales} scales, {len(SENSORS_BY_NAME)} sensors, milliseconds a round")
        print(f"first {first:.0f}, median {others[ROUNDS // 2]:.0f}, slowest {others[-1]:.0f}")
        print(f"without what Dagster takes to ask its instance: {own:.0f}")


def _milliseconds(act: Callable[[Any], object], each: Iterable[Any]) -> float:
    """Return the processor's time for an act on each of several things."""
    began = time.process_time()
    for one in each:
        act(one)
    return 1000 * (time.process_time() - began)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
