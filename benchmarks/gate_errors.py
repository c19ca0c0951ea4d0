"""How often each gate decides wrongly: `python -m benchmarks.gate_errors [EXPERIMENTS]`, 1,000 by default.

SLM and LLM answer the same n rows. An answer is exact with some probability, else its field F1 is uniform on [0, 0.8];
both models find the same rows hard (correlation of about 0.5). The SLM's true distance to the LLM is set, many
experiments are drawn, and the very code that judges real ones judges them. "Plain" is the reading without intervals.
Two more tables draw conversations of one to nine turns, whose rows are alike, with outcomes that hide a loss: whole
answers, field F1, few answers that differ at all, and rare conversations that fail wholly while all others are level:
any of them, or the longest alone, which are few and hold many rows, or so few that the rows may have none of them. What
lengths the source has is known, as `DatasetSplit` has it.
This file is about single criteria; the decisions, with several candidates in each, are in `decision_errors`.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from benchmarks.tables import head, line
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.judging.criteria import Measured, judge
from swap_assets.domain.judging.criteria_table import criteria_in_force
from swap_assets.domain.scoring.aggregation import domain_spread
from swap_assets.domain.scoring.scores import Metric, PairedDifference, RowScore, compared
from swap_assets.domain.statistics import chance_of_passing, holm, rate_interval, wilson

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


def paired(
    slm: np.ndarray, llm: np.ndarray, clusters: np.ndarray | None = None, lengths: Mapping[int, float] | None = None
) -> PairedDifference:
    """Return SLM − LLM as the gates compare them; without `clusters` every row is a conversation."""
    rows = np.arange(len(slm)) if clusters is None else clusters
    return compared("field_f1", slm, llm, (slm == 1.0, llm == 1.0), rows, lengths)


def verdicts(found: PairedDifference) -> dict[str, str]:
    """Return the verdict of each comparing criterion on one experiment."""
    points = Metric(value=-100 * found.difference, low=-100 * found.high, high=-100 * found.low, n=found.rows)
    measured = Measured(points, at_worst=-100 * found.surely_above)
    return {name: judge(_DEMANDS[name], measured).verdict for name in ("llm_delta", "release")}


def comparing_gates(experiments: int) -> None:
    """Print the release and the distance gate: how often each verdict falls, by true distance and rows."""
    print("\nRelease (delta <= 0 and a loss of 5 points ruled out), and delta <= 10 points; percent of experiments")
    head("true LLM - SLM", "n", "plain: not worse", "released", "release fails", "delta passes", "delta fails")
    for worse_by in (-0.03, 0.0, 0.05, 0.10, 0.15):
        for rows in ROWS:
            generator = np.random.default_rng(rows)
            found = [paired(*answers(generator, rows, worse_by)) for _ in range(experiments)]
            fell = Counter(each for one in found for each in verdicts(one).items())
            cells = product(("release", "llm_delta"), ("pass", "fail"))
            counts = [sum(one.difference >= 0 for one in found), *(fell[cell] for cell in cells)]
            line(f"{100 * worse_by:+.0f} points", rows, *(count / experiments for count in counts))


def several_candidates(experiments: int) -> None:
    """Print how often at least one of four candidates, each truly 5 points worse, gets through."""
    print("\nFour candidates, each truly 5 points worse: at least one gets through; percent of experiments")
    head("n", "plain: not worse", "release gate", "release gate with Holm")
    for rows in ROWS:
        generator = np.random.default_rng(rows)
        plain = gate = adjusted = 0
        for _ in range(experiments):
            found = [paired(*answers(generator, rows, 0.05)) for _ in range(4)]
            p_values = holm([chance_of_passing(one.difference + 0.05, low=one.low, high=one.high) for one in found])
            plain += any(one.difference >= 0 for one in found)
            gate += any(one.difference >= 0 and one.surely_above > -0.05 for one in found)
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
    low, high = wilson(hits / rows, rows)
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


# How many turns a conversation has, with the chance of each.
SIZES: dict[str, dict[int, float]] = {
    "1": {1: 1.0},
    "1 or 2": {1: 0.5, 2: 0.5},
    "1 to 5": dict.fromkeys(range(1, 6), 0.2),
    "1 to 9": dict.fromkeys(range(1, 10), 1 / 9),
    "5 each": {5: 1.0},
    "1 or 5": {1: 0.5, 5: 0.5},
    "1, a tenth 5": {1: 0.9, 5: 0.1},
    "1, 2 % 5": {1: 0.98, 5: 0.02},
    "1, 1.2 % 5": {1: 0.988, 5: 0.012},
    "1, 1 % 5": {1: 0.99, 5: 0.01},
}


def turns_of(generator: np.random.Generator, rows: int, turns: str) -> np.ndarray:
    """Return the conversation of each row, shape (about rows,), with turns as `SIZES` says."""
    sizes, chances = zip(*SIZES[turns].items(), strict=True)
    count = max(2, round(rows / float(np.dot(sizes, chances))))
    return np.repeat(np.arange(count), generator.choice(sizes, size=count, p=chances))


def alike(generator: np.random.Generator, clusters: np.ndarray, common: float = 0.5) -> np.ndarray:
    """Return a standard normal number a row, of which a conversation's rows have so much of the variance in common."""
    shared = generator.standard_normal(int(clusters.max()) + 1)[clusters]
    return np.sqrt(common) * shared + np.sqrt(1 - common) * generator.standard_normal(len(clusters))


