"""A check has a result for each partition, so that the UI does not show whichever model and scale came last."""

import dagster as dg

from swap_assets.definitions import defs
from swap_assets.defs import checks
from swap_assets.defs.resources.store import MODELS_AND_SCALES

NAME = "as_good_as_it_gets"


@dg.asset(
    partitions_def=MODELS_AND_SCALES, check_specs=[checks.check_spec(NAME, "measured", description="the first alone")]
)
def measured(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    passed = context.partition_key == "little|tiny"
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name=NAME, passed=passed)])


def test_each_partition_keeps_its_own_result():
    key = dg.AssetCheckKey(dg.AssetKey("measured"), NAME)
    with dg.DagsterInstance.ephemeral() as instance:
        for partition in ("little|tiny", "little-r4|tiny"):
            dg.materialize([measured], instance=instance, partition_key=partition)
        found = instance.event_log_storage.get_asset_check_partition_info([key])
    assert {str(one.partition_key): one.latest_execution_status.value for one in found} == {
        "little|tiny": "SUCCEEDED", "little-r4|tiny": "FAILED",
    }  # fmt: skip


def test_every_check_of_a_partitioned_asset_carries_its_partitions():
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        assert graph.get_check_spec(key).partitions_def == graph.get(key.asset_key).partitions_def, key
