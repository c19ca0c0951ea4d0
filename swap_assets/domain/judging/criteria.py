"""The judgement of a candidate against the success criteria, and the sentence that goes with each.

The rule. A criterion is *met* where the measured value reaches the threshold: the plain reading. The verdict says
more: `pass` where the whole 95 % interval reaches it too, `fail` where none of the interval does, `inconclusive` where
the threshold lies inside the interval, so that another sample of rows might have said otherwise. The release criterion
passes where it is met: it is itself a statement about the interval. What no row measured is `not_measured`. Nothing is
met by a candidate below the floor of `gates.calls`: that a model which never calls makes no wrong call means nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.criteria_table import Criterion, CriterionResult, Verdict, criteria_in_force
from swap_assets.domain.judging.floors import own_calls
from swap_assets.domain.scoring.aggregation import OTHER_DOMAIN, figure_of
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult
from swap_assets.domain.scoring.scores import Metric, RowScore, paired_difference

NOTHING = Metric(value=None)


class Measured(NamedTuple):
    """A criterion's figure in its unit; which test split its rows come from, "" for all; rows without an answer.

    `at_worst` is what a release reads instead of the interval's upper end, None for that end itself.
    """

    figure: Metric
    split: str = ""
    unscored: int = 0
    at_worst: float | None = None


def criteria_of(evaluation: Evaluation, llm: Evaluation, policy: GatePolicy) -> tuple[CriterionResult, ...]:
    """Judge an evaluated candidate against the guide's table, beside the LLM where it answered the same rows.

    Function calling is judged on the tool-call track, the quality of JSON on the structured one; a candidate with one
    track is judged on that. What was not evaluated is not measured, for the reason its evaluation gives.
    """
    tracks = [track for track in (Track.TOOLCALL, Track.STRUCTURED) if evaluation.track(track)]
    calls, floor = own_calls(evaluation, policy, tracks[0]) if tracks else NOTHING, policy.calls.floor_percent
    why = "" if tracks else f"the candidate was not evaluated ({evaluation.reason or evaluation.status})"
    found = []
    for demand in criteria_in_force(policy):
        measured = Measured(NOTHING)
        if tracks:
            track = tracks[-1] if demand.json_quality else tracks[0]
            measured = _measured(demand, evaluation.results[track], llm.track(track))
        found.append(judge(demand, measured, margin_points=policy.release.margin_points, why=why))
    if calls.value is None or 100 * calls.value >= floor:
        return tuple(found)
    told = (
        f"Not counted: its {policy.floor} where a call is right is {100 * calls.value:.1f} %, {floor:g} % are asked. "
    )
    return tuple(_not_counted(item, told) if item.met else item for item in found)


def _not_counted(result: CriterionResult, told: str) -> CriterionResult:
    return result.model_copy(update={"met": False, "verdict": "fail", "sentence": told + result.sentence})


def judge(demand: Criterion, measured: Measured, *, margin_points: float = 5.0, why: str = "") -> CriterionResult:
    """Judge one figure against its criterion.

    Args:
        demand: the criterion.
        measured: the figure, in the criterion's unit.
        margin_points: how much worse than the LLM a release may be at most, in points.
        why: the reason where nothing was measured; by default, that no row tells.
    """
    figure = measured.figure
    met, verdict = _verdict(demand, figure, margin_points, measured.at_worst)
    return CriterionResult(
        **{name: getattr(demand, name) for name in ("name", "description", "threshold", "unit")},
        **{name: getattr(figure, name) for name in ("value", "low", "high")},
        rows=figure.n,
        met=met,
        certain=verdict in ("pass", "fail") and figure.low is not None,
        verdict=verdict,
        sentence=_sentence(demand, measured, verdict, met=met, margin=margin_points, why=why),
    )


def _measured(demand: Criterion, ours: TrackResult, theirs: TrackResult | None) -> Measured:
    if demand.compares != "none":
        return _distance(demand, ours, theirs)
    if not demand.split:
        figure, unscored, split = ours.summary.metrics.get(demand.metric, NOTHING), ours.summary.unscored, ""
    else:
        rows, split = _rows_of_split(demand, ours.rows)
        figure, unscored = figure_of(demand.metric, rows), sum(not row.scored for row in rows)
        if demand.name == "domain_deviation" and figure.value is not None:
            # The guide's plain reading judges the raw deviation; how sure that is, what is left without noise.
            corrected = figure_of(demand.metric.replace("deviation", "deviation_corrected"), rows)
            figure = figure.model_copy(update={"low": corrected.low, "high": corrected.high})
    return Measured(_scaled(figure, 100.0) if demand.unit == "%" else figure, split, unscored)


def _rows_of_split(demand: Criterion, rows: Sequence[RowScore]) -> tuple[list[RowScore], str]:
    """Return the rows that a split chose; where no row says which splits it serves, all rows with the split's label."""
    known = any(row.splits for row in rows)
    chosen = [row for row in rows if (demand.split in row.splits if known else demand.label in row.labels)]
    if demand.label == "domain":
        chosen = [row for row in chosen if row.labels.get("domain", OTHER_DOMAIN) != OTHER_DOMAIN]
    return chosen, demand.split if known else ""


