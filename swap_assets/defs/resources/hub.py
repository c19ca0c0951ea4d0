"""The Hugging Face hub: where released models go with their cards."""

import dagster as dg

from swap_assets.backends.hub.publishing import PublishError, publish_merged
from swap_assets.defs.resources.failures import explained
from swap_assets.defs.resources.reports import Reports
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.merged_model import MergedModel, PublishedModel


class Hub(dg.ConfigurableResource):
    """Publishes where the experiment file says so."""

    store: dg.ResourceDependency[ExperimentStore]
    reports: dg.ResourceDependency[Reports]

    def publish(self, model: MergedModel, decision: Decision) -> PublishedModel:
        """Put a merged model with its card on the hub; the result says why where nothing is published."""
        with explained(PublishError):
            report = self.reports.build(decision.scale)
            return publish_merged(model, decision, self.store.experiment.publish, report=report)
