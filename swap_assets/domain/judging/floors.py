"""What a candidate has to show by itself, however near it is to the LLM: calls where one is right, words where none is.

A bad LLM is soon reached, so every gate and success criterion also asks for field F1 where a call is right
(`gates.calls`), which a model that never calls or calls at random does not have; and for no call where none is right
(`gates.no_call`), which one that always calls does not have. The floors are read plainly: who measures below fails, and
another try costs little. A gate that reads one metric also asks that no other core one falls far behind for sure: a
model that adds a call of its own to every right answer is never wholly right, and loses little field F1. Distances to
the LLM are judged in `contrasts`.
"""

from typing import NamedTuple

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.contrasts import DECIDING_TRACK, contrast, contrasts
from swap_assets.domain.judging.decisions import Contrast, Verdict
from swap_assets.domain.scoring.aggregation import figure_of
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import Metric


class Floors(NamedTuple):
    """Whether a candidate stands above the floors; what is to be said about them, and the no-call rows compared."""

    verdict: Verdict
    told: str = ""
    no_call: tuple[Contrast, ...] = ()


def thresholds(policy: GatePolicy) -> dict[str, float]:
    """Return the floors by name, as decisions record them."""
    quiet = policy.no_call
    return {
        "call_floor_percent": policy.calls.floor_percent,
        "no_call_floor_percent": quiet.floor_percent,
        "no_call_margin_points": quiet.margin_points,
    }


def floors(slm: Evaluation, llm: Evaluation, policy: GatePolicy, *, margin_points: float | None = None) -> Floors:
    """Judge a candidate by the floors, in the track that decides.

    `margin_points` is what a core metric may surely be behind the LLM; without it, half of what the LLM has.
    """
    calls, called = _where_a_call_is_right(slm, policy)
    behind = _surely_behind(slm, llm, policy, margin_points)
    quiet, said, compared = _where_none_is(slm, llm, policy)
    told = "".join(f"; {text}" for text in (called, behind, said) if text)
    return Floors("fail" if behind else together(calls, quiet), told, (compared,) if compared else ())


def together(*verdicts: Verdict) -> Verdict:
    """Return the verdict on several demands that all have to be met."""
    if "fail" in verdicts:
        return "fail"
    return "inconclusive" if "inconclusive" in verdicts else "pass"


def own_calls(slm: Evaluation, policy: GatePolicy, track: Track = DECIDING_TRACK) -> Metric:
    """Return what a candidate reaches by itself where a call is right."""
    result = slm.track(track)
    return figure_of(policy.floor, result.rows) if result else Metric(value=None)


def _where_a_call_is_right(slm: Evaluation, policy: GatePolicy) -> tuple[Verdict, str]:
    figure, floor = own_calls(slm, policy), policy.calls.floor_percent
    if figure.value is None or figure.low is None:
        return "inconclusive", "no row tells how it does where a call is right"
    told = f"its own {policy.floor} there is {100 * figure.value:.1f} %"
    if 100 * figure.value < floor:
        return "fail", f"{told}, below the {floor:g} % asked of any candidate"
    if 100 * figure.low < floor:
        return "inconclusive", f"{told}, not surely the {floor:g} % asked of any candidate"
    return "pass", ""


def _surely_behind(slm: Evaluation, llm: Evaluation, policy: GatePolicy, margin_points: float | None) -> str:
    """Say in which core metric but the primary one a candidate is too far behind the LLM for sure, "" where in none."""
    others = [name for name in policy.core if name != policy.primary]
    for item in contrasts([slm], llm, others)[0]:
        limit = 50 * item.llm if margin_points is None else margin_points
        if item.low_points > limit:
            allowed = "half of the LLM's" if margin_points is None else f"within {limit:g} points of the LLM's"
            return f"its {item.metric} there is {100 * item.slm:.1f} %, surely not {allowed} {100 * item.llm:.1f} %"
    return ""


def _where_none_is(slm: Evaluation, llm: Evaluation, policy: GatePolicy) -> tuple[Verdict, str, Contrast | None]:
    rule, found = policy.no_call, contrast(slm, llm, "no_call_accuracy", part="no_call")
    if found is None:
        return "pass", "no row tells how it does where no call is right", None
    told = f"on the {found.rows} rows where no call is right it makes none in {100 * found.slm:.0f} %"
    if found.rows < rule.rows:
        return "pass", f"{told}, too few to judge it by", found
    if 100 * found.slm < rule.floor_percent:
        return "fail", f"{told}, below the {rule.floor_percent:g} % asked of any candidate", found
    if found.delta_points <= rule.margin_points + 1e-9:  # 0.9 - 0.8 is a hair more than a tenth
        return "pass", "", found
    sure: Verdict = "fail" if found.low_points > rule.margin_points else "inconclusive"
    behind = f"{found.delta_points:.1f} points behind the LLM, {rule.margin_points:g} allowed"
    return sure, f"{told}, {behind}", found
