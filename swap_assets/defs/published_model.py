"""The merged model on the hub, where the experiment file asks for it.

Not here: how it gets there (`backends.hub.publishing`).
"""

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.approval import adopt_reported
from swap_assets.defs.guards import require_release
from swap_assets.defs.partitions import MODELS_AND_SCALES
from swap_assets.defs.resources.hub import Hub
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.merged_model import MergedModel, PublishedModel


@dg.asset(partitions_def=MODELS_AND_SCALES, kinds={"huggingface"})
def published_model(
    context: dg.AssetExecutionContext,
    store: ExperimentStore,
    hub: Hub,
    merged_model: MergedModel,
    release_decision: Decision,
) -> dg.MaterializeResult[PublishedModel]:
    """The merged model with its card on the Hugging Face hub; skipped where the experiment publishes nothing."""
    adopt_reported(context.instance, store)
    if not merged_model.override:
        require_release(store, release_decision, None)
    with store.recording_failure(context):
        published = hub.publish(merged_model, release_decision)
    return metadata.published_result(published)
