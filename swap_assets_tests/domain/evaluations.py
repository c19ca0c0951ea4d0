"""Evaluations made of given per-row values, for tests of what reads them."""

from collections.abc import Sequence

from swap_assets.domain.formats.base import Track
from swap_assets.domain.formats.fledgling_structured import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.keys import Candidate, base, hosted, tuned
from swap_assets.domain.scoring.aggregation import summarise
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult
from swap_assets.domain.scoring.scores import RowScore

LLM = hosted("gpt", "small")
SLM = base("phi", "small")
PAPER = tuned("phi", "small", "paper")
FLEDGLING = tuned("phi", "small", "fledgling")


def evaluation(candidate: Candidate, values: Sequence[float | None], *, track: Track = Track.TOOLCALL) -> Evaluation:
    """Return an evaluation with one row of one conversation for each value; None is an answer not obtained."""
    answer_format = HERMES if track is Track.TOOLCALL else FLEDGLING_STRUCTURED
    rows = [_row(index, value) for index, value in enumerate(values)]
    result = TrackResult(summary=summarise(candidate.id, answer_format, rows), rows=tuple(rows))
    return Evaluation(candidate=candidate, results={track: result}, dataset_hash="d", artefact_hash="a")


def shares(right: int, of: int) -> list[float]:
    """Return `right` ones and the rest zeros."""
    return [1.0] * right + [0.0] * (of - right)


def _row(index: int, value: float | None) -> RowScore:
    if value is None:
        return RowScore(case_id=f"c{index}", conversation_id=f"c{index}", origin="real", scored=False)
    exact = float(value == 1.0)
    return RowScore(
        case_id=f"c{index}",
        conversation_id=f"c{index}",
        origin="real",
        labels={"single_turn": "simple", "domain": "weather"},
        format_compliant=1.0,
        valid_json=1.0,
        name_match=exact,
        arguments_exact=exact,
        exact_match=exact,
        field_precision=value,
        field_recall=value,
        field_f1=value,
        gold_fields=2,
        predicted_fields=2,
        true_positives=round(2 * value),
    )
