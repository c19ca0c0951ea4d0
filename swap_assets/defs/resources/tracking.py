"""Where results are told beside Dagster: MLflow runs, Langfuse traces, and the alerts' webhook."""

from pathlib import Path

import dagster as dg

from swap_assets.backends.processes.spec_building import tracking_of
from swap_assets.backends.tracking import tracing
from swap_assets.backends.tracking.alerts import post_alert
from swap_assets.backends.tracking.evaluations import track_evaluation, track_report
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.report.report import Report
from swap_assets.domain.scoring.evaluation import Evaluation


def send_trace(trace: tracing.Trace) -> None:
    """Send a trace to Langfuse where its keys are set; what goes wrong is a warning in the run's log."""
    if problem := tracing.send(trace):
        dg.get_dagster_logger().warning(problem)


class ResultTracking(dg.ConfigurableResource):
    """Keeps what was measured and decided where people compare it."""

    store: dg.ResourceDependency[ExperimentStore]

    def evaluation(self, evaluation: Evaluation, *, partition: str) -> str:
        """Write an evaluation to MLflow and Langfuse; return MLflow's run id, "" where nothing was evaluated."""
        if evaluation.status != "evaluated":
            return ""
        run = self._run(f"evaluate {evaluation.candidate.id}", "evaluation")
        run_id = track_evaluation(run, evaluation, partition=partition)
        name = self.store.experiment.name
        send_trace(tracing.evaluation_trace(evaluation, experiment=name, partition=partition, run_id=run_id))
        return run_id

    def decided(self, decision: Decision) -> Decision:
        """Return a decision with the time at which it is made; Langfuse is told of it."""
        made = decision.model_copy(update={"decided_at": self.store.now()})
        send_trace(tracing.decision_trace(made, experiment=self.store.experiment.name, partition=made.partition))
        return made

    def report(self, report: Report, folder: Path) -> str:
        """Put a report's files into MLflow and return the run's id."""
        return track_report(self._run(f"report {report.scale}", "report"), report, folder)

    def alert(self, text: str) -> str:
        """Post an alert where a webhook is set, and return what became of it."""
        return post_alert(text)

    def _run(self, name: str, kind: str):
        return tracking_of(self.store.experiment, self.store.folder, name, kind=kind)
