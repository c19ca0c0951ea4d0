"""Every candidate's figures, and its distance to the LLM on identical rows."""

from typing import Literal

from swap_assets.domain.experiment.costs import cost_per_thousand
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Contrast
from swap_assets.domain.judging.gates import metric_read
from swap_assets.domain.keys import Candidate
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.names import display_name
from swap_assets.domain.report.pairing import Columns, Paired
from swap_assets.domain.scoring.evaluation import Evaluation, Status
from swap_assets.domain.scoring.scores import Metric

# The columns of the main table, in this order: the primary metric first.
MAIN_METRICS = ("field_f1", "exact_match", "name_match", "valid_json", "format_compliance", "no_call_accuracy")
# The guide's question "is it within 10 points of the LLM?".
WITHIN_POINTS = 10.0
Answer = Literal["yes", "no", "cannot be told"]


class CandidateNote(Frozen):
    """A candidate and how far it came; anything but `evaluated` comes with the reason."""

    candidate_id: str
    name: str
    status: Status
    reason: str = ""


class CandidateRow(Frozen):
    """A candidate's line in one track's main table; `versus_llm` is None for the LLM and where not comparable."""

    candidate_id: str
    name: str
    track: Track
    answer_format: str
    cases: int
    unscored: int
    metrics: dict[str, Metric]
    versus_llm: Contrast | None = None
    cost_per_thousand: float | None = None


class LlmComparison(Frozen):
    """A candidate against the LLM in one metric, on identical rows, and what the 95 % interval says about it."""

    name: str
    contrast: Contrast
    within: Answer
    surpasses: Answer


class TrackPair(Frozen):
    """One candidate's structured answers against its tool calls on identical rows; shares of 1, in field F1.

    `difference` is structured − tool calls, with its 95 % interval.
    """

    candidate_id: str
    name: str
    rows: int
    structured: float
    toolcall: float
    difference: float
    low: float
    high: float


def candidate_notes(inputs: ReportInputs) -> tuple[CandidateNote, ...]:
    """Return every candidate that was expected, measured or not."""
    return tuple(
        CandidateNote(
            candidate_id=item.candidate.id, name=display_name(item.candidate.id), status=item.status, reason=item.reason
        )
        for item in inputs.evaluations
    )


def candidate_rows(inputs: ReportInputs, comparisons: tuple[LlmComparison, ...]) -> tuple[CandidateRow, ...]:
    """Return the lines of both tracks' main tables."""
    versus = {
        (item.contrast.candidate_id, item.contrast.track): item.contrast
        for item in comparisons
        if item.contrast.metric == inputs.metric
    }
    return tuple(
        _row(item, track, versus.get((item.candidate.id, track)), inputs.metric)
        for track in Track
        for item in inputs.evaluated
        if track in item.results
    )


def llm_comparisons(inputs: ReportInputs) -> tuple[LlmComparison, ...]:
    """Compare every candidate with the LLM in the primary and the core metrics of each track."""
    metrics = dict.fromkeys([inputs.metric, *(metric_read(name, inputs.policy) for name in inputs.policy.core_metrics)])
    found: list[LlmComparison] = []
    for track in Track:
        llm = inputs.llm.track(track) if inputs.llm else None
        if llm is None:
            continue
        reference = Columns(llm.rows)
        own = [(item, Columns(result.rows)) for item in inputs.contenders if (result := item.track(track))]
        for metric in metrics:
            compared = ((item.candidate.id, columns.against(reference, metric)) for item, columns in own)
            found += [_judged(_contrast(name, inputs.llm_id, track, metric, pair)) for name, pair in compared if pair]
    return tuple(found)


def best_contender(comparisons: tuple[LlmComparison, ...], metric: str) -> LlmComparison | None:
    """Return the comparison of the candidate that is nearest to the LLM in tool calls, or furthest ahead."""
    compared = contenders_compared(comparisons, metric)
    return min(compared, key=lambda item: (item.contrast.delta_points, item.contrast.candidate_id), default=None)


def contenders_compared(comparisons: tuple[LlmComparison, ...], metric: str) -> tuple[LlmComparison, ...]:
    """Return the comparisons of tool calls in one metric, one a candidate."""
    return tuple(
        item for item in comparisons if item.contrast.track is Track.TOOLCALL and item.contrast.metric == metric
    )


def best_trained(comparisons: tuple[LlmComparison, ...], metric: str) -> LlmComparison | None:
    """Return the same among candidates that were trained, whose rows can be shown before and after."""
    trained = (item for item in comparisons if Candidate.from_id(item.contrast.candidate_id).approach != "none")
    return best_contender(tuple(trained), metric)


def track_pairs(inputs: ReportInputs) -> tuple[TrackPair, ...]:
    """Compare the two tracks of every candidate that has both."""
    return tuple(pair for item in inputs.evaluated if (pair := _pair(item)))


def _row(item: Evaluation, track: Track, versus: Contrast | None, metric: str) -> CandidateRow:
    result = item.results[track]
    summary = result.summary
    shown = dict.fromkeys((*MAIN_METRICS, metric))
    return CandidateRow(
        candidate_id=item.candidate.id,
        name=display_name(item.candidate.id),
        track=track,
        answer_format=summary.answer_format.name,
        cases=summary.cases,
        unscored=summary.unscored,
        metrics={name: summary.metrics[name] for name in shown if name in summary.metrics},
        versus_llm=versus,
        cost_per_thousand=cost_per_thousand(result.totals),
    )


def _contrast(candidate_id: str, llm_id: str, track: Track, metric: str, pair: Paired) -> Contrast:
    return Contrast(
        candidate_id=candidate_id,
        reference_id=llm_id,
        track=track,
        metric=metric,
        slm=pair.mean_a,
        llm=pair.mean_b,
        delta_points=-100 * pair.difference,
        low_points=-100 * pair.high,
        high_points=-100 * pair.low,
        rows=pair.rows,
        conversations=pair.conversations,
        deviation_points=100 * pair.deviation,
    )


def _judged(item: Contrast) -> LlmComparison:
    return LlmComparison(
        name=display_name(item.candidate_id),
        contrast=item,
        within=_answer(yes=item.high_points <= WITHIN_POINTS, no=item.low_points > WITHIN_POINTS),
        surpasses=_answer(yes=item.high_points < 0, no=item.low_points >= 0),
    )


def _answer(*, yes: bool, no: bool) -> Answer:
    return "yes" if yes else "no" if no else "cannot be told"


def _pair(item: Evaluation) -> TrackPair | None:
    structured, toolcall = item.track(Track.STRUCTURED), item.track(Track.TOOLCALL)
    if structured is None or toolcall is None:
        return None
    found = Columns(structured.rows).against(Columns(toolcall.rows), "field_f1")
    if found is None:
        return None
    return TrackPair(
        candidate_id=item.candidate.id,
        name=display_name(item.candidate.id),
        rows=found.rows,
        structured=found.mean_a,
        toolcall=found.mean_b,
        difference=found.difference,
        low=found.low,
        high=found.high,
    )
