"""The comparison of all candidates of a scale; whether to go on to the next one is a gate (`domain.gates.scale_up`).

It reads the experiment's folder instead of asset inputs: a candidate that is absent, skipped or failed is named, and
Dagster's fan-in input would raise for the first missing partition.
"""

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.approval import adopt_reported
from swap_assets.defs.partitions import SCALES
from swap_assets.defs.resources.reports import Reports
from swap_assets.defs.resources.store import ExperimentStore, experiment_in_force
from swap_assets.defs.resources.tracking import ResultTracking
from swap_assets.domain.keys import FINE_TUNE_DECISION, LLM_BASELINE, SLM_BASELINE
from swap_assets.domain.report.report import Report

EVIDENCE = (LLM_BASELINE, SLM_BASELINE, FINE_TUNE_DECISION, *experiment_in_force().evaluation_assets())


@dg.asset(partitions_def=SCALES, deps=EVIDENCE, kinds={"html"})
def comparison_report(
    context: dg.AssetExecutionContext, store: ExperimentStore, reports: Reports, tracking: ResultTracking
) -> dg.MaterializeResult[Report]:
    """Every candidate of the scale beside the LLM: the verdict, criteria, tables, decisions, what is missing."""
    adopt_reported(context.instance, store)
    report = reports.build(context.partition_key)
    folder = reports.write(report)
    tracking.report(report, folder)
    return metadata.report_result(report, folder, reports.plots(report))
