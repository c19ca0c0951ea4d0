"""Evaluations made of given per-row values, for tests of what reads them."""

from collections.abc import Sequence

from swap_assets.domain.formats.base import Track
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.keys import Candidate, base, hosted, tuned
from swap_assets.domain.model import Origin
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


def with_silence(item: Evaluation, right: int, of: int) -> Evaluation:
    """Return a tool-call evaluation with so many more rows on which no call is right, and so many of them right."""
    more = []
    for index in range(of):
        kept = float(index < right)
        figures = dict.fromkeys(("exact_match", "no_call_correct", "field_precision", "field_recall", "field_f1"), kept)
        more.append(RowScore(case_id=f"n{index}", conversation_id=f"n{index}", origin="real", **figures))
    return _remade(item, [*item.results[Track.TOOLCALL].rows, *more])


def with_origin(item: Evaluation, origin: Origin, count: int) -> Evaluation:
    """Return a tool-call evaluation of which the last so many rows come from somewhere else."""
    rows = list(item.results[Track.TOOLCALL].rows)
    kept = len(rows) - count
    return _remade(item, [*rows[:kept], *(row.model_copy(update={"origin": origin}) for row in rows[kept:])])


def _remade(item: Evaluation, rows: Sequence[RowScore]) -> Evaluation:
    result = TrackResult(summary=summarise(item.candidate.id, HERMES, rows), rows=tuple(rows))
    return item.model_copy(update={"results": {Track.TOOLCALL: result}})


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
