"""The comparison of all candidates of a scale, and whether to go on to the next one.

Both read the experiment's folder instead of asset inputs: a candidate that is absent, skipped or failed is named, and
Dagster's fan-in input would raise for the first missing partition.
"""

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.approval import adopt_reported
from swap_assets.defs.partitions import SCALES, scale_of
from swap_assets.defs.resources import Lab, experiment_in_force
from swap_assets.domain.gates.scale_up import scale_up
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.judging.suggestions import suggest
from swap_assets.domain.keys import FINE_TUNE_DECISION, LLM_BASELINE, SLM_BASELINE
from swap_assets.domain.report.report import Report

_EVIDENCE = [
    LLM_BASELINE, SLM_BASELINE, FINE_TUNE_DECISION, *experiment_in_force().evaluation_assets(),
]  # fmt: skip


@dg.asset(partitions_def=SCALES, deps=_EVIDENCE, kinds={"html"})
def comparison_report(context: dg.AssetExecutionContext, lab: Lab) -> dg.MaterializeResult[Report]:
    """Every candidate of the scale beside the LLM: the verdict, criteria, tables, decisions, what is missing."""
    scale = scale_of(context)
    adopt_reported(context.instance, lab)
    report = lab.report(scale)
    folder = lab.write_report(report)
    lab.track_report(report, folder)
    return metadata.report_result(report, folder, lab.report_plots(report))


@dg.asset(partitions_def=SCALES, deps=[comparison_report, *_EVIDENCE], kinds={"python"})
def scale_up_decision(context: dg.AssetExecutionContext, lab: Lab) -> dg.MaterializeResult[Decision]:
    """Whether to go on to the next scale, and who: a clear winner alone, else all that reach their share of the LLM."""
    scale = scale_of(context)
    evidence = lab.evidence(scale)
    decision = scale_up(
        evidence.contenders(),
        evidence.llm,
        lab.experiment.gates,
        scale=scale,
        next_scale=lab.experiment.next_scale(scale),
    )
    best = min(decision.contrasts, key=lambda item: item.delta_points, default=None)
    if decision.action == "iterate" and best:
        decision = decision.model_copy(update={"suggestions": suggest(lab.experiment, best.candidate_id)})
    return metadata.decision_result(decision.model_copy(update={"decided_at": lab.now()}))
