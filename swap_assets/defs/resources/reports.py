"""A scale's report, built from whatever is in the experiment's folder, and the hub, where models go with it."""

from pathlib import Path

import dagster as dg

from swap_assets.backends.hub.publishing import PublishError, publish_merged
from swap_assets.backends.report.build import build_scale_report, report_folder
from swap_assets.backends.report.files import write_report
from swap_assets.backends.report.plots import draw_plots
from swap_assets.defs.resources.store import ExperimentStore, explained
from swap_assets.domain.experiment.sources import Notices
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.merged_model import MergedModel, PublishedModel
from swap_assets.domain.report.report import Report


class Reports(dg.ConfigurableResource):
    """The reports of the experiment in force."""

    store: dg.ResourceDependency[ExperimentStore]

    def build(self, scale: str) -> Report:
        """Build a scale's report from what is there now."""
        store = self.store
        there = store.exists("source_notices", None, Notices)
        kept = store.read("source_notices", None, Notices) if there else Notices()
        return build_scale_report(
            store.experiment,
            store.folder,
            scale,
            notices=[line for line in (store.experiment.notice, kept.warning) if line],
            source=kept.source,
            test_cases=lambda name: store.cases(store.test_files(name)),
            now=store.now(),
        )

    def write(self, report: Report) -> Path:
        """Write a report's files and return their folder."""
        return write_report(report, report_folder(self.store.folder, report.scale))

    def plots(self, report: Report) -> dict[str, str]:
        """Return a report's plots as SVG images by name."""
        return {name: plot.light for name, plot in draw_plots(report).items()}


class Hub(dg.ConfigurableResource):
    """Publishes where the experiment file says so."""

    store: dg.ResourceDependency[ExperimentStore]
    reports: dg.ResourceDependency[Reports]

    def publish(self, model: MergedModel, decision: Decision) -> PublishedModel:
        """Put a merged model with its card on the hub; the result says why where nothing is published."""
        with explained(PublishError):
            report = self.reports.build(decision.scale)
            return publish_merged(model, decision, self.store.experiment.publish, report=report)
