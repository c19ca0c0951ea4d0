"""The report of many candidates: seconds to build and to write it, and the size of its page.

    python -m benchmarks.report

20 candidates answered 5,000 rows each; every text is long and half of the answers are wrong. Processor seconds of one
core; the bar is 5 s and 5 MB. The evaluations, which the graph keeps, are made before the clock starts.
"""

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.scoring_rows import rows
from swap_assets.backends.report.archive import write_report
from swap_assets.domain.experiment.entries import Prices
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.json_schema import JSON_SCHEMA
from swap_assets.domain.judging.criteria import criteria_of
from swap_assets.domain.keys import Candidate, base, hosted, tuned
from swap_assets.domain.report.comparison import build_report
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult, measure

CANDIDATES, ROWS = 20, 5_000
SECONDS, MEGABYTES = 5.0, 5.0
_LONG = "A request in many words. " * 100


def inputs() -> ReportInputs:
    """Return what the report is built from."""
    llm = hosted("llm", "large")
    cases, records = rows(ROWS)
    results = [measure(llm, HERMES, cases=cases, records=records)]
    results.append(measure(llm, HERMES, cases=cases, records=rows(ROWS, seed=2)[1]))
    own: list[Candidate] = [base("phi", "large")]
    own += [tuned(f"phi-r{number}", "large", "paper") for number in range(CANDIDATES - 2)]
    evaluations = [_evaluation(llm, results[0]), *(_evaluation(item, results[1]) for item in own)]
    judged = {item.candidate.id: criteria_of(item, evaluations[0], GatePolicy()) for item in evaluations[1:]}
    return ReportInputs(
        experiment="benchmark",
        scale="large",
        evaluations=evaluations,
        llm_id=llm.id,
        prices=Prices(gpu_hour=2.0),
        criteria=judged,
        cases={case.id: case for case in cases},
        answer_text=lambda *_: _LONG,
    )


def _evaluation(candidate: Candidate, result: TrackResult) -> Evaluation:
    summary = result.summary.model_copy(update={"candidate_id": candidate.id})
    told = result.model_copy(update={"summary": summary})
    # Both forms of answer, as the Fledgling pair has them.
    return Evaluation(candidate=candidate, results={HERMES.track: told, JSON_SCHEMA.track: told})


def main() -> int:
    """Measure and print; return 1 where the bar is missed."""
    read = inputs()
    build_report(read)  # imports scipy before the clock starts
    began = time.process_time()
    report = build_report(read)
    built = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        write_report(report, Path(folder))
        written = time.process_time()
        megabytes = (Path(folder) / "report.html").stat().st_size / 1e6
    print("| candidates | rows each | build s | write s | HTML MB |\n|" + " --- |" * 5)
    print(f"| {CANDIDATES} | {ROWS:,} | {built - began:.2f} | {written - built:.2f} | {megabytes:.2f} |")
    return int(written - began > SECONDS or megabytes > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
