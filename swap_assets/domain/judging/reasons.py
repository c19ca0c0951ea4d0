"""The sentence that goes with a gate's decision: what was measured, and what the policy makes of it."""

from collections.abc import Sequence

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.judging.decisions import Contrast, Verdict


def fine_tune_reason(
    found: Sequence[Contrast], missing: Sequence[str], limit: float, verdict: Verdict, action: str
) -> str:
    """Say why a model is trained or not."""
    does = {"train": "the policy trains", "skip": "the policy does not train"}.get(action, action)
    if not found:
        return f"Nothing could be compared ({missing[0]}), so {does}."
    worst = max(found, key=lambda item: item.delta_points)
    ending = {
        "fail": f"more than the {limit:g} points allowed: train",
        "pass": f"within the {limit:g} points allowed on every core metric: no training needed",
        "inconclusive": f"too few rows to tell whether that is within {limit:g} points: {does}",
    }[verdict]
    if verdict == "inconclusive" and missing:
        ending = f"{missing[0]}: {does}"
    return f"{worst.sentence()}; {ending}."


def scale_up_reason(
    found: Sequence[Contrast],
    reaching: Sequence[str],
    admitted: Sequence[str],
    *,
    share: float,
    next_scale: str | None,
    verdict: Verdict,
) -> str:
    """Say who goes on to which scale, and why."""
    if not found:
        return "No candidate has been evaluated beside the LLM, so there is nothing to scale up."
    best = min(found, key=lambda item: item.delta_points)
    percent = best.percent_of_llm
    reached = f"{percent:.0f} % of the LLM" if percent is not None else "an LLM that scores 0"
    opening = f"{best.sentence()}: {reached}"
    if not reaching and verdict == "inconclusive":
        return f"{opening}; too few rows to tell whether that is the {share:g} % asked for: the policy iterates."
    if not reaching:
        return f"{opening}, and no candidate can be at the {share:g} % asked for: iterate."
    who = f"{' and '.join(reaching)} may be at the {share:g} % asked for or above"
    if len(reaching) > 1:
        who += f", {_who_goes_on(reaching, admitted)}"
    if next_scale is None:
        return f"{opening}; {who}; there is no larger scale: release_decision is next."
    return f"{opening}; {who}, to scale '{next_scale}'."


def _who_goes_on(reaching: Sequence[str], admitted: Sequence[str]) -> str:
    if len(admitted) == len(reaching):
        return "none clearly ahead of the others, so all go on"
    if len(admitted) == 1:
        return f"and {admitted[0]} is clearly ahead, so it alone goes on"
    behind = " and ".join(name for name in reaching if name not in admitted)
    return f"{behind} clearly behind the best, so {' and '.join(admitted)} go on"


def release_reason(
    item: Contrast | None, on_sealed_rows: bool, verdict: Verdict, policy: GatePolicy, incomplete: Sequence[str]
) -> str:
    """Say why a model is released or not; `item` is what it was judged on."""
    if item is None:
        return "No candidate of this model has been evaluated beside the LLM: wait."
    if incomplete:
        return f"{item.sentence()}; but {incomplete[0]}: wait."
    margin = f"{policy.release.margin_points:g} points"
    ending = {
        "pass": f"no worse than the LLM within the margin of {margin}: release",
        "fail": "worse than the LLM for sure: wait",
        "inconclusive": f"not shown to be no worse within {margin}: wait",
    }[verdict]
    if verdict == "inconclusive" and not on_sealed_rows:
        ending = "the sealed release rows have not been asked: wait"
    return f"{item.sentence()}; {ending}."
