"""The experiment in force, its partitions, its folder (what assets have left there) and its conversations' sources.

An expected problem becomes one sentence in the UI here. Not here: what follows from the values (`domain`).
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
from pydantic import BaseModel, Field

from swap_assets.backends.datasets.loading import SourceError, load_sources
from swap_assets.backends.datasets.views import profile_svg, token_lengths
from swap_assets.backends.engines.generation import RecordsError, read_cases
from swap_assets.backends.processes.spec_building import base_weights
from swap_assets.backends.processes.supervision import die_with, is_transient
from swap_assets.backends.store.artefacts import ArtefactMissingError, ArtefactStore, write_rows
from swap_assets.backends.store.evidence import ArtefactError, Evidence, evaluated_artefacts, read_state
from swap_assets.backends.store.experiment_file import enter_folder, load_experiment, pasteable, storage_root
from swap_assets.backends.store.whole import UnreadableError, full_disk, write_json, write_text
from swap_assets.defs.lost_runs import process_of
from swap_assets.domain.experiment.experiment import Experiment, ExperimentError
from swap_assets.domain.experiment.sources import LoadedSource
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.judging.contrasts import DECIDING_TRACK
from swap_assets.domain.keys import DATASET_SPLIT, HERMES_CONVERSATIONS, TEST_SPLITS
from swap_assets.domain.model import Conversation, EvalCase
from swap_assets.domain.profile import DatasetProfile, LengthProfile
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.state import State
from swap_assets.domain.tracks import estimated_tokens
from swap_assets.domain.weights import Artefact

Value = TypeVar("Value")
RETRIES, RETRY_AFTER_S = 3, 30


def experiment_in_force() -> Experiment:
    """Return the experiment that SWAP_CONFIG names, or swap.yaml of the current folder."""
    return load_experiment()


try:
    enter_folder()
    SCALES = dg.StaticPartitionsDefinition(list(experiment_in_force().scales))
except ExperimentError as unusable:
    if "dagster" not in Path(sys.argv[0]).parts[-2:] or sys.argv[1:2] == ["api"]:
        raise
    sys.exit(f"Error: {unusable}")  # Dagster's own commands would end with their stack
MODELS_AND_SCALES = dg.MultiPartitionsDefinition(
    {"model": dg.StaticPartitionsDefinition(list(experiment_in_force().models)), "scale": SCALES}
)


@contextlib.contextmanager
def explained(*kinds: type[Exception]) -> Iterator[None]:
    """Show an expected problem, or a full disk, as one sentence instead of a traceback."""
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        if not (full := full_disk(error, storage_root(experiment_in_force()))) and not isinstance(error, kinds):
            raise
        raise dg.Failure(description=full or str(error), allow_retries=not full and is_transient(error)) from None


class ExperimentStore(dg.ConfigurableResource):
    """The values of assets by name and partition key (None: unpartitioned), in the experiment's folder."""

    config: str = Field(default="", description="the experiment file; empty: SWAP_CONFIG, else ./swap.yaml")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Let a step end with its run: a killed run can stop nothing, and its steps would go on, and go on paying."""
        run = process_of(context.instance, context.run.run_id) if context.run and context.instance else None
        if run and run != os.getpid():
            die_with(run)

    @property
    def experiment(self) -> Experiment:
        """The experiment file, typed."""
        return load_experiment(Path(self.config)) if self.config else experiment_in_force()

    @property
    def folder(self) -> ArtefactStore:
        """The folder itself, for the other resources."""
        return ArtefactStore(storage_root(self.experiment))

    def now(self) -> str:
        """Return the time in UTC, to the second."""
        return datetime.now(UTC).isoformat(timespec="seconds")

    def find(self, asset: str, partition: str | None, kind: type[Value]) -> Value | None:
        """Read a value, None where it is not there."""
        with explained(UnreadableError):
            return self.folder.find(asset, partition, kind)

    def again(self, *assets: str, at: str) -> str:
        """Return the command that makes assets at a partition of this experiment."""
        return self.pasteable(materialize(",".join(assets), at))

    def pasteable(self, text: str) -> str:
        """Return a text whose commands name this experiment's file."""
        return pasteable(text, Path(self.config) if self.config else None)

    def read(self, asset: str, partition: str | None, kind: type[Value]) -> Value:
        """Read a value; one that is not there is refused with what to materialise."""
        with explained(ArtefactMissingError, UnreadableError):
            return self.folder.read(asset, partition, kind)

    def write(self, asset: str, partition: str | None, value: Any, *, kind: Any) -> Path:
        """Write a value and return where it lies."""
        with explained():
            return self.folder.write(asset, partition, value, kind=kind)

    def keep(self, subject: str, name: str, content: str | BaseModel) -> Path:
        """Keep what is no asset's value, such as a drawing, and return where it lies."""
        with explained():
            path = self.folder.work(subject) / name
            return write_text(path, content) if isinstance(content, str) else write_json(path, content)

    def state(self) -> State:
        """Return what the folder says of what has been measured, decided and approved; nothing is parsed for it."""
        with explained(UnreadableError):
            return read_state(self.experiment, self.folder)

    def evidence(self, scale: str) -> Evidence:
        """Return the evaluations of a scale in full, each read when it is asked for."""
        with explained(UnreadableError):
            return Evidence(self.experiment, self.folder, scale)

    def artefacts(self, evaluation: Evaluation, *, deciding: bool = False) -> list[Artefact]:
        """Return what made an evaluation, all of it or what is `deciding`; weights other than those are refused."""
        with explained(ArtefactError, UnreadableError):
            found = evaluated_artefacts(self.experiment, self.folder, evaluation)
        return [item for item in found if item.answer_format.track is DECIDING_TRACK or not deciding]

    def test_files(self, scale: str) -> tuple[Path, ...]:
        """Return the stored test splits of a scale; one that is not there is refused with what to materialise."""
        return tuple(self.folder.stored(name, scale, list[EvalCase]) for name in TEST_SPLITS)

    def sealed_files(self, scale: str) -> tuple[Path, ...]:
        """Return the stored cases of the sealed release test, () where the experiment keeps none.

        Only what decides on a release calls this.
        """
        split = self.read(DATASET_SPLIT, scale, DatasetSplit)
        path = self.folder.work("sealed_cases") / f"{split.content_hash}.parquet"
        if split.release and not path.exists():
            with explained():
                write_rows(path, self._cases_of(split.release), EvalCase)
        return (path,) if split.release else ()

    def cases(self, files: Sequence[Path]) -> list[EvalCase]:
        """Return the cases in stored files, each once, with the labels of all the splits it serves."""
        with explained(RecordsError):
            return read_cases(files) if files else []

    def validation_cases(self, scale: str) -> list[EvalCase]:
        """Return the cases of a scale's validation conversations."""
        return self._cases_of(self.read(DATASET_SPLIT, scale, DatasetSplit).validation)

    def _cases_of(self, ids: Sequence[str]) -> list[EvalCase]:
        rows = {row.id: row for row in self.read(HERMES_CONVERSATIONS, None, list[Conversation])}
        return [case for name in ids for case in eval_cases(rows[name])]

    @contextlib.contextmanager
    def recording_failure(self, context: dg.AssetExecutionContext) -> Iterator[None]:
        """Keep why a step failed, for the report; what passes by itself is first tried after 30, 60, 120 seconds."""
        try:
            with explained():
                yield
        except Exception as error:
            passes = error.allow_retries if isinstance(error, dg.Failure) else is_transient(error)
            why = error.description if isinstance(error, dg.Failure) else str(error)
            first_line = (why or type(error).__name__).splitlines()[0]
            asset = min(context.selected_asset_keys).path[-1]  # a step that makes several is named by one of them
            if passes and context.retry_number < RETRIES:
                later = RETRY_AFTER_S * 2**context.retry_number
                context.log.warning(f"{asset} tries again in {later:.0f} s: {first_line}")
                raise dg.RetryRequested(RETRIES, later) from error
            partition = context.partition_key if context.has_partition_key else None
            with contextlib.suppress(OSError):  # of a full disk, which may be why
                self.folder.record_failure(asset, partition, first_line)
            raise


