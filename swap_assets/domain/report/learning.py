"""How training went, and whether more data helps: loss curves, and the score of each approach by scale."""

from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.inputs import LossPoint, ReportInputs
from swap_assets.domain.report.names import display_name
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import Metric

POINTS = 120  # of a loss curve that are kept; a plot shows no more


class LearningCurve(Frozen):
    """One adapter's training: its losses (nats per trained token), how many rows and steps, and what it took."""

    candidate_id: str
    name: str
    adapter: str
    rows: int
    steps: int
    training: tuple[LossPoint, ...]
    validation: tuple[LossPoint, ...]
    seconds: float
    tokens_per_second: float
    device: str


class ScalePoint(Frozen):
    """One candidate's tool calls at one scale; the untouched model and the LLM learn nothing from more rows."""

    series: str
    scale: str
    train_rows: int | None
    field_f1: Metric
    exact_match: Metric


def learning_curves(inputs: ReportInputs) -> tuple[LearningCurve, ...]:
    """Return the curves of every training whose record is there."""
    return tuple(
        LearningCurve(
            candidate_id=run.candidate_id,
            name=display_name(run.candidate_id),
            adapter=run.adapter,
            rows=run.rows,
            steps=run.steps,
            training=_thinned(run.loss),
            validation=_thinned(run.validation),
            seconds=run.seconds,
            tokens_per_second=run.tokens_per_second,
            device=run.device,
        )
        for run in inputs.trainings
    )


def scale_points(inputs: ReportInputs) -> tuple[ScalePoint, ...]:
    """Return each series over the scales where it was measured, in the order of the experiment file."""
    scales = list(inputs.train_rows) or [inputs.scale]
    everywhere = [*inputs.evaluated, *(item for item in inputs.other_scales if item.status == "evaluated")]
    found = [point for item in everywhere if (point := _point(item, inputs))]
    return tuple(sorted(found, key=lambda point: (point.series, scales.index(point.scale))))


def _point(item: Evaluation, inputs: ReportInputs) -> ScalePoint | None:
    result = item.track(Track.TOOLCALL)
    known = item.candidate.scale in inputs.train_rows or item.candidate.scale == inputs.scale
    if result is None or not known:
        return None
    empty = Metric(value=None)
    return ScalePoint(
        series=display_name(item.candidate.id),
        scale=item.candidate.scale,
        train_rows=inputs.train_rows.get(item.candidate.scale),
        field_f1=result.summary.metrics.get("field_f1", empty),
        exact_match=result.summary.metrics.get("exact_match", empty),
    )


def _thinned(points: tuple[LossPoint, ...]) -> tuple[LossPoint, ...]:
    """Keep at most POINTS, evenly over the steps, the last one always."""
    if len(points) <= POINTS:
        return points
    step = (len(points) - 1) / (POINTS - 1)
    return tuple(points[round(index * step)] for index in range(POINTS))
