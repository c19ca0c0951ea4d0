"""The one list of what Dagster sees: assets by group, jobs, sensors, schedules, resources, the executor.

Loading this module imports neither torch nor transformers nor mlflow; a test holds it.
"""

from collections.abc import Iterable
from types import ModuleType

import dagster as dg

from swap_assets.defs import (
    approaches,
    approval,
    baselines,
    comparison,
    dataset,
    merged_model,
    monitoring,
    published_model,
    release,
    test_splits,
)
from swap_assets.defs.alerts import failed_run_alert
from swap_assets.defs.gates import decision_assets, jobs, sensors
from swap_assets.defs.resources.hosted import HostedLlm
from swap_assets.defs.resources.hub import Hub
from swap_assets.defs.resources.io_manager import ArtefactIOManager
from swap_assets.defs.resources.processes import ModelProcesses
from swap_assets.defs.resources.reports import Reports
from swap_assets.defs.resources.source import ConversationSource
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.defs.resources.tracking import ResultTracking
from swap_assets.defs.schedules import DRIFT_JOB, SCHEDULES

OWNERS = ["team:swap-assets"]
# A module stands for all assets in it.
GROUPS: dict[str, Iterable[ModuleType | dg.AssetsDefinition]] = {
    "dataset": (dataset,),
    "test_splits": (test_splits,),
    "baselines": (baselines,),
    "training": approaches.ADAPTERS,
    "evaluation": approaches.EVALUATIONS,
    "comparison": (comparison, *decision_assets()),
    "release": (release, merged_model, published_model),
    "monitoring": (monitoring,),
}


def _grouped(group: str, items: Iterable[ModuleType | dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    found = []
    for item in items:
        found += dg.load_assets_from_modules([item]) if isinstance(item, ModuleType) else [item]
    return [
        item.map_asset_specs(lambda spec: spec.replace_attributes(group_name=group, owners=OWNERS))
        for item in found
        if isinstance(item, dg.AssetsDefinition)
    ]


def resources_of(store: ExperimentStore) -> dict[str, object]:
    """Return everything that assets may use, over one experiment's folder."""
    reports = Reports(store=store)
    return {
        "store": store,
        "source": ConversationSource(store=store),
        "hosted": HostedLlm(store=store),
        "processes": ModelProcesses(store=store),
        "tracking": ResultTracking(store=store),
        "reports": reports,
        "hub": Hub(store=store, reports=reports),
        "io_manager": ArtefactIOManager(store=store),
    }


defs = dg.Definitions(
    assets=[
        *[asset for group, items in GROUPS.items() for asset in _grouped(group, items)],
        approval.release_approval.replace_attributes(group_name="release", owners=OWNERS),
    ],
    jobs=[*jobs().values(), DRIFT_JOB],
    schedules=SCHEDULES,
    sensors=[*sensors(), failed_run_alert],
    resources=resources_of(ExperimentStore()),
    # A step is a shell around a process of its own, so it need not be one: the fork server starts it in 0.7 s.
    executor=dg.multiprocess_executor.configured(
        {"max_concurrent": 4, "start_method": {"forkserver": {"preload_modules": ["swap_assets.definitions"]}}}
    ),
)
