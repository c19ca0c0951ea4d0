"""The IO manager: an asset's value goes to the experiment's folder by name and partition, as JSON or Parquet."""

from typing import Any

import dagster as dg

from swap_assets.defs.resources.store import ExperimentStore


class ArtefactIOManager(dg.ConfigurableIOManager):
    """Hands values between assets through the store; the type comes from the asset's annotations."""

    store: dg.ResourceDependency[ExperimentStore]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write what an asset returned."""
        kind = context.dagster_type.typing_type
        path = self.store.write(context.asset_key.path[-1], _partition(context), obj, kind=kind)
        context.add_output_metadata({"path": dg.MetadataValue.path(str(path))})

    def load_input(self, context: dg.InputContext) -> Any:
        """Read what an upstream asset returned, of the same partition or of the scale it belongs to."""
        return self.store.read(context.asset_key.path[-1], _partition(context), context.dagster_type.typing_type)


def _partition(context: dg.OutputContext | dg.InputContext) -> str | None:
    return context.asset_partition_key if context.has_asset_partitions else None
