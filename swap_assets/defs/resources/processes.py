"""Who answers and trains: the hosted LLM, asked within its pace and budget, and the local models; answers are scored.

Work that loads a model goes on in a process of its own, under Dagster Pipes, from a spec that can be re-run by hand.
Dagster's own subprocess client reports only "code 1"; this one keeps the end of the child's stderr for the error.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from swap_assets.backends.engines.generation import read_rows
from swap_assets.backends.engines.hosted import hosted_answers
from swap_assets.backends.models.preflight import PreflightError, require_hosted, require_model
from swap_assets.backends.processes.spec_building import generation_spec, training_spec
from swap_assets.backends.processes.specs import GenerateResult, MergeResult, Spec, TrainResult, TrainSpec, WorkerResult
from swap_assets.backends.processes.supervision import WorkerError, run_workers
from swap_assets.backends.serving.merging import MergedFolders
from swap_assets.backends.tracking.tracing import training_trace
from swap_assets.defs.resources.store import ExperimentStore, explained
from swap_assets.defs.resources.tracking import send_trace
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.judging.contrasts import DECIDING_TRACK
from swap_assets.domain.keys import Candidate, hosted
from swap_assets.domain.model import EvalCase, content_hash
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult, hash_of_cases, measure
from swap_assets.domain.weights import Artefact

# Everything that asks the hosted LLM; its slots are set on the instance (dagster.yaml).
HOSTED_POOL = "hosted_llm"


class HostedLlm(dg.ConfigurableResource):
    """The experiment's hosted model."""

    store: dg.ResourceDependency[ExperimentStore]

    def candidate(self, scale: str) -> Candidate:
        """Return its candidate at a scale."""
        return hosted(self.store.experiment.hosted_model.key, scale)

    def results(
        self, context: dg.AssetExecutionContext, cases: Sequence[EvalCase], interfaces: Mapping[Track, Interface],
        *, candidate: Candidate, purpose: str, epoch: str,
    ) -> dict[Track, TrackResult]:  # fmt: skip
        """Ask every case in each track, through its interface, and score it; what cannot be asked is refused before."""
        experiment, folder = self.store.experiment, self.store.folder
        with self.store.recording_failure(context), explained(PreflightError, RuntimeError):
            require_hosted(experiment.hosted_model)
            told = {"purpose": purpose, "epoch": epoch, "say": context.log.info}
            records = hosted_answers(experiment, folder, candidate, cases, interfaces, **told)
        return {
            track: measure(candidate, answers[0].answer_format, cases=cases, records=answers)
            for track, answers in records.items()
        }

    def as_before(
        self, context: dg.AssetExecutionContext, cases: Sequence[EvalCase], *, llm: Evaluation, purpose: str, epoch: str
    ) -> Evaluation:
        """Ask cases in the deciding track, through the interface of an earlier evaluation."""
        interfaces = {DECIDING_TRACK: llm.results[DECIDING_TRACK].served.interface}
        results = self.results(context, cases, interfaces, candidate=llm.candidate, purpose=purpose, epoch=epoch)
        return Evaluation(candidate=llm.candidate, results=results, dataset_hash=hash_of_cases(cases))


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

    def evaluation(
        self, context: dg.AssetExecutionContext, candidate: Candidate, artefacts: Sequence[Artefact],
        files: tuple[Path, ...], *, purpose: str = "answers",
    ) -> Evaluation:  # fmt: skip
        """Let each artefact answer every stored case in its track, all in one process, and score what it said."""
        experiment, folder = self.store.experiment, self.store.folder
        with self.store.recording_failure(context):
            self._require(candidate)
            work: list[tuple[Spec, Path]] = [
                generation_spec(experiment, folder, candidate, artefact, files, purpose=purpose)
                for artefact in artefacts
            ]
            done = [item for item in self.run_all(context, work) if isinstance(item, GenerateResult)]
            cases, results = self.store.cases(files), {}
            for (_, form, _), answered in zip(artefacts, done, strict=True):
                records = read_rows(answered.output, PredictionRecord)
                results[form.track] = measure(candidate, form, cases=cases, records=records)
        weights = content_hash([answered.artefact_hash for answered in done])  # names the exact ones that answered
        return Evaluation(
            candidate=candidate, results=results, dataset_hash=hash_of_cases(cases), artefact_hash=weights
        )

    def merge(
        self, context: dg.AssetExecutionContext, candidate: Candidate, artefacts: Sequence[Artefact],
        files: tuple[Path, ...],
    ) -> MergedFolders:  # fmt: skip
        """Merge a candidate's adapters into their base, checked on the first of some cases; return where they lie."""
        folders = MergedFolders(self.store.experiment, self.store.folder, candidate, artefacts, files)
        if folders.work:
            done = self.run_all(context, folders.work)
            folders.results = [item for item in done if isinstance(item, MergeResult)]
        return folders

    def run_all(self, context: dg.AssetExecutionContext, work: Sequence[tuple[Spec, Path]]) -> list[WorkerResult]:
        """Run specs to their ends in one process; the child is stopped when the step is interrupted.

        Trainings are traced, the failed ones too. A dagster.Failure says that it failed, with the last lines of its
        stderr.
        """
        with dg.open_pipes_session(
            context=context,
            context_injector=dg.PipesTempFileContextInjector(),
            message_reader=dg.PipesTempFileMessageReader(),
        ) as session:
            try:
                results = run_workers(work, env=session.get_bootstrap_env_vars())
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


def _trace_trainings(work: Sequence[tuple[Spec, Path]], results: Sequence[WorkerResult]) -> None:
    for at, (spec, _) in enumerate(work):
        if isinstance(spec, TrainSpec):
            result = results[at] if results else None
            assert result is None or isinstance(result, TrainResult)
            failed = "" if result else "the training failed; the run's log says why"
            experiment = spec.tracking.experiment if spec.tracking else ""
            send_trace(training_trace(spec, result, experiment=experiment, failed=failed))