def _distance(demand: Criterion, ours: TrackResult, theirs: TrackResult | None) -> Measured:
    """Return LLM − SLM where a call is right, in points or in percent of the LLM's figure (which counts as known)."""
    unscored = ours.summary.unscored
    if theirs is None:
        return Measured(NOTHING, unscored=unscored)
    if demand.compares == "delta" and {row.case_id for row in ours.rows} != {row.case_id for row in theirs.rows}:
        return Measured(_distance_of_means(demand, ours, theirs), unscored=unscored)
    paired = paired_difference(ours.rows, theirs.rows, demand.metric, part="call")
    if paired is None:
        return Measured(NOTHING, unscored=unscored)
    figure = Metric(value=-paired.difference, low=-paired.high, high=-paired.low, n=paired.rows)
    return Measured(_in_unit(demand, figure, paired.mean_b), unscored=unscored, at_worst=-100 * paired.surely_above)


def _distance_of_means(demand: Criterion, ours: TrackResult, theirs: TrackResult) -> Metric:
    """Compare two means as if they came from different rows, which is less sure: Newcombe's hybrid interval."""
    one, other = ours.summary.metrics.get(demand.metric), theirs.summary.metrics.get(demand.metric)
    if not one or not other or one.value is None or other.value is None:
        return NOTHING
    value = other.value - one.value
    figure = Metric(value=value, n=one.n)
    if not (one.low is None or one.high is None or other.low is None or other.high is None):
        below = ((other.value - other.low) ** 2 + (one.high - one.value) ** 2) ** 0.5
        above = ((other.high - other.value) ** 2 + (one.value - one.low) ** 2) ** 0.5
        figure = Metric(value=value, low=value - below, high=value + above, n=one.n)
    return _in_unit(demand, figure, other.value)


def _in_unit(demand: Criterion, figure: Metric, llm: float) -> Metric:
    if demand.unit == "points":
        return _scaled(figure, 100.0)
    return _scaled(figure, 100.0 / llm) if llm else NOTHING


def _scaled(metric: Metric, factor: float) -> Metric:
    old = {name: getattr(metric, name) for name in ("value", "low", "high")}
    return metric.model_copy(update={name: None if value is None else factor * value for name, value in old.items()})


def _verdict(demand: Criterion, measured: Metric, margin: float, at_worst: float | None = None) -> tuple[bool, Verdict]:
    if measured.value is None:
        return False, "not_measured"
    met = _reaches(demand, measured.value)
    if measured.low is None or measured.high is None:
        return met, "pass" if met else "fail"
    if demand.compares == "release":
        met = met and (measured.high if at_worst is None else at_worst) < margin
        return met, "pass" if met else "fail" if measured.low > demand.threshold else "inconclusive"
    ends = _reaches(demand, measured.low), _reaches(demand, measured.high)
    if all(ends) and met:
        return True, "pass"
    return met, "inconclusive" if any(ends) or met else "fail"