class ArtefactIOManager(dg.ConfigurableIOManager):
    """Hands values between assets through the store; the type comes from the asset's annotations."""

    store: dg.ResourceDependency[ExperimentStore]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write what an asset returned."""
        kind = context.dagster_type.typing_type
        path = self.store.write(context.asset_key.path[-1], _partition(context), obj, kind=kind)
        context.add_output_metadata({"path": dg.MetadataValue.path(str(path))})

    def load_input(self, context: dg.InputContext) -> Any:
        """Read what an upstream asset returned, of the same partition or of the scale it belongs to."""
        return self.store.read(context.asset_key.path[-1], _partition(context), context.dagster_type.typing_type)


def _partition(context: dg.OutputContext | dg.InputContext) -> str | None:
    return context.asset_partition_key if context.has_asset_partitions else None


class ConversationSource(dg.ConfigurableResource):
    """The sources that the experiment file names."""

    store: dg.ResourceDependency[ExperimentStore]

    def load(self) -> LoadedSource:
        """Read the experiment's conversations."""
        with explained(SourceError):
            return load_sources(self.store.experiment.all_sources)

    def token_lengths(self, conversations: Sequence[Conversation]) -> list[LengthProfile]:
        """Measure rows in tokens of each model whose tokenizer is a local folder or in the hub's cache."""
        experiment, found = self.store.experiment, []
        experiment = experiment.with_length(experiment.length_for(map(estimated_tokens, conversations)))
        for key, entry in experiment.models.items():
            if tokenizer := self._tokenizer_file(key):
                limit = experiment.longest_row(key)
                found.append(token_lengths(tokenizer, conversations, name=key, style=entry.prompt_style, limit=limit))
        return found

    def draw(self, profile: DatasetProfile) -> str:
        """Draw a profile as SVG."""
        return profile_svg(profile)

    def _tokenizer_file(self, model: str) -> Path | None:
        weights = base_weights(self.store.experiment, model)
        local = Path(weights.source) / "tokenizer.json"
        if local.is_file():
            return local
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(weights.source, "tokenizer.json", revision=weights.revision or None)
        return Path(cached) if isinstance(cached, str) else None
