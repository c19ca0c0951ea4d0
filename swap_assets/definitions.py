"""The one list of what Dagster sees: assets by group, jobs, sensors, schedules, resources, the executor.

Loading this module imports neither torch nor transformers nor mlflow; a test holds it.
"""

import sys
from collections.abc import Sequence

import dagster as dg

from swap_assets.defs import approaches, baselines, dataset, lost_runs, monitoring, refusals, release
from swap_assets.defs.gates import decision_assets, jobs, release_approval, sensors
from swap_assets.defs.resources.processes import HostedLlm, ModelProcesses
from swap_assets.defs.resources.store import ArtefactIOManager, ConversationSource, ExperimentStore
from swap_assets.defs.resources.tracking import ResultTracking

OWNERS = ["team:swap-assets"]
GROUPS: dict[str, Sequence[dg.AssetsDefinition]] = {
    "dataset": (dataset.conversations, dataset.dataset_profile, dataset.dataset_split, *dataset.TRACKS),
    "test_splits": dataset.TEST_SPLIT_ASSETS,
    "baselines": (
        baselines.llm_interface, baselines.llm_baseline, baselines.slm_baseline, baselines.fine_tune_decision,
    ),
    "training": approaches.ADAPTERS,
    "evaluation": approaches.EVALUATIONS,
    "comparison": (release.comparison_report, *decision_assets()),
    "release": (
        release.sealed_llm_evaluation, release.release_decision,
        release.merged_model, release.published_model,
    ),
    "monitoring": (monitoring.repeated_llm_evaluation, monitoring.drift_check),
}  # fmt: skip


def resources_of(store: ExperimentStore) -> dict[str, object]:
    """Return everything that assets may use, over one experiment's folder."""
    return {
        "store": store,
        "source": ConversationSource(store=store),
        "hosted": HostedLlm(store=store),
        "processes": ModelProcesses(store=store),
        "tracking": ResultTracking(store=store),
        "io_manager": ArtefactIOManager(store=store),
    }


defs = dg.Definitions(
    assets=[
        *(
            asset.map_asset_specs(lambda spec, group=group: spec.replace_attributes(group_name=group, owners=OWNERS))
            for group, assets in GROUPS.items()
            for asset in assets
        ),
        release_approval.replace_attributes(group_name="release", owners=OWNERS),
    ],
    jobs=[*jobs().values(), monitoring.DRIFT_JOB],
    schedules=monitoring.SCHEDULES,
    sensors=[*sensors(), monitoring.failed_run_alert, lost_runs.lost_runs],
    resources=resources_of(ExperimentStore()),
    # A step is a shell around a process of its own, so it need not be one: the fork server starts it in 0.7 s.
    executor=lost_runs.executor.configured(
        {"max_concurrent": 4, "start_method": {"forkserver": {"preload_modules": ["swap_assets.definitions"]}}}
    ),
)

# Dagster's command loads this module; it would end a wrong partition with its stack, and make all for no asset at all.
sys.excepthook = refusals.in_a_sentence(defs)
refusals.refuse_an_empty_selection(sys.argv[1:], defs)
