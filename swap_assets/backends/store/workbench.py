"""From the experiment file to pieces of work: which weights, which files, which spec, in which folder.

STORAGE/work/trainings/CANDIDATE/ADAPTER/   spec.json, result.json, checkpoints/, adapter/
STORAGE/work/answers/CANDIDATE/TRACK/       spec.json, cases.parquet, predictions.jsonl
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from swap_assets.backends.datasets.lengths import token_lengths
from swap_assets.backends.models import miniatures
from swap_assets.backends.processes.specs import GenerateSpec, MergeSpec, Tracking, TrainSpec, Weights
from swap_assets.backends.store.artefacts import ArtefactStore, write_text
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.backends.store.row_files import write_rows
from swap_assets.backends.tracking.mlflow_runs import tracking_uri
from swap_assets.domain.conversations import Conversation, EvalCase
from swap_assets.domain.experiment.approaches import Approach
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import HubSource
from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.keys import STRUCTURED_TRACK, TOOLCALL_TRACK, Candidate, Decoding, Form
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.profile.profile import LengthProfile
from swap_assets.domain.tracks import TrackData

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
RECORDS_FILE = "predictions.jsonl"
TRACK_ASSETS = {Track.STRUCTURED: STRUCTURED_TRACK, Track.TOOLCALL: TOOLCALL_TRACK}


class Workbench:
    """One experiment on this machine."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.store = ArtefactStore(storage_root(experiment))
        given = os.environ.get(TRACKING_VARIABLE)
        self._tracking_uri = tracking_uri(given) if given else f"sqlite:///{self.store.root / 'mlflow.db'}"

    def tracking(self, run_name: str, *, kind: str) -> Tracking:
        """Return the MLflow run to open: in MLFLOW_TRACKING_URI, else in SQLite in the experiment's folder."""
        self.store.root.mkdir(parents=True, exist_ok=True)
        return Tracking(uri=self._tracking_uri, experiment=self.experiment.name, run_name=run_name, tags={"kind": kind})

    def weights(self, model: str) -> Weights:
        """Return where a small model's base weights come from."""
        entry = self.experiment.small_model(model)
        source = str(miniatures.path(entry.miniature)) if entry.miniature else entry.hub_id
        return Weights(
            source=source or str(Path(entry.path).expanduser().resolve()),
            revision=entry.revision if entry.hub_id else "",
            trust_remote_code=entry.trust_remote_code,
            dtype=entry.dtype,
        )

    def training(
        self,
        candidate: Candidate,
        adapter: str,
        approach: Approach,
    ) -> tuple[TrainSpec, Path]:
        """Return the spec of one adapter's training, on the rows that its track's asset has stored, with its folder."""
        entry, source = self.experiment.small_model(candidate.model), self.experiment.source
        folder, answer_format = self.store.work("trainings", candidate.id, adapter), approach.adapters[adapter]
        spec = TrainSpec(
            candidate_id=candidate.id,
            partition=candidate.partition,
            weights=self.weights(candidate.model),
            datasets=(source.dataset,) if isinstance(source, HubSource) else (),
            data_file=self.store.path(TRACK_ASSETS[answer_format.track], candidate.scale, TrackData),
            answer_format=answer_format,
            prompt_style=entry.prompt_style,
            method=approach.method,
            lora=approach.lora,
            training=approach.training,
            seed=self.experiment.seed,
            threads=self.experiment.threads,
            processes=entry.gpus,
            output=folder / "adapter",
            tracking=self.tracking(f"train {candidate.id} {adapter}", kind="training"),
        )
        return spec, folder

    def generation(
        self,
        candidate: Candidate,
        answer_format: AnswerFormat,
        cases: Sequence[EvalCase],
        *,
        adapter: Path | None = None,
        purpose: str = "answers",
    ) -> tuple[GenerateSpec, Path]:
        """Write the cases and return the spec of a local candidate's answers with its folder.

        `adapter` is the folder to answer with beside the base; a merged candidate's is a model by itself.
        """
        entry = self.experiment.small_model(candidate.model)
        weights, engine = self.weights(candidate.model), entry.engine
        if candidate.form is Form.MERGED:
            engine = engine.for_merged()
            weights, adapter = weights.model_copy(update={"source": str(adapter), "revision": ""}), None
        folder = self.store.work(purpose, candidate.id, answer_format.name)
        spec = GenerateSpec(
            candidate_id=candidate.id,
            partition=candidate.partition,
            weights=weights,
            adapter=adapter,
            cases_files=(write_rows(folder / "cases.parquet", cases, EvalCase),),
            answer_format=answer_format,
            prompt_style=entry.prompt_style,
            token_budget=entry.generation_tokens,
            max_new_tokens=entry.max_answer_tokens,
            constrained=candidate.decoding is Decoding.CONSTRAINED,
            engine=engine,
            gpu_hour=self.experiment.prices.gpu_hour,
            seed=self.experiment.seed,
            threads=self.experiment.threads,
            reuse=self.answers_at_other_scales(candidate, answer_format, purpose=purpose),
            output=folder / RECORDS_FILE,
        )
        return spec, folder

    def answers_at_other_scales(
        self, candidate: Candidate, answer_format: AnswerFormat, *, purpose: str
    ) -> tuple[Path, ...]:
        """Return where the same model's records of other scales lie; a tuned candidate is another one at each scale."""
        if candidate.form is not Form.BASE:
            return ()
        others = [candidate.model_copy(update={"scale": scale}) for scale in self.experiment.scales]
        return tuple(
            self.store.work(purpose, other.id, answer_format.name) / RECORDS_FILE
            for other in others
            if other.id != candidate.id
        )

    def merge(
        self, candidate: Candidate, adapter: str, *, folder: Path, cases: Sequence[EvalCase]
    ) -> tuple[MergeSpec, Path]:
        """Return the spec that merges an adapter's folder into the base, with its own folder."""
        merged = candidate.model_copy(update={"form": Form.MERGED})
        work = self.store.work("merged", candidate.id, adapter)
        spec = MergeSpec(
            candidate_id=merged.id,
            partition=candidate.partition,
            weights=self.weights(candidate.model),
            adapter=folder,
            cases_files=(write_rows(work / "cases.parquet", cases, EvalCase),),
            max_new_tokens=self.experiment.small_model(candidate.model).max_answer_tokens,
            threads=self.experiment.threads,
            output=work / "unproven",
        )
        return spec, work

    def token_lengths(self, conversations: Sequence[Conversation]) -> list[LengthProfile]:
        """Measure rows in tokens of each model whose tokenizer is a local folder or in the hub's cache."""
        found = []
        for key, entry in self.experiment.models.items():
            if tokenizer := self._tokenizer_file(key):
                limit = self.experiment.longest_row(key)
                found.append(token_lengths(tokenizer, conversations, name=key, style=entry.prompt_style, limit=limit))
        return found

    def _tokenizer_file(self, model: str) -> Path | None:
        weights = self.weights(model)
        local = Path(weights.source) / "tokenizer.json"
        if local.is_file():
            return local
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(weights.source, "tokenizer.json", revision=weights.revision or None)
        return Path(cached) if isinstance(cached, str) else None

    def baseline_format(self, track: Track) -> AnswerFormat:
        """Return the answer format in which untrained candidates answer a track."""
        answer_formats = self.experiment.baseline_formats
        return answer_formats.toolcall if track is Track.TOOLCALL else answer_formats.structured


def write_lines(path: Path, values: Iterable[BaseModel]) -> Path:
    """Write one JSON value a line, atomically, and return the path."""
    write_text(path, "".join(value.model_dump_json() + "\n" for value in values))
    return path


def read_predictions(path: Path) -> list[PredictionRecord]:
    """Read prediction records back, one a line."""
    # Not splitlines(): it also breaks at U+2028, which JSON strings may hold.
    return [
        PredictionRecord.model_validate_json(line)
        for line in path.read_text(encoding="utf-8").split("\n")
        if line.strip()
    ]
