"""The two partitions definitions, and which partition a step works on; the keys' text is `domain.keys`."""

import dagster as dg

from swap_assets.defs.resources.store import experiment_in_force
from swap_assets.domain.keys import model_and_scale

SCALES = dg.StaticPartitionsDefinition(list(experiment_in_force().scales))
MODELS_AND_SCALES = dg.MultiPartitionsDefinition(
    {"model": dg.StaticPartitionsDefinition(list(experiment_in_force().models)), "scale": SCALES}
)


def model_and_scale_of(context: dg.AssetExecutionContext) -> tuple[str, str]:
    """Return model and scale of a step that is partitioned by both."""
    return model_and_scale(context.partition_key)
