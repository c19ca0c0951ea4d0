"""How often each decision is wrong: `python -m benchmarks.decision_errors [EXPERIMENTS]`, 200 by default.

The decisions as they are wired (`domain.gates`: `fine_tune`, `scale_up`, `release`), on simulated rows (the model of
`gate_errors`: every model finds the same rows hard). "Plain" reads the measured figures without intervals, "no Holm"
reads each candidate's own interval as if it were alone.
"""

import sys
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.gate_errors import ROWS, field_f1
from benchmarks.tables import head, line
from swap_assets.domain.experiment.gate_policy import CoreMetric, GatePolicy, ReleaseRule
from swap_assets.domain.formats.base import Track
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.gates.replacement import nominate, release
from swap_assets.domain.gates.scale_up import scale_up
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Candidate, base, hosted, tuned
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult
from swap_assets.domain.scoring.scores import EvalSummary, RowScore

EXPERIMENTS = 200
POLICY = GatePolicy(
    release=ReleaseRule(real_share=0),
    core_metrics={"field_f1": CoreMetric(unit="score"), "exact_match": CoreMetric(unit="rate")},
)
LLM = hosted("llm", "s")


def llm_and(generator: np.random.Generator, rows: int, worse_by: Sequence[float]) -> list[Evaluation]:
    """Return the LLM and one candidate for each true distance to it (LLM - SLM in field F1), on the same rows."""
    hard = generator.standard_normal(rows)
    made = []
    for index, distance in enumerate((0.0, *worse_by)):
        values = field_f1(generator, hard, worse_by=distance)
        made.append(_evaluation(LLM if index == 0 else tuned(f"m{index}", "s", "paper"), values))
    return made


def _evaluation(candidate: Candidate, values: np.ndarray) -> Evaluation:
    rows = tuple(
        RowScore.model_construct(
            case_id=str(index), conversation_id=str(index), origin="synthetic",
            field_f1=float(value), exact_match=float(value == 1.0),
        )
        for index, value in enumerate(values)
    )  # fmt: skip
    summary = EvalSummary(
        candidate_id=candidate.id, answer_format=HERMES, track=Track.TOOLCALL,
        cases=len(rows), scored=len(rows), unscored=0, metrics={},
    )  # fmt: skip
    result = TrackResult.model_construct(summary=summary, rows=rows)
    return Evaluation.model_construct(
        candidate=candidate, status="evaluated", results={Track.TOOLCALL: result}, dataset_hash="", artefact_hash=""
    )


def repeated(experiments: int, rows: int, worse_by: Sequence[float]) -> Iterator[list[Evaluation]]:
    """Yield so many experiments; the seed is the number of rows."""
    generator = np.random.default_rng(rows)
    for _ in range(experiments):
        yield llm_and(generator, rows, worse_by)


def table(title: str, *header: str) -> None:
    """Print a table's head."""
    print(f"\n{title}; percent of experiments")
    head(*header)


def fine_tuning(experiments: int) -> None:
    """Print how often training is skipped, by true distance: more than 10 points asks for training."""
    table("Fine-tune decision (train beyond 10 points)", "true LLM - SLM", "n", "plain: skip", "skip", "inconclusive",
          "fail")  # fmt: skip
    for distance in (0.0, 0.05, 0.15):
        for rows in ROWS:
            made = [
                fine_tune(slm.model_copy(update={"candidate": base("m1", "s")}), llm, POLICY)
                for llm, slm in repeated(experiments, rows, [distance])
            ]
            plain = np.mean([max(item.delta_points for item in one.contrasts) <= 10 for one in made])
            line(f"{100 * distance:+.0f} points", rows, float(plain), *_verdicts(made))


def scaling_up(experiments: int) -> None:
    """Print how often a candidate is said to reach 90 % for sure, and how often one is called the clear winner."""
    table("Scale-up decision (90 % of the LLM is 8.5 points behind)", "true LLM - SLM of the candidates", "n",
          "plain: one reaches", "no Holm: one for sure", "pass (Holm)", "iterate", "best called winner")  # fmt: skip
    for distances in ([0.15], [0.12] * 4, [0.09] * 4, [0.05, 0.15, 0.15, 0.15], [0.0, 0.05, 0.05, 0.05]):
        for rows in ROWS:
            made = [
                scale_up(rest, llm, POLICY, scale="s", next_scale="t")
                for llm, *rest in repeated(experiments, rows, distances)
            ]
            plain = np.mean([any(item.delta_points <= 10 * item.llm for item in one.contrasts) for one in made])
            alone = np.mean([any(item.high_points <= 10 * item.llm for item in one.contrasts) for one in made])
            winner = np.mean([bool(one.winner) and len(one.rivalries) > 0 for one in made])
            passed, iterates = _verdicts(made)[0], float(np.mean([one.action == "iterate" for one in made]))
            told = ", ".join(f"{100 * distance:.0f}" for distance in distances)
            line(told, rows, float(plain), float(alone), passed, iterates, float(winner))


def releasing(experiments: int) -> None:
    """Print how often the best of several is released: judged on the rows that chose it, and on sealed ones."""
    table("Release decision (LLM - SLM at most 0, a loss of 5 points ruled out)", "true LLM - SLM", "candidates", "n",
          "plain: best not worse", "released on the test rows", "released on sealed rows (as wired)")  # fmt: skip
    for distance in (-0.05, 0.0, 0.05):
        for count in (1, 4):
            for rows in ROWS:
                made = [_released(found) for found in _twice(experiments, rows, [distance] * count)]
                line(f"{100 * distance:+.0f} points", count, rows, *np.mean(made, axis=0).tolist())


def _twice(experiments: int, rows: int, distances: Sequence[float]) -> Iterator[tuple[list, list]]:
    generator = np.random.default_rng(rows)
    for _ in range(experiments):
        yield llm_and(generator, rows, distances), llm_and(generator, rows, distances)


def _released(found: tuple[list[Evaluation], list[Evaluation]]) -> tuple[bool, bool, bool]:
    (llm, *tested), (sealed_llm, *sealed) = found
    best = nominate(tested, llm, POLICY)
    assert best is not None
    at = next(index for index, item in enumerate(tested) if item.candidate.id == best.candidate_id)
    on_test = release(tested, llm, POLICY, model="m", scale="s", sealed=(tested[at], llm))
    wired = release(tested, llm, POLICY, model="m", scale="s", sealed=(sealed[at], sealed_llm))
    return best.delta_points <= 0, on_test.action == "release", wired.action == "release"


def _verdicts(made: Sequence[Decision]) -> list[float]:
    return [float(np.mean([one.verdict == verdict for one in made])) for verdict in ("pass", "inconclusive", "fail")]


def main(experiments: int = EXPERIMENTS) -> None:
    """Print every table."""
    fine_tuning(experiments)
    scaling_up(experiments)
    releasing(experiments)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EXPERIMENTS)
