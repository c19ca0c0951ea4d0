"""Who answers and trains: the hosted LLM, asked within its pace and budget, and the local models.

Work that loads a model goes on in a process of its own, under Dagster Pipes, from a spec that can be re-run by hand.
Dagster's own subprocess client reports only "code 1"; this one keeps the end of the child's stderr for the error.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dagster as dg

from swap_assets.backends.engines.hosted import hosted_answers
from swap_assets.backends.engines.records import read_rows
from swap_assets.backends.models.preflight import PreflightError, require_hosted, require_model
from swap_assets.backends.processes.spec_building import generation_spec, training_spec
from swap_assets.backends.processes.specs import GenerateResult, MergeResult, Spec, TrainResult, TrainSpec, WorkerResult
from swap_assets.backends.processes.supervision import WorkerError, run_workers
from swap_assets.backends.serving.merging import MergedFolders
from swap_assets.backends.tracking.tracing import training_trace
from swap_assets.defs.resources.store import ExperimentStore, explained
from swap_assets.defs.resources.tracking import send_trace
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.keys import Candidate, hosted
from swap_assets.domain.model import content_hash
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.weights import Artefact

# One pool for everything that loads a model; its slots are set on the instance (dagster.yaml: one).
MODEL_PROCESS_POOL = "model_process"
# Everything that asks the hosted LLM; its slots are set on the instance (dagster.yaml).
HOSTED_POOL = "hosted_llm"


class HostedLlm(dg.ConfigurableResource):
    """The experiment's hosted model."""

    store: dg.ResourceDependency[ExperimentStore]

    def candidate(self, scale: str) -> Candidate:
        """Return its candidate at a scale."""
        return hosted(self.store.experiment.hosted_model.key, scale)

    def answers(
        self,
        candidate: Candidate,
        cases: Sequence[EvalCase],
        interfaces: Mapping[Track, Interface],
        *,
        purpose: str,
        epoch: str,
        log: Callable[[str], None],
    ) -> dict[Track, list[PredictionRecord]]:
        """Ask every case in each track, through the track's interface; what cannot be asked is refused before."""
        with explained(PreflightError, RuntimeError):
            require_hosted(self.store.experiment.hosted_model)
            return hosted_answers(
                self.store.experiment, self.store.folder, candidate, cases, interfaces,
                purpose=purpose, epoch=epoch, say=log,
            )  # fmt: skip


class ModelProcesses(dg.ConfigurableResource):
    """Runs specs in a process of its own.

    Progress lines reach the run's log over Pipes; the child's stdout and stderr go to the step's own, where Dagster
    shows them. An asset that uses it returns a `MaterializeResult`, as every asset with a Pipes session must.
    """

    store: dg.ResourceDependency[ExperimentStore]

    def train(
        self, context: dg.AssetExecutionContext, candidate: Candidate, adapter: str, *, track: str
    ) -> tuple[TrainResult, Path]:
        """Train one adapter of a candidate on a stored track; return the result and where its spec lies."""
        self._require(candidate)
        spec, folder = training_spec(self.store.experiment, self.store.folder, candidate, adapter, track)
        (result,) = self.run_all(context, [(spec, folder)])
        assert isinstance(result, TrainResult)
        return result, folder / "spec.json"

    def answers(
        self,
        context: dg.AssetExecutionContext,
        candidate: Candidate,
        artefacts: Sequence[Artefact],
        cases_files: tuple[Path, ...],
        *,
        purpose: str,
    ) -> tuple[dict[Track, list[PredictionRecord]], str]:
        """Let each artefact answer every case of some files, all in one process.

        Returns:
            The records of each track, and the name of the exact weights that answered.
        """
        self._require(candidate)
        experiment, folder = self.store.experiment, self.store.folder
        work: list[tuple[Spec, Path]] = [
            generation_spec(
                experiment, folder, candidate, item.answer_format, cases_files, adapter=item.path, purpose=purpose
            )
            for item in artefacts
        ]
        done = [item for item in self.run_all(context, work) if isinstance(item, GenerateResult)]
        records = {
            item.answer_format.track: read_rows(answered.output, PredictionRecord)
            for item, answered in zip(artefacts, done, strict=True)
        }
        return records, content_hash([answered.artefact_hash for answered in done])

    def merge(
        self,
        context: dg.AssetExecutionContext,
        candidate: Candidate,
        artefacts: Sequence[Artefact],
        cases_files: tuple[Path, ...],
    ) -> MergedFolders:
        """Merge a candidate's adapters into their base, checked on the first of some cases; return where they lie."""
        folders = MergedFolders(self.store.experiment, self.store.folder, candidate, artefacts, cases_files)
        if folders.work:
            done = self.run_all(context, folders.work)
            folders.results = [item for item in done if isinstance(item, MergeResult)]
        return folders

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

    def _require(self, candidate: Candidate) -> None:
        """Refuse to start when a small model's weights can't be had."""
        with explained(PreflightError):
            require_model(candidate.model, self.store.experiment)


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
