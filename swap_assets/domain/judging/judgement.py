"""A candidate's evaluation against the success criteria, beside the LLM on identical rows."""

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.judging.criteria import judge
from swap_assets.domain.judging.criteria_table import Criteria, CriterionResult, default_criteria
from swap_assets.domain.judging.gates import DECIDING_TRACK, metric_read
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.statistics.intervals import paired_difference


def criteria_in_force(policy: GatePolicy) -> Criteria:
    """Return the guide's table with the policy's primary metric and release margin."""
    return default_criteria(
        metric=metric_read(policy.primary_metric, policy), margin_points=policy.release.margin_points
    )


def criteria_of(evaluation: Evaluation, llm: Evaluation, policy: GatePolicy) -> list[CriterionResult]:
    """Judge a candidate; empty where nothing of it was measured."""
    own, reference = evaluation.track(DECIDING_TRACK), llm.track(DECIDING_TRACK)
    if own is None:
        return []
    criteria = criteria_in_force(policy)
    if reference is None:
        return judge(own.summary, None, None, criteria)
    try:
        paired = paired_difference(own.rows, reference.rows, metric_read(policy.primary_metric, policy))
    except ValueError:  # they were asked different rows, or share none
        return judge(own.summary, None, None, criteria)
    return judge(own.summary, reference.summary, paired, criteria)
