"""The one list of what Dagster sees: assets by group, jobs, sensors, schedules, resources, the executor.

Loading this module imports neither torch nor transformers nor mlflow; a test holds it.
"""

from types import ModuleType

import dagster as dg

from swap_assets.defs import (
    approval,
    baselines,
    comparison,
    dataset,
    drift,
    evaluation,
    merged_model,
    published_model,
    release,
    test_splits,
    training,
)
from swap_assets.defs.alerts import failed_run_alert
from swap_assets.defs.gates import jobs, sensors
from swap_assets.defs.pipes import WorkerClient
from swap_assets.defs.resources import Lab
from swap_assets.defs.schedules import DRIFT_JOB, SCHEDULES
from swap_assets.defs.storage import ArtefactIOManager

OWNERS = ["team:swap-assets"]
GROUPS: dict[str, tuple[ModuleType, ...]] = {
    "dataset": (dataset,),
    "test_splits": (test_splits,),
    "baselines": (baselines,),
    "training": (training,),
    "evaluation": (evaluation,),
    "comparison": (comparison,),
    "release": (release, merged_model, published_model),
    "monitoring": (drift,),
}


def _grouped(group: str, modules: tuple[ModuleType, ...]) -> list[dg.AssetsDefinition]:
    loaded = dg.load_assets_from_modules(modules, group_name=group)
    return [
        item.map_asset_specs(lambda spec: spec.replace_attributes(owners=OWNERS))
        for item in loaded
        if isinstance(item, dg.AssetsDefinition)
    ]


_lab = Lab()
defs = dg.Definitions(
    assets=[
        *[asset for group, modules in GROUPS.items() for asset in _grouped(group, modules)],
        approval.release_approval.replace_attributes(group_name="release", owners=OWNERS),
    ],
    jobs=[*jobs().values(), DRIFT_JOB],
    schedules=SCHEDULES,
    sensors=[*sensors(), failed_run_alert],
    resources={"lab": _lab, "worker": WorkerClient(), "io_manager": ArtefactIOManager(lab=_lab)},
    # A step is a shell around a process of its own, so it need not be one: the fork server starts it in 0.7 s.
    executor=dg.multiprocess_executor.configured(
        {"max_concurrent": 4, "start_method": {"forkserver": {"preload_modules": ["swap_assets.definitions"]}}}
    ),
)
