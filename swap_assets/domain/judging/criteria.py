"""The judgement of a candidate against the success criteria.

The rule. A criterion is *met* where the measured value reaches the threshold: the plain reading. The verdict says
more: `pass` where the whole 95 % interval reaches it too, `fail` where none of the interval does, `inconclusive` where
the threshold lies inside the interval, so that another sample of rows might have said otherwise. The release criterion
passes where it is met: it is itself a statement about the interval. What no row measured is `not_measured`.
"""

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.criteria_table import Criteria, Criterion, CriterionResult, Verdict, default_criteria
from swap_assets.domain.judging.criteria_words import sentence
from swap_assets.domain.scoring.aggregation import ALL
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import EvalSummary, Metric
from swap_assets.domain.statistics.intervals import PairedDifference, paired_difference


def criteria_of(evaluation: Evaluation, llm: Evaluation, policy: GatePolicy) -> tuple[CriterionResult, ...]:
    """Judge an evaluated candidate against the guide's table, beside the LLM where it answered the same rows.

    Function calling is judged on the tool-call track, the quality of JSON on the structured one; a candidate with one
    track is judged on that. What was not evaluated is not measured, for the reason its evaluation gives.
    """
    criteria = default_criteria(
        metric=policy.primary_metric,
        margin_points=policy.release.margin_points,
        release_delta=policy.release.max_delta_points,
        reads=policy.reads,
    )
    tracks = [track for track in (Track.TOOLCALL, Track.STRUCTURED) if evaluation.track(track)]
    if not tracks:
        return tuple(_judge_one(demand, None, None, None, 0.0) for demand in criteria.demands)
    judged = {track: _judge_track(evaluation, llm, track, criteria) for track in tracks}
    return tuple(
        judged[tracks[-1] if demand.json_quality else tracks[0]][index] for index, demand in enumerate(criteria.demands)
    )


def judge(
    summary: EvalSummary,
    llm_summary: EvalSummary | None,
    paired: PairedDifference | None,
    criteria: Criteria | None = None,
) -> list[CriterionResult]:
    """Judge a candidate against every demand, in the order of the criteria.

    Args:
        summary: the candidate's own figures.
        llm_summary: the hosted LLM's, on the same rows; None where there is none.
        paired: `paired_difference(slm_scores, llm_scores)`, that is SLM − LLM; without it the two means are
            compared as if they came from different rows, which is less sure, and the release is not measured.
        criteria: the demands; the guide's table by default.
    """
    criteria = criteria or default_criteria()
    return [_judge_one(demand, summary, llm_summary, paired, criteria.margin_points) for demand in criteria.demands]


def _judge_track(evaluation: Evaluation, llm: Evaluation, track: Track, criteria: Criteria) -> list[CriterionResult]:
    ours, theirs = evaluation.track(track), llm.track(track)
    assert ours is not None
    if theirs is None or {row.case_id for row in ours.rows} != {row.case_id for row in theirs.rows}:
        return judge(ours.summary, None, None, criteria)
    metric = next(demand.metric for demand in criteria.demands if demand.compares == "release")
    return judge(ours.summary, theirs.summary, paired_difference(ours.rows, theirs.rows, metric), criteria)


def _judge_one(
    demand: Criterion,
    summary: EvalSummary | None,
    llm: EvalSummary | None,
    paired: PairedDifference | None,
    margin: float,
) -> CriterionResult:
    if summary is None:
        measured = Metric(value=None)
    else:
        measured = _own_figure(demand, summary) if demand.compares == "none" else _delta(demand, summary, llm, paired)
    met, verdict = _verdict(demand, measured, margin)
    words = sentence(demand, measured, verdict, met=met, margin=margin)
    if summary and summary.unscored and measured.value is not None:
        words += f" {summary.unscored} rows got no answer and are not in this figure."
    return CriterionResult(
        name=demand.name,
        description=demand.description,
        value=measured.value,
        low=measured.low,
        high=measured.high,
        threshold=demand.threshold,
        unit=demand.unit,
        rows=measured.n,
        met=met,
        certain=verdict in ("pass", "fail") and measured.low is not None,
        verdict=verdict,
        sentence=words,
    )


def _verdict(demand: Criterion, measured: Metric, margin: float) -> tuple[bool, Verdict]:
    if measured.value is None:
        return False, "not_measured"
    met = _reaches(demand, measured.value)
    if measured.low is None or measured.high is None:
        return met, "pass" if met else "fail"
    if demand.compares == "release":
        met = met and measured.high < margin
        return met, "pass" if met else "fail" if measured.low > demand.threshold else "inconclusive"
    ends = _reaches(demand, measured.low), _reaches(demand, measured.high)
    if all(ends) and met:
        return True, "pass"
    return met, "inconclusive" if any(ends) or met else "fail"


def _reaches(demand: Criterion, value: float) -> bool:
    """Whether a value satisfies a demand; a hair's breadth of rounding does not decide."""
    distance = value - demand.threshold if demand.at_least else demand.threshold - value
    return distance > 1e-9 if demand.below else distance >= -1e-9


def _own_figure(demand: Criterion, summary: EvalSummary) -> Metric:
    figures = summary.by_label.get(demand.split, {}).get(ALL, {}) if demand.split else summary.metrics
    measured = figures.get(demand.metric)
    if measured is None:
        return Metric(value=None)
    if demand.metric == "domain_deviation":
        measured = _with_corrected_interval(measured, figures.get("domain_deviation_corrected"))
    return _scaled(measured, 100.0) if demand.unit == "%" else measured


def _with_corrected_interval(raw: Metric, corrected: Metric | None) -> Metric:
    """Judge the raw deviation by the guide's plain reading, and its certainty by what is left without noise."""
    if corrected is None or corrected.low is None or corrected.high is None:
        return raw
    return raw.model_copy(update={"low": corrected.low, "high": corrected.high})


def _delta(demand: Criterion, summary: EvalSummary, llm: EvalSummary | None, paired: PairedDifference | None) -> Metric:
    """Return LLM − SLM in points."""
    if paired is not None and paired.metric == demand.metric:
        return Metric(value=-100 * paired.difference, low=-100 * paired.high, high=-100 * paired.low, n=paired.rows)
    ours, theirs = summary.metrics.get(demand.metric), llm.metrics.get(demand.metric) if llm else None
    if not ours or not theirs or ours.value is None or theirs.value is None or demand.compares == "release":
        return Metric(value=None)
    value = theirs.value - ours.value
    if ours.low is None or ours.high is None or theirs.low is None or theirs.high is None:
        return Metric(value=100 * value, n=ours.n)
    below = ((theirs.value - theirs.low) ** 2 + (ours.high - ours.value) ** 2) ** 0.5  # Newcombe's hybrid interval
    above = ((theirs.high - theirs.value) ** 2 + (ours.value - ours.low) ** 2) ** 0.5
    return Metric(value=100 * value, low=100 * (value - below), high=100 * (value + above), n=ours.n)


def _scaled(metric: Metric, factor: float) -> Metric:
    old = {name: getattr(metric, name) for name in ("value", "low", "high")}
    return metric.model_copy(update={name: None if value is None else factor * value for name, value in old.items()})
