"""The sentence that goes with a judged criterion: what was asked, what was measured, and how sure that is."""

from swap_assets.domain.judging.criteria_table import Criterion, Verdict
from swap_assets.domain.scoring.scores import Metric


def sentence(demand: Criterion, measured: Metric, verdict: Verdict, *, met: bool, margin: float) -> str:
    """Return one or two sentences a manager understands.

    Args:
        demand: the criterion.
        measured: what was measured, in the criterion's unit.
        verdict: how it was judged.
        met: whether the measured value alone reaches the threshold.
        margin: how many points worse than the LLM a release may be.
    """
    if measured.value is None:
        return f"Not measured: no row tells about {demand.description}."
    low, high = measured.low, measured.high
    say = _behind if demand.unit == "points" else _number
    span = "" if low is None or high is None else f"between {say(demand, low)} and {say(demand, high)}"
    if demand.compares == "release":
        return _release(demand, measured, verdict, span=span, margin=margin)
    told = f"{_claim(demand, measured.value)} on {_rows(measured)}, {_asked(demand)}"
    if demand.metric == "domain_deviation":
        span += " once sampling noise is taken out"
    outcome = "Met" if met else "Missed"
    if low is None or high is None:
        return f"{outcome}. {told}; how sure this is could not be computed."
    if verdict == "inconclusive":
        return f"{outcome}, but not proven. {told}; the true value may lie anywhere {span}."
    return f"{'Passed' if verdict == 'pass' else 'Failed'}. {told}; the true value lies {span} (95 % sure)."


def _claim(demand: Criterion, value: float) -> str:
    if demand.unit == "points":
        return f"The SLM is {_behind(demand, value)}"
    return f"{demand.description[:1].upper()}{demand.description[1:]}: {_number(demand, value)}"


def _rows(measured: Metric) -> str:
    return f"{measured.n} row{'' if measured.n == 1 else 's'}"


def _asked(demand: Criterion) -> str:
    if demand.unit == "points":
        return f"at most {demand.threshold:g} points behind allowed"
    bound = "at least" if demand.at_least else "less than" if demand.below else "at most"
    return f"{bound} {_number(demand, demand.threshold)} asked"


def _release(demand: Criterion, measured: Metric, verdict: Verdict, *, span: str, margin: float) -> str:
    value = measured.value or 0.0
    told = f"The SLM is {_behind(demand, value)} on {_rows(measured)}; in truth it is {span} (95 % sure)."
    if verdict == "pass":
        surpasses = " It surpasses the LLM beyond doubt." if measured.high is not None and measured.high < 0 else ""
        return f"Passed. {told} A loss of {margin:g} points or more is ruled out.{surpasses}"
    if verdict == "fail":
        return f"Failed. {told} It is worse than the LLM by more than is allowed, beyond doubt."
    if value > demand.threshold:
        return f"Not proven. {told} It measured worse than allowed, but that may be chance: more rows would tell."
    return f"Not proven. {told} A loss of {margin:g} points or more cannot be ruled out: more rows would tell."


def _behind(demand: Criterion, points: float) -> str:
    """Say LLM − SLM in words; less than half a tenth of a point is level."""
    if abs(points) < 0.05:
        return "level with the LLM"
    return f"{abs(points):.1f} points {'behind' if points > 0 else 'ahead of'} the LLM"


def _number(demand: Criterion, value: float) -> str:
    """Write a figure with so many digits that one which misses its threshold narrowly does not look equal to it."""
    return f"{value:.1f} %".replace(".0 %", " %") if demand.unit == "%" else f"{value:.3f}".rstrip("0").rstrip(".")
