"""Running a model process under Dagster Pipes.

Dagster's own subprocess client reports only "code 1"; this one keeps the end of the child's stderr for the error.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from swap_assets.backends.processes.specs import Spec, TrainResult, TrainSpec, WorkerResult
from swap_assets.backends.processes.supervision import WorkerError, run_workers
from swap_assets.backends.tracking.tracing import training_trace
from swap_assets.defs.resources import send_trace

# One pool for everything that loads a model; its slots are set on the instance (dagster.yaml: one).
MODEL_PROCESS_POOL = "model_process"


class WorkerClient(dg.ConfigurableResource):
    """Runs a spec in a process of its own.

    Progress lines reach the run's log over Pipes; the child's stdout and stderr go to the step's own, where Dagster
    shows them. An asset that uses it returns a `MaterializeResult`, as every asset with a Pipes session must.
    """

    def run(self, context: dg.AssetExecutionContext, spec: Spec, *, workdir: Path) -> WorkerResult:
        """Run one spec; see `run_all`."""
        return self.run_all(context, [(spec, workdir)])[0]

    def run_all(self, context: dg.AssetExecutionContext, work: Sequence[tuple[Spec, Path]]) -> list[WorkerResult]:
        """Run specs to their ends in one process; the child is stopped when the step is interrupted.

        Trainings are traced, the failed ones too.

        Raises:
            dagster.Failure: the process failed; the description holds the last lines of its stderr.
        """
        with dg.open_pipes_session(
            context=context,
            context_injector=dg.PipesTempFileContextInjector(),
            message_reader=dg.PipesTempFileMessageReader(),
        ) as session:
            try:
                results = run_workers(work, env=session.get_bootstrap_env_vars(), on_line=_forward)
            except WorkerError as error:
                _trace_trainings(work, [])
                metadata = {"folders": dg.MetadataValue.text(", ".join(str(folder) for _, folder in work))}
                raise dg.Failure(description=str(error), metadata=metadata, allow_retries=error.lost) from None
        _trace_trainings(work, results)
        return results


def _forward(stream: str, line: str) -> None:
    print(line, file=sys.stdout if stream == "stdout" else sys.stderr, flush=True)


def _trace_trainings(work: Sequence[tuple[Spec, Path]], results: Sequence[WorkerResult]) -> None:
    for at, (spec, _) in enumerate(work):
        if isinstance(spec, TrainSpec):
            result = results[at] if results else None
            assert result is None or isinstance(result, TrainResult)
            failed = "" if result else "the training failed; the run's log says why"
            experiment = spec.tracking.experiment if spec.tracking else ""
            send_trace(training_trace(spec, result, experiment=experiment, failed=failed))