def _discordant(drawn: "Drawn", differ: float) -> np.ndarray:
    from scipy.special import ndtr

    luck, lost = ndtr(alike(drawn.generator, drawn.clusters)), (differ + drawn.worse_by) / 2
    return np.where(luck < lost, -1.0, np.where(luck > 1 - (differ - lost), 1.0, 0.0))


def _field_f1(drawn: "Drawn") -> np.ndarray:
    return np.clip(0.25 * alike(drawn.generator, drawn.clusters) - drawn.worse_by, -1, 1)


def _failing(drawn: "Drawn", *, longest: bool, spread: float = 0.002) -> np.ndarray:
    """Return rows that are level, give or take the spread, but for conversations that fail wholly."""
    sizes, chances = np.bincount(drawn.clusters), SIZES[drawn.turns]
    failing = [max(chances)] if longest else list(chances)
    share = sum(size * chances[size] for size in failing) / sum(size * chance for size, chance in chances.items())
    chance = min(1.0, drawn.worse_by / share)
    lost = np.isin(sizes, failing) & (drawn.generator.random(len(sizes)) < chance)
    others = (drawn.worse_by - chance * share) / (1 - chance * share)  # where the failing ones are too few for it all
    return np.where(lost[drawn.clusters], -1.0, spread * alike(drawn.generator, drawn.clusters) - others)


class Drawn(NamedTuple):
    """What an outcome is drawn for: rows of conversations with turns as `SIZES` says, truly worse by so much."""

    generator: np.random.Generator
    clusters: np.ndarray
    worse_by: float
    turns: str


# SLM - LLM of each row.
OUTCOMES: dict[str, Callable[[Drawn], np.ndarray]] = {
    "whole answers, 30 % differ": partial(_discordant, differ=0.3),
    "whole answers, 10 % differ": partial(_discordant, differ=0.1),
    "field F1": _field_f1,
    "rare total failures": partial(_failing, longest=False),
    "only the longest fail": partial(_failing, longest=True),
    "field F1, the longest fail": partial(_failing, longest=True, spread=0.1),
}
CONVERSATION_ROWS = (10, 20, 50, 100, 125, 200, 300, 500)


def conversations(experiments: int) -> None:
    """Print false releases, the interval's coverage and how often a level model is released, by rows and turns."""
    print("\nConversations: released where truly 5 points worse / 95 % interval holds the truth / released where level")
    head("outcome", "turns", *(f"{rows} rows" for rows in CONVERSATION_ROWS))
    for name, turns in product(OUTCOMES, SIZES):
        cells = [decided(name, rows, turns, experiments) for rows in CONVERSATION_ROWS]
        line(name, turns, *(" / ".join(f"{100 * times:.1f}" for times in cell) for cell in cells))


def decided(name: str, rows: int, turns: str, experiments: int) -> tuple[float, float, float]:
    """Return shares: released where truly 5 points worse, truth held by the interval there, released where level."""
    generator, tally = np.random.default_rng(rows), np.zeros(3)
    for worse_by, _ in product((0.05, 0.0), range(experiments)):
        clusters = turns_of(generator, rows, turns)
        difference = OUTCOMES[name](Drawn(generator, clusters, worse_by, turns))
        found = paired(difference, np.zeros(len(difference)), clusters, SIZES[turns])
        passes, held = verdicts(found)["release"] == "pass", found.low <= -worse_by <= found.high
        tally += (passes, held, 0) if worse_by else (0, 0, passes)
    released, held, level = (tally / experiments).tolist()
    return released, held, level


def rates(experiments: int) -> None:
    """Print how often the interval of a rate holds the true one, by how alike a conversation's rows are."""
    print("\nThe 95 % interval of a rate holds the true one, turns of a conversation alike by so much; percent")
    head("true rate", "alike", "turns", *(f"{rows} rows" for rows in CONVERSATION_ROWS))
    for rate, common, turns in product((0.5, 0.8, 0.95), (0.0, 0.5, 1.0), SIZES):
        cells = [rate_held(rate, common, turns, rows=rows, experiments=experiments) for rows in CONVERSATION_ROWS]
        line(f"{100 * rate:.0f} %", f"{common:g}", turns, *cells)


def rate_held(rate: float, common: float, turns: str, *, rows: int, experiments: int) -> float:
    """Return how often a rate's interval holds the true one, as a share."""
    from scipy.special import ndtri

    generator, held = np.random.default_rng(rows), 0
    for _ in range(experiments):
        clusters = turns_of(generator, rows, turns)
        low, high, _method = rate_interval((alike(generator, clusters, common) < ndtri(rate)) * 1.0, clusters)
        held += low <= rate <= high
    return held / experiments


def main(experiments: int = EXPERIMENTS) -> None:
    """Print every table."""
    comparing_gates(experiments)
    several_candidates(experiments)
    absolute_gate(experiments)
    domain_gate(experiments)
    conversations(experiments)
    rates(experiments)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EXPERIMENTS)
