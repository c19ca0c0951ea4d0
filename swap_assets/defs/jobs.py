"""The named jobs: what one gate may ask for at once. One run takes assets of one partitions definition only."""

import dagster as dg

from swap_assets.domain.automation.progress import BASELINE, MODEL_BASELINE, RELEASE, REPORT, SEALED_TEST, TRAIN
from swap_assets.domain.keys import BASELINE_ASSETS


def _job(name: str, *assets: str, groups: tuple[str, ...] = (), description: str):
    selection = dg.AssetSelection.assets(*assets)
    for group in groups:
        selection = selection | dg.AssetSelection.groups(group)
    return dg.define_asset_job(name, selection=selection, description=description)


JOBS = {
    BASELINE: _job(
        BASELINE, *BASELINE_ASSETS, description="A scale's splits, tracks and test rows, and the hosted LLM's answers.",
    ),
    MODEL_BASELINE: _job(
        MODEL_BASELINE, "slm_baseline", "fine_tune_decision",
        description="The untouched model's answers, and whether it needs training.",
    ),
    TRAIN: _job(
        TRAIN, groups=("training", "evaluation"),
        description="The adapters that the decisions let through, and their evaluations.",
    ),
    REPORT: _job(
        REPORT, "comparison_report", "scale_up_decision",
        description="A scale's report, and whether to go on to the next.",
    ),
    SEALED_TEST: _job(
        SEALED_TEST, "release_decision",
        description="The sealed rows, asked once, and the decision to release.",
    ),
    RELEASE: _job(
        RELEASE, "merged_model",
        description="The merged model of a release that passed and, where asked for, was approved.",
    ),
}  # fmt: skip
