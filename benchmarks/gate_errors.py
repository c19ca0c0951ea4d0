"""How often each gate decides wrongly: `python -m benchmarks.gate_errors [EXPERIMENTS]`, 1,000 by default.

SLM and LLM answer the same n rows. An answer is exact with some probability, else its field F1 is uniform on [0, 0.8];
both models find the same rows hard (correlation of about 0.5). The SLM's true distance to the LLM is set, many
experiments are drawn, and the very code that judges real ones judges them. "Plain" is the reading without intervals.
This file is about single criteria; the decisions, with several candidates in each, are in `decision_errors`.
"""

import sys
from collections.abc import Callable

import numpy as np

from benchmarks.tables import head, line
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.judging.criteria import Measured, judge
from swap_assets.domain.judging.criteria_table import criteria_in_force
from swap_assets.domain.scoring.aggregation import domain_spread
from swap_assets.domain.scoring.paired import PairedDifference
from swap_assets.domain.scoring.scores import Metric, RowScore
from swap_assets.domain.statistics import chance_of_passing, holm, mean_interval, wilson

EXPERIMENTS = 1_000
ROWS = (50, 200, 500)
LLM_EXACT = 0.75
PARTIAL = 0.4  # mean F1 of an answer that is not exact
_DEMANDS = {demand.name: demand for demand in criteria_in_force(GatePolicy())}


def field_f1(generator: np.random.Generator, hard: np.ndarray, *, worse_by: float = 0.0) -> np.ndarray:
    """Return a model's field F1, shape (rows,), on rows that are so hard; truly `worse_by` behind the LLM."""
    from scipy.stats import norm

    luck = norm.cdf(0.7 * hard + 0.714 * generator.standard_normal(len(hard)))
    exact = LLM_EXACT - worse_by / (1 - PARTIAL)
    return np.where(luck < exact, 1.0, 0.8 * generator.random(len(hard)))


def answers(generator: np.random.Generator, rows: int, worse_by: float) -> tuple[np.ndarray, np.ndarray]:
    """Return field F1 of the SLM and of the LLM, shape (rows,) each; the SLM is truly worse by `worse_by`."""
    hard = generator.standard_normal(rows)
    return field_f1(generator, hard, worse_by=worse_by), field_f1(generator, hard)


def compared(slm: np.ndarray, llm: np.ndarray) -> PairedDifference:
    """Return SLM − LLM as `paired_difference` would, straight from the arrays; every row is a conversation."""
    difference = slm - llm
    low, high, _ = mean_interval(difference, np.arange(len(difference)))
    return PairedDifference(
        metric="field_f1", mean_a=float(slm.mean()), mean_b=float(llm.mean()), difference=float(difference.mean()),
        low=low, high=high, rows=len(slm), conversations=len(slm), left_out=0, only_a=0, only_b=0,
        conversation_deviation=float(difference.std(ddof=1)),
    )  # fmt: skip


def share(experiments: int, happened: Callable[[np.random.Generator], bool], *, seed: int) -> float:
    """Return how often something happened, as a share."""
    generator = np.random.default_rng(seed)
    return sum(happened(generator) for _ in range(experiments)) / experiments


def verdicts(found: PairedDifference) -> dict[str, str]:
    """Return the verdict of each comparing criterion on one experiment."""
    points = Metric(value=-100 * found.difference, low=-100 * found.high, high=-100 * found.low, n=found.rows)
    return {name: judge(_DEMANDS[name], Measured(points)).verdict for name in ("llm_delta", "release")}


def comparing_gates(experiments: int) -> None:
    """Print the release and the distance gate: how often each verdict falls, by true distance and rows."""
    print("\nRelease (delta <= 0 and a loss of 5 points ruled out), and delta <= 10 points; percent of experiments")
    head("true LLM - SLM", "n", "plain: not worse", "released", "release fails", "delta passes", "delta fails")
    for worse_by in (-0.03, 0.0, 0.05, 0.10, 0.15):
        for rows in ROWS:
            generator = np.random.default_rng(rows)
            plain, tally = 0, {"release": {"pass": 0, "fail": 0}, "llm_delta": {"pass": 0, "fail": 0}}
            for _ in range(experiments):
                found = compared(*answers(generator, rows, worse_by))
                plain += found.difference >= 0
                for name, verdict in verdicts(found).items():
                    if verdict in tally[name]:
                        tally[name][verdict] += 1
            counts = [plain, *tally["release"].values(), *tally["llm_delta"].values()]
            line(f"{100 * worse_by:+.0f} points", rows, *(count / experiments for count in counts))


