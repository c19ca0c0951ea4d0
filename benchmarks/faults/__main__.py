"""`python -m benchmarks.faults`: what faults do to the house, in one table; seeded, half an hour of two free cores.

python -m benchmarks.faults --only damage --only endpoint --seed 7 --damages 800 --requests 1000
"""

import argparse
import random
import sys
from collections.abc import Iterator

from benchmarks import tables
from benchmarks.faults import damage, disk, endpoint, service, texts
from benchmarks.faults.outcomes import COLUMNS, Outcome

PARTS = ("damage", "endpoint", "disk", "texts", "kills")


def outcomes(*, only: list[str], seed: int, damages: int, requests: int, kills: int) -> Iterator[Outcome]:
    """Yield what became of the faults of each part that is asked for, as soon as it is known."""
    parts = {
        "damage": lambda draws: damage.run(draws, damages=damages),
        "endpoint": lambda draws: endpoint.run(draws, requests=requests),
        "disk": disk.run,
        "texts": texts.run,
        "kills": lambda draws: service.run(draws, kills=kills),
    }
    for name in PARTS:
        if not only or name in only:
            yield from parts[name](random.Random(f"{seed} {name}"))


def main(arguments: list[str]) -> int:
    """Print the table and return 1 where anything was lost, repeated, leaked or silently wrong."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    options.add_argument("--only", action="append", choices=PARTS, default=[], help="a part; may be given again")
    options.add_argument("--seed", type=int, default=15)
    options.add_argument("--damages", type=int, default=800)
    options.add_argument("--requests", type=int, default=1000)
    options.add_argument("--kills", type=int, default=100)
    given = options.parse_args(arguments)
    tables.head(*COLUMNS)
    bad = 0
    for found in outcomes(**vars(given)):
        found.show()
        bad += found.bad
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
