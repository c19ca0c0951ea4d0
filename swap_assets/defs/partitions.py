"""The two partitions definitions, and the only place where partition keys are read.

A multi-partition key is written `MODEL|SCALE`: Dagster orders its dimensions by name.
"""

import dagster as dg

from swap_assets.defs.resources import experiment_in_force

MODEL_DIMENSION = "model"
SCALE_DIMENSION = "scale"

SCALES = dg.StaticPartitionsDefinition(list(experiment_in_force().scales))
MODELS_AND_SCALES = dg.MultiPartitionsDefinition(
    {
        MODEL_DIMENSION: dg.StaticPartitionsDefinition(list(experiment_in_force().models)),
        SCALE_DIMENSION: SCALES,
    }
)


def scale_of(context: dg.AssetExecutionContext) -> str:
    """Return the scale of a step that is partitioned by scale alone."""
    return context.partition_key


def model_and_scale_of(context: dg.AssetExecutionContext) -> tuple[str, str]:
    """Return model and scale of a step that is partitioned by both."""
    key = context.partition_key
    assert isinstance(key, dg.MultiPartitionKey)
    return key.keys_by_dimension[MODEL_DIMENSION], key.keys_by_dimension[SCALE_DIMENSION]


def key_of(model: str, scale: str) -> str:
    """Return the partition key of a model at a scale."""
    return str(dg.MultiPartitionKey({MODEL_DIMENSION: model, SCALE_DIMENSION: scale}))
