"""What assets may use of the outside world: the one room of `defs` (beside `pipes`) that imports backends."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import dagster as dg

from swap_assets.backends.datasets.loading import SourceError, load_source
from swap_assets.backends.datasets.plots import profile_svg
from swap_assets.backends.hosted.baseline import hosted_answers
from swap_assets.backends.hub import publishing
from swap_assets.backends.models import preflight
from swap_assets.backends.processes.specs import MergeResult, WorkerResult
from swap_assets.backends.processes.transient import is_transient
from swap_assets.backends.report.build import build_scale_report, report_folder
from swap_assets.backends.report.files import write_report
from swap_assets.backends.report.plots import draw_plots
from swap_assets.backends.serving.merged_folders import AdapterFolder, MergedFolders
from swap_assets.backends.store.artefacts import ArtefactStore, write_text
from swap_assets.backends.store.evidence import Evidence, read_state
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.backends.store.workbench import Workbench, read_predictions
from swap_assets.backends.tracking import tracing
from swap_assets.backends.tracking.alerts import post_alert
from swap_assets.backends.tracking.evaluations import track_evaluation, track_report
from swap_assets.domain.conversations import Conversation, EvalCase, Quarantined
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.notices import Notices
from swap_assets.domain.experiment.sources import HubSource, LoadedSource, SyntheticSource
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.gates.release import release_refusal
from swap_assets.domain.gates.scale_up import scale_refusal
from swap_assets.domain.judging.decisions import Decision, Override
from swap_assets.domain.keys import TEST_SPLITS, Candidate
from swap_assets.domain.lora_adapter import LoraAdapter
from swap_assets.domain.merged_model import MergedModel, PublishedModel
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.profile.profile import DatasetProfile, profile_source
from swap_assets.domain.report.report import Report
from swap_assets.domain.scoring.evaluation import Evaluation, union_of_cases
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.splits.leakage_index import build_index
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.state import State
from swap_assets.domain.synthetic.generator import GeneratorSettings, fill_settings, generate

Done = WorkerResult
MergeDone = MergeResult
MergeRoom = MergedFolders
RETRIES, RETRY_AFTER_S = 3, 30
# The tag of a run that a sensor asked for; it holds the sensor's name.
REQUESTED_BY = "swap/requested_by"
# Enough generated rows for any test split; they are made lazily, at thousands a second.
FILL_ROWS = 2000


def experiment_in_force() -> Experiment:
    """Return the experiment that SWAP_CONFIG names, or swap.yaml of the current folder."""
    return load_experiment()


def send_trace(trace: tracing.Trace) -> None:
    """Send a trace to Langfuse where its keys are set; what goes wrong is a warning in the run's log."""
    if problem := tracing.send(trace):
        dg.get_dagster_logger().warning(problem)


