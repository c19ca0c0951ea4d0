"""Scoring: rate and linearity, then BFCL's checker on the same pairs, the gates' error rates, and the fuzz.

    python -m benchmarks.scoring [--quick]

Seconds are processor seconds of one core: reading the answers, comparing them with gold and aggregating. The peer is
`json.loads` over the same answers, that is the least that any scorer has to do. BFCL's part installs its checker, with
the cases that it brings along, for as long as it runs; without a package index it says so and is left out. `--quick`
cuts the fuzz from 200 to 20 seconds and the simulations to 100 and 20 experiments.
"""

import gc
import json
import sys
import time

from benchmarks import bfcl_agreement, decision_errors, gate_errors, scoring_fuzz
from benchmarks.scoring_rows import rows
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.scoring.aggregation import summarise
from swap_assets.domain.scoring.row_scoring import score_all

SIZES = (1_000, 10_000, 100_000)


def speed() -> None:
    """Print seconds by number of rows."""
    print("| rows | read and score s | aggregate s | microseconds a row | json.loads s |")
    print("|" + " --- |" * 5)
    score_all(*rows(10))  # imports scipy before the clock starts
    for count in SIZES:
        cases, records = rows(count)
        gc.collect()
        started = time.process_time()
        scores = score_all(cases, records)
        scored = time.process_time()
        summarise("any", HERMES, scores)
        summarised = time.process_time()
        for record in records:
            _load(record.text)
        loaded = time.process_time()
        cells = (scored - started, summarised - scored, 1e6 * (summarised - started) / count, loaded - summarised)
        print(f"| {count:,} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |", flush=True)


def _load(text: str) -> None:
    """Read the JSON between the tags of an answer, and nothing else."""
    for part in text.split("<tool_call>")[1:]:
        try:
            json.loads(part.partition("</tool_call>")[0])
        except ValueError:
            continue


def main(*, quick: bool) -> int:
    """Run every part and return 1 where BFCL's checker disagrees or the fuzz finds an exception, else 0."""
    print("## Speed\n")
    speed()
    print("\n## Agreement with BFCL's checker\n")
    try:
        disagreements = bfcl_agreement.disagreements()
    except bfcl_agreement.NoCheckerError as error:
        disagreements = 0
        print(f"left out: {error}")
    print("\n## Error rates of the gates")
    gate_errors.main(100 if quick else gate_errors.EXPERIMENTS)
    decision_errors.main(20 if quick else decision_errors.EXPERIMENTS)
    print("\n## Fuzz\n")
    exceptions = scoring_fuzz.fuzz(20.0 if quick else scoring_fuzz.SECONDS)
    return int(disagreements + exceptions > 0)


if __name__ == "__main__":
    sys.exit(main(quick="--quick" in sys.argv))
