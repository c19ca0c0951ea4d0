"""What of an evaluation and of a report goes to MLflow: metrics, hashes and candidate; the report's files."""

from pathlib import Path

from swap_assets.backends.models.provenance import git_commit
from swap_assets.backends.processes.specs import Tracking
from swap_assets.backends.tracking.mlflow_runs import tracked_run
from swap_assets.domain.report.report import Report
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult


def track_evaluation(tracking: Tracking, evaluation: Evaluation, *, partition: str) -> str:
    """Write an evaluation as a finished run and return its id; an empty text where nothing was evaluated.

    Metric names are `TRACK.METRIC` for every candidate, so that MLflow's compare view lines them up.
    """
    if evaluation.status != "evaluated":
        return ""
    tags = {
        "candidate_id": evaluation.candidate.id,
        "partition": partition,
        "dataset_hash": evaluation.dataset_hash,
        "artefact_hash": evaluation.artefact_hash,
        "prompt_hash": "-".join(result.prompt_hash for result in evaluation.results.values()),
        "git_commit": git_commit(),
    }
    params = {
        f"{track.value}.answer format": result.summary.answer_format.name
        for track, result in evaluation.results.items()
    }
    with tracked_run(tracking, params={**evaluation.candidate.model_dump(mode="json"), **params}, tags=tags) as run:
        for track, result in evaluation.results.items():
            run.metrics({f"{track.value}.{name}": value for name, value in _numbers(result).items()})
    return run.id


def track_report(tracking: Tracking, report: Report, folder: Path) -> str:
    """Put a report's files into a finished run of their own and return its id; earlier reports are not among them."""
    tags = {"scale": report.scale, "evidence": report.evidence(), "verdict": report.verdict.kind}
    tags |= {"best_candidate": report.best_id, "git_commit": git_commit()}
    with tracked_run(tracking, params={"verdict": report.verdict.sentence}, tags=tags) as run:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                run.artifact(path)
        for name in ("csv", "model_cards"):
            if (folder / name).is_dir():
                run.artifact(folder / name, folder=name)
    return run.id


def _numbers(result: TrackResult) -> dict[str, float | None]:
    totals = result.totals
    return {
        **{name: metric.value for name, metric in result.summary.metrics.items()},
        "cases": result.summary.cases,
        "unscored": result.summary.unscored,
        "prompt_tokens": totals.prompt_tokens,
        "completion_tokens": totals.completion_tokens,
        "cost": totals.cost,
        "latency_p50_s": totals.latency_p50_s,
        "latency_p95_s": totals.latency_p95_s,
        "latency_p99_s": totals.latency_p99_s,
        "first_token_p50_s": totals.first_token_p50_s,
        "first_token_p95_s": totals.first_token_p95_s,
    }
