"""The named jobs, from the first rows of a scale to the release."""

from swap_assets.domain.gates.gate import Job
from swap_assets.domain.keys import (
    BASELINE_ASSETS,
    COMPARISON_REPORT,
    FINE_TUNE_DECISION,
    MERGED_MODEL,
    SCALE_UP_DECISION,
    SEALED_ASSETS,
    SLM_BASELINE,
)

BASELINE = Job("baseline", "A scale's splits, tracks and test rows, and the hosted LLM's answers.", BASELINE_ASSETS)
MODEL_BASELINE = Job(
    "model_baseline",
    "The untouched model's answers, and whether it needs training.",
    (SLM_BASELINE, FINE_TUNE_DECISION),
)
TRAIN = Job(
    "train_and_evaluate",
    "The adapters that the decisions let through, and their evaluations.",
    groups=("training", "evaluation"),
)
REPORT = Job("report", "A scale's report, and whether to go on to the next.", (COMPARISON_REPORT, SCALE_UP_DECISION))
SEALED_TEST = Job(
    "sealed_test",
    "The sealed rows, asked once, and the decision to release.",
    SEALED_ASSETS,
)
RELEASE = Job(
    "release", "The merged model of a release that passed and, where asked for, was approved.", (MERGED_MODEL,)
)
