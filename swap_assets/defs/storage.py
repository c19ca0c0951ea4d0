"""The IO manager: an asset's value goes to the experiment's folder by name and partition, as JSON or Parquet."""

from typing import Any

import dagster as dg

from swap_assets.defs.resources import Lab
from swap_assets.domain.judging.decisions import Decision


class ArtefactIOManager(dg.ConfigurableIOManager):
    """Hands values between assets through `backends.artefacts`; the type comes from the asset's annotations."""

    lab: dg.ResourceDependency[Lab]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write what an asset returned; a decision counts as made, and is traced, when it is written."""
        path = self.lab.store.write(
            context.asset_key.path[-1], _partition(context), obj, kind=context.dagster_type.typing_type
        )
        context.add_output_metadata({"path": dg.MetadataValue.path(str(path))})
        if isinstance(obj, Decision):
            self.lab.trace_decision(obj, partition=_partition(context) or "")

    def load_input(self, context: dg.InputContext) -> Any:
        """Read what an upstream asset returned, of the same partition or of the scale it belongs to."""
        return self.lab.store.read(context.asset_key.path[-1], _partition(context), context.dagster_type.typing_type)


def _partition(context: dg.OutputContext | dg.InputContext) -> str | None:
    return context.asset_partition_key if context.has_asset_partitions else None