def _reaches(demand: Criterion, value: float) -> bool:
    """Whether a value satisfies a demand; a hair's breadth of rounding does not decide."""
    distance = value - demand.threshold if demand.at_least else demand.threshold - value
    return distance > 1e-9 if demand.below else distance >= -1e-9


def _sentence(
    demand: Criterion, measured: Measured, verdict: Verdict, *, met: bool, margin: float, why: str = ""
) -> str:
    """Say in one or two sentences that a manager understands what was asked, what was measured, and how sure it is."""
    figure = measured.figure
    if figure.value is None:
        return f"Not measured: {why or f'no row tells about {demand.description}'}."
    low, high = figure.low, figure.high
    span = "" if low is None or high is None else f"between {_told(demand, low)} and {_told(demand, high)}"
    rows = f"{figure.n} row{'' if figure.n == 1 else 's'}{f' of {measured.split}' if measured.split else ''}"
    missing = f" {measured.unscored} rows got no answer and are not in this figure." if measured.unscored else ""
    if demand.compares == "release":
        return _release_sentence(demand, measured, verdict, span=span, margin=margin) + missing
    name = f"{demand.description[:1].upper()}{demand.description[1:]}: "
    claim = f"{name if demand.compares == 'none' else 'The SLM is '}{_told(demand, figure.value)}"
    told = f"{claim} on {rows}, {_asked(demand)}"
    if demand.name == "domain_deviation":
        span += " once sampling noise is taken out"
    outcome = "Met" if met else "Missed"
    if low is None or high is None:
        return f"{outcome}. {told}; how sure this is could not be computed.{missing}"
    if verdict == "inconclusive":
        return f"{outcome}, but not proven. {told}; the true value may lie anywhere {span}.{missing}"
    return f"{'Passed' if verdict == 'pass' else 'Failed'}. {told}; the true value lies {span} (95 % sure).{missing}"


def _release_sentence(demand: Criterion, measured: Measured, verdict: Verdict, *, span: str, margin: float) -> str:
    figure, at_worst = measured.figure, measured.at_worst
    value = figure.value or 0.0
    rows = f"{figure.n} row{'' if figure.n == 1 else 's'}"
    allowed = "" if demand.threshold == 0 else f", {_asked(demand)}"
    told = f"The SLM is {_told(demand, value)} on {rows}{allowed}; in truth it is {span} (95 % sure)."
    if verdict == "pass":
        surpasses = " It surpasses the LLM beyond doubt." if figure.high is not None and figure.high < 0 else ""
        return f"Passed. {told} A loss of {margin:g} points or more is ruled out.{surpasses}"
    if verdict == "fail":
        return f"Failed. {told} It is worse than the LLM by more than is allowed, beyond doubt."
    if value > demand.threshold:
        return f"Not proven. {told} It measured worse than allowed, but that may be chance: more rows would tell."
    room = "" if at_worst is None else f" with room for what so few rows need not show ({at_worst:.1f} points)"
    return f"Not proven. {told} A loss of {margin:g} points or more cannot be ruled out{room}: more rows would tell."


def _asked(demand: Criterion) -> str:
    if demand.compares == "none":
        bound = "at least" if demand.at_least else "less than" if demand.below else "at most"
        return f"{bound} {_told(demand, demand.threshold)} asked"
    if demand.unit == "points":
        if demand.threshold < 0:
            return f"at least {-demand.threshold:g} points ahead asked"
        return f"at most {demand.threshold:g} points behind allowed"
    return f"at most {demand.threshold:g} % of the LLM's figure behind allowed"


def _told(demand: Criterion, value: float) -> str:
    """Write a figure, with so many digits that one which misses its threshold narrowly does not look equal to it.

    A distance is said in words; less than half a tenth of a point is level.
    """
    if demand.compares == "none":
        return f"{value:.1f} %".replace(".0 %", " %") if demand.unit == "%" else f"{value:.3f}".rstrip("0").rstrip(".")
    if abs(value) < 0.05:
        return "level with the LLM"
    if demand.unit == "points":
        return f"{abs(value):.1f} points {'behind' if value > 0 else 'ahead of'} the LLM"
    return f"{abs(value):.1f} % of the LLM's figure {'behind' if value > 0 else 'ahead of'} it"