class Lab(dg.ConfigurableResource):
    """The experiment in force, its folder, and the work that can be done in it."""

    @property
    def experiment(self) -> Experiment:
        """The experiment file, typed."""
        return self.bench.experiment

    @cached_property
    def bench(self) -> Workbench:
        """From the experiment to pieces of work."""
        return Workbench(experiment_in_force())

    @property
    def store(self) -> ArtefactStore:
        """The experiment's folder."""
        return self.bench.store

    def now(self) -> str:
        """Return the time in UTC, to the second."""
        return datetime.now(UTC).isoformat(timespec="seconds")

    def load_source(self) -> LoadedSource:
        """Read the experiment's conversations."""
        with self.explained(SourceError):
            return load_source(self.experiment.source)

    def profile(self, kept: Sequence[Conversation], refused: Sequence[Quarantined]) -> DatasetProfile:
        """Measure the data set, with lengths in tokens for every model whose tokenizer lies on this machine."""
        loaded = LoadedSource(conversations=tuple(kept), quarantined=tuple(refused), rows_in=len(kept) + len(refused))
        return profile_source(loaded, lengths=self.bench.token_lengths(kept))

    def keep_leakage_index(self, split: DatasetSplit, rows: Sequence[Conversation]) -> Path:
        """Keep the fingerprints of all held-out rows, against which later data is checked before anybody trains."""
        held_out = {*split.test, *split.reserve, *split.release}
        path = self.store.work("leakage_index") / f"{split.scale}.json"
        write_text(path, build_index(row for row in rows if row.id in held_out).model_dump_json())
        return path

    def plot(self, profile: DatasetProfile) -> str:
        """Draw a profile as SVG and keep it in the experiment's folder."""
        image = profile_svg(profile)
        write_text(self.store.work("profile") / "profile.svg", image)
        return image

    def test_cases(self, scale: str) -> list[EvalCase]:
        """Return every test case of a scale once, with the labels of all the splits it serves."""
        return union_of_cases(*(self.store.read(name, scale, list[EvalCase]) for name in TEST_SPLITS))

    def validation_cases(self, scale: str) -> list[EvalCase]:
        """Return the cases of a scale's validation conversations."""
        return self._cases(self.store.read("dataset_split", scale, DatasetSplit).validation)

    def sealed_cases(self, scale: str) -> list[EvalCase]:
        """Return the cases of the sealed release test; release_decision alone calls this."""
        return self._cases(self.store.read("dataset_split", scale, DatasetSplit).release)

    def _cases(self, ids: Sequence[str]) -> list[EvalCase]:
        rows = {row.id: row for row in self.store.read("hermes_conversations", None, list[Conversation])}
        return [case for name in ids for case in eval_cases(rows[name])]

    def test_fill(self) -> Iterator[Conversation]:
        """Generate synthetic test-pool rows, for what held-out rows leave short."""
        source = self.experiment.source
        settings = source.generator if isinstance(source, SyntheticSource | HubSource) else GeneratorSettings()
        return generate(fill_settings(settings, rows=FILL_ROWS, seed=self.experiment.seed))

    def keep_notices(self, loaded: LoadedSource) -> None:
        """Keep what the source warned of, for the first lines of every report."""
        self.store.write("source_notices", None, Notices.of(loaded), kind=Notices)

    def require_hosted(self) -> None:
        """Refuse to start when the hosted model can't be asked."""
        with self.explained(preflight.PreflightError):
            preflight.require_hosted(self.experiment.hosted_model)

    def require_model(self, key: str) -> None:
        """Refuse to start when a small model's weights can't be had."""
        with self.explained(preflight.PreflightError):
            preflight.require_model(key, self.experiment)

    def require_release(self, decision: Decision, override: Override | None) -> None:
        """Refuse to merge what the gate, or the person who is asked, does not let through, unless it is overridden."""
        if refusal := release_refusal(decision, override, self.state()):
            raise dg.Failure(description=refusal, allow_retries=False)

    def require_admitted(self, context: dg.AssetExecutionContext, scale: str) -> None:
        """Refuse to start a further scale for a sensor unless the scale before lets something through; people may."""
        if REQUESTED_BY in context.run.tags and (refusal := scale_refusal(self.state(), scale)):
            raise dg.Failure(description=refusal, allow_retries=False)

    def alert(self, text: str) -> str:
        """Post an alert where a webhook is set, and return what became of it."""
        return post_alert(text)

    def hosted_answers(
        self,
        candidate: Candidate,
        cases: Sequence[EvalCase],
        interfaces: Mapping[Track, Interface],
        *,
        purpose: str = "answers",
        epoch: str = "first",
        log: Callable[[str], None],
    ) -> dict[Track, list[PredictionRecord]]:
        """Ask the hosted model every case in each track, through the track's interface."""
        with self.explained(RuntimeError):
            return hosted_answers(self.bench, candidate, cases, interfaces, purpose=purpose, epoch=epoch, say=log)

    def read_predictions(self, path: Path) -> list[PredictionRecord]:
        """Read what a model process answered."""
        return read_predictions(path)

    def track_evaluation(self, evaluation: Evaluation, *, partition: str) -> str:
        """Write an evaluation to MLflow and Langfuse and return MLflow's run id; nothing where none was evaluated."""
        run_id = track_evaluation(self.bench, evaluation, partition=partition)
        if evaluation.status == "evaluated":
            name = self.experiment.name
            send_trace(tracing.evaluation_trace(evaluation, experiment=name, partition=partition, run_id=run_id))
        return run_id

    def trace_decision(self, decision: Decision, *, partition: str) -> None:
        """Tell Langfuse, where its keys are set, what was decided."""
        send_trace(tracing.decision_trace(decision, experiment=self.experiment.name, partition=partition))

    def state(self) -> State:
        """Return what the experiment's folder says of what has been measured, decided and approved."""
        return read_state(self.experiment, self.store)

    def evidence(self, scale: str) -> Evidence:
        """Return the evaluations of a scale in full, each read when it is asked for."""
        return Evidence(self.experiment, self.store, scale)

    def adapters_of(self, candidate: Candidate) -> list[AdapterFolder]:
        """Return a candidate's trained adapters; none where it is the untouched base."""
        key = candidate.partition
        found = [
            self.store.read(asset, key, LoraAdapter)
            for asset in self.experiment.adapter_assets(candidate.recipe)
            if self.store.exists(asset, key, LoraAdapter)
        ]
        return [
            AdapterFolder(item.name, item.answer_format, Path(item.folder))
            for item in found
            if item.candidate_id == candidate.trained.id and item.status == "trained"
        ]

    def merged_folders(self, decision: Decision, before: Evaluation) -> MergedFolders:
        """Return where the candidate that a decision names is merged; none of them where it is the untouched base.

        Raises:
            dagster.Failure: `before`, its adapters' evaluation, is not what the merged model can be compared with.
        """
        chosen = before.candidate
        folders = MergedFolders(self.bench, chosen, self.adapters_of(chosen), self.test_cases(chosen.scale))
        if folders.work and (refusal := folders.refusal(decision, before)):
            raise dg.Failure(description=refusal, allow_retries=False)
        return folders

    def publish(self, model: MergedModel, decision: Decision) -> PublishedModel:
        """Put a merged model with its card on the hub, where the experiment says so."""
        with self.explained(publishing.PublishError):
            report = self.report(decision.scale)
            return publishing.publish_merged(model, decision, self.experiment.publish, report=report)

    def report(self, scale: str) -> Report:
        """Build a scale's report from what is there now."""
        there = self.store.exists("source_notices", None, Notices)
        kept = self.store.read("source_notices", None, Notices) if there else Notices()
        notices = [line for line in (self.experiment.notice, kept.warning) if line]
        return build_scale_report(
            self.bench, scale, notices=notices, source=kept.source, test_cases=self.test_cases, now=self.now()
        )

    @contextlib.contextmanager
    def explained(self, *kinds: type[Exception]) -> Iterator[None]:
        """Show an expected problem as one sentence instead of a traceback."""
        try:
            yield
        except kinds as error:
            raise dg.Failure(description=str(error), allow_retries=is_transient(error)) from None

    def write_report(self, report: Report) -> Path:
        """Write the report's files and return their folder."""
        return write_report(report, report_folder(self.bench, report.scale))

    def report_plots(self, report: Report) -> dict[str, str]:
        """Return the report's plots as SVG images by name."""
        return {name: plot.light for name, plot in draw_plots(report).items()}

    def track_report(self, report: Report, folder: Path) -> str:
        """Put the report's files into MLflow and return the run's id."""
        return track_report(self.bench, report, folder)

    @contextlib.contextmanager
    def recording_failure(self, context: dg.AssetExecutionContext) -> Iterator[None]:
        """Keep why a step failed, for the report; what passes by itself is first tried after 30, 60, 120 seconds."""
        try:
            yield
        except Exception as error:
            passing = error.allow_retries if isinstance(error, dg.Failure) else is_transient(error)
            if passing and context.retry_number < RETRIES:
                raise dg.RetryRequested(RETRIES, RETRY_AFTER_S * 2**context.retry_number) from error
            why = error.description if isinstance(error, dg.Failure) else str(error)
            partition = context.partition_key if context.has_partition_key else None
            first_line = (why or type(error).__name__).splitlines()[0]
            asset = min(context.selected_asset_keys).path[-1]  # a step that makes several is named by one of them
            self.store.record_failure(asset, partition, first_line)
            raise