def several_candidates(experiments: int) -> None:
    """Print how often at least one of four candidates, each truly 5 points worse, gets through."""
    print("\nFour candidates, each truly 5 points worse: at least one gets through; percent of experiments")
    head("n", "plain: not worse", "release gate", "release gate with Holm")
    for rows in ROWS:
        generator = np.random.default_rng(rows)
        plain = gate = adjusted = 0
        for _ in range(experiments):
            found = [compared(*answers(generator, rows, 0.05)) for _ in range(4)]
            p_values = holm([chance_of_passing(one.difference + 0.05, low=one.low, high=one.high) for one in found])
            plain += any(one.difference >= 0 for one in found)
            gate += any(one.difference >= 0 and one.low > -0.05 for one in found)
            adjusted += any(one.difference >= 0 and p <= 0.025 for one, p in zip(found, p_values, strict=True))
        line(rows, *(count / experiments for count in (plain, gate, adjusted)))


def absolute_gate(experiments: int) -> None:
    """Print the rule "at least 70 % exact": plain reading and verdicts."""
    print("\nAt least 70 % exact; percent of experiments")
    head("true rate", "n", "plain: met", "pass", "inconclusive", "fail")
    for rate in (0.60, 0.65, 0.70, 0.75, 0.80):
        for rows in ROWS:
            hits = np.random.default_rng(rows).binomial(rows, rate, size=experiments)
            results = [_exact_verdict(int(hit), rows) for hit in hits]
            counts = [sum(met for met, _ in results)]
            counts += [sum(verdict == wanted for _, verdict in results) for wanted in ("pass", "inconclusive", "fail")]
            line(f"{100 * rate:.0f} %", rows, *(count / experiments for count in counts))


def _exact_verdict(hits: int, rows: int) -> tuple[bool, str]:
    low, high = wilson(hits, rows)
    percent = Metric(value=100 * hits / rows, low=100 * low, high=100 * high, n=rows)
    found = judge(_DEMANDS["single_turn_exact_match"], Measured(percent))
    return found.met, found.verdict


def domain_gate(experiments: int) -> None:
    """Print the rule "standard deviation over 10 domains below 0.15", raw and corrected for sampling noise."""
    print("\nStandard deviation of F1 over 10 domains below 0.15: passes, percent of experiments")
    head("true deviation", "rows a domain", "raw", "corrected")
    for deviation in (0.0, 0.10, 0.20):
        for rows in (5, 20, 50):
            generator = np.random.default_rng(rows)
            raw = corrected = 0
            for _ in range(max(1, experiments // 4)):
                spread = domain_spread(_domains(generator, rows, deviation))
                raw += (spread["domain_deviation"].value or 0.0) < 0.15
                corrected += (spread["domain_deviation_corrected"].value or 0.0) < 0.15
            total = max(1, experiments // 4)
            line(f"{deviation:.2f}", rows, raw / total, corrected / total)


def _domains(generator: np.random.Generator, rows: int, deviation: float) -> dict[str, list[RowScore]]:
    found = {}
    for label in "abcdefghij":
        exact = float(np.clip(0.65 + deviation * generator.standard_normal() / (1 - PARTIAL), 0, 1))
        values = np.where(generator.random(rows) < exact, 1.0, 0.8 * generator.random(rows))
        found[label] = [
            RowScore(
                case_id=f"{label}{row}", conversation_id=f"{label}{row}", origin="synthetic", field_f1=float(value)
            )
            for row, value in enumerate(values)
        ]
    return found


def interval_coverage(experiments: int) -> None:
    """Print how often the 95 % interval of a difference holds the true one."""
    print("\nThe 95 % interval of SLM - LLM holds the true difference; percent of experiments")
    head("n", "holds it")
    for rows in ROWS:

        def held(generator: np.random.Generator, rows: int = rows) -> bool:
            found = compared(*answers(generator, rows, 0.05))
            return found.low <= -0.05 <= found.high

        line(rows, share(experiments, held, seed=rows))


def main(experiments: int = EXPERIMENTS) -> None:
    """Print every table."""
    comparing_gates(experiments)
    several_candidates(experiments)
    absolute_gate(experiments)
    domain_gate(experiments)
    interval_coverage(experiments)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EXPERIMENTS)
