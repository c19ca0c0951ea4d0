"""Where results are told beside Dagster: MLflow, Langfuse, the alerts' webhook, reports as files, and the hub."""

from pathlib import Path

import dagster as dg

from swap_assets.backends.hub.publishing import PublishError, publish_merged
from swap_assets.backends.processes.spec_building import tracking_of
from swap_assets.backends.report.archive import write_report
from swap_assets.backends.report.build import build_scale_report, report_folder
from swap_assets.backends.report.plots import draw_plots
from swap_assets.backends.tracking import tracing
from swap_assets.backends.tracking.mlflow_runs import track_evaluation, track_report
from swap_assets.backends.tracking.tracing import post_alert
from swap_assets.defs.resources.store import ExperimentStore, explained
from swap_assets.domain.experiment.sources import Notices
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.weights import MergedModel, PublishedModel


def send_trace(trace: tracing.Trace) -> None:
    """Send a trace to Langfuse where its keys are set; what goes wrong is a warning in the run's log."""
    if problem := tracing.send(trace):
        dg.get_dagster_logger().warning(problem)


class ResultTracking(dg.ConfigurableResource):
    """Keeps what was measured and decided where people compare it, and publishes where the experiment file says so."""

    store: dg.ResourceDependency[ExperimentStore]

    def evaluation(self, evaluation: Evaluation, *, partition: str) -> str:
        """Write an evaluation to MLflow and Langfuse; return MLflow's run id, "" where nothing was evaluated."""
        if evaluation.status != "evaluated":
            return ""
        run = self._run(f"evaluate {evaluation.candidate.id}", "evaluation")
        with explained():
            run_id = track_evaluation(run, evaluation, partition=partition)
        name = self.store.experiment.name
        send_trace(tracing.evaluation_trace(evaluation, experiment=name, partition=partition, run_id=run_id))
        return run_id

    def decided(self, decision: Decision) -> Decision:
        """Return a decision with the time at which it is made; Langfuse is told of it."""
        made = decision.model_copy(update={"decided_at": self.store.now()})
        send_trace(tracing.decision_trace(made, experiment=self.store.experiment.name, partition=made.partition))
        return made

    def alert(self, text: str) -> str:
        """Post an alert where a webhook is set, and return what became of it."""
        return post_alert(text)

    def report(self, scale: str) -> tuple[Report, Path]:
        """Build a scale's report, write its files, put them into MLflow, and return it with their folder."""
        report = self.build(scale)
        with explained():
            folder = write_report(report, report_folder(self.store.folder, scale))
            track_report(self._run(f"report {scale}", "report"), report, folder)
        return report, folder

    def plots(self, report: Report) -> dict[str, str]:
        """Return a report's plots as SVG images by name."""
        return {name: plot.light for name, plot in draw_plots(report).items()}

    def publish(self, model: MergedModel, decision: Decision) -> PublishedModel:
        """Put a merged model with its card on the hub; the result says why where nothing is published."""
        with explained(PublishError):
            return publish_merged(model, decision, self.store.experiment.publish, report=self.build(decision.scale))

    def build(self, scale: str) -> Report:
        """Build a scale's report from what is there now."""
        store = self.store
        kept = store.find("source_notices", None, Notices) or Notices()
        return build_scale_report(
            store.experiment, store.folder, scale,
            notices=[line for line in (store.experiment.notice, kept.warning) if line], source=kept.source,
            test_cases=lambda name: store.cases(store.test_files(name)), now=store.now(),
        )  # fmt: skip

    def _run(self, name: str, kind: str):
        return tracking_of(self.store.experiment, self.store.folder, name, kind=kind)
