"""The merged model on the hub, where the experiment file asks for it.

Not here: how it gets there (`backends.publishing`).
"""

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.approval import adopt_reported
from swap_assets.defs.partitions import MODELS_AND_SCALES
from swap_assets.defs.resources import Lab
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.merged_model import MergedModel, PublishedModel


@dg.asset(partitions_def=MODELS_AND_SCALES, kinds={"huggingface"})
def published_model(
    context: dg.AssetExecutionContext, lab: Lab, merged_model: MergedModel, release_decision: Decision
) -> dg.MaterializeResult[PublishedModel]:
    """The merged model with its card on the Hugging Face hub; skipped where the experiment publishes nothing."""
    adopt_reported(context.instance, lab)
    if not merged_model.override:
        lab.require_release(release_decision, None)
    with lab.recording_failure(context):
        published = lab.publish(merged_model, release_decision)
    return metadata.published_result(published)
