"""From the experiment to specs: which weights, which files, in which folder; a function for each kind of work.

    STORAGE/work/trainings/CANDIDATE/ADAPTER/   spec.json, result.json, checkpoints/, adapter/
    STORAGE/work/PURPOSE/CANDIDATE/FORMAT/      spec.json, predictions.jsonl; the purpose is mostly `answers`
    STORAGE/work/merged/CANDIDATE/ADAPTER/      spec.json, result.json, the merged model

Each returns a spec and its folder. What a spec holds lives in `specs`, and how it is run in `supervision`.
"""

import os
from pathlib import Path

from swap_assets.backends.models.model_files import miniature_folder
from swap_assets.backends.processes.specs import GenerateSpec, MergeSpec, Tracking, TrainSpec, Weights
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.tracking.mlflow_runs import tracking_uri
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import hub_datasets
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.keys import Candidate, Decoding, Form
from swap_assets.domain.tracks import TrackData

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
RECORDS_FILE = "predictions.jsonl"


def tracking_of(experiment: Experiment, store: ArtefactStore, run_name: str, *, kind: str) -> Tracking:
    """Return the MLflow run to open: in MLFLOW_TRACKING_URI, else in SQLite in the experiment's folder."""
    store.root.mkdir(parents=True, exist_ok=True)
    given = os.environ.get(TRACKING_VARIABLE)
    uri = tracking_uri(given) if given else f"sqlite:///{store.root / 'mlflow.db'}"
    return Tracking(uri=uri, experiment=experiment.name, run_name=run_name, tags={"kind": kind})


def base_weights(experiment: Experiment, model: str) -> Weights:
    """Return where a small model's base weights come from."""
    entry = experiment.small_model(model)
    source = str(miniature_folder(entry.miniature)) if entry.miniature else entry.hub_id
    return Weights(
        source=source or str(Path(entry.path).expanduser().resolve()),
        revision=entry.revision if entry.hub_id else "",
        trust_remote_code=entry.trust_remote_code,
        dtype=entry.dtype,
    )


def training_spec(
    experiment: Experiment, store: ArtefactStore, candidate: Candidate, adapter: str, track: str
) -> tuple[TrainSpec, Path]:
    """Return the spec that trains one adapter of a candidate on a stored track."""
    entry = experiment.small_model(candidate.model)
    approach = experiment.approach_for(candidate.recipe, model=candidate.model, scale=candidate.scale)
    folder = store.work("trainings", candidate.id, adapter)
    spec = TrainSpec(
        candidate_id=candidate.id,
        partition=candidate.partition,
        weights=base_weights(experiment, candidate.model),
        datasets=hub_datasets(experiment.all_sources),
        data_file=store.path(track, candidate.scale, TrackData),
        answer_format=approach.adapters[adapter],
        prompt_style=entry.prompt_style,
        method=approach.method,
        lora=approach.lora,
        training=approach.training,
        seed=experiment.seed,
        threads=experiment.threads,
        processes=entry.gpus,
        output=folder / "adapter",
        tracking=tracking_of(experiment, store, f"train {candidate.id} {adapter}", kind="training"),
    )
    return spec, folder


def generation_spec(
    experiment: Experiment,
    store: ArtefactStore,
    candidate: Candidate,
    answer_format: AnswerFormat,
    cases_files: tuple[Path, ...],
    *,
    adapter: Path | None = None,
    purpose: str = "answers",
) -> tuple[GenerateSpec, Path]:
    """Return the spec of a local candidate's answers to stored cases.

    `adapter` is the folder to answer with beside the base; a merged candidate's is a model by itself.
    """
    entry, weights = experiment.small_model(candidate.model), base_weights(experiment, candidate.model)
    if candidate.form is Form.MERGED:
        weights, adapter = weights.model_copy(update={"source": str(adapter), "revision": ""}), None
    folder = store.work(purpose, candidate.id, answer_format.name)
    # The untouched base says the same at every scale; a tuned candidate is another one at each.
    scales = [scale for scale in experiment.scales if scale != candidate.scale and candidate.form is Form.BASE]
    others = [candidate.model_copy(update={"scale": scale}).id for scale in scales]
    spec = GenerateSpec(
        candidate_id=candidate.id,
        partition=candidate.partition,
        weights=weights,
        adapter=adapter,
        cases_files=cases_files,
        answer_format=answer_format,
        prompt_style=entry.prompt_style,
        token_budget=entry.generation_tokens,
        max_new_tokens=entry.max_answer_tokens,
        constrained=candidate.decoding is Decoding.CONSTRAINED,
        engine=entry.engine.for_merged() if candidate.form is Form.MERGED else entry.engine,
        gpu_hour=experiment.prices.gpu_hour,
        seed=experiment.seed,
        threads=experiment.threads,
        reuse=tuple(store.work(purpose, other, answer_format.name) / RECORDS_FILE for other in others),
        output=folder / RECORDS_FILE,
    )
    return spec, folder


def merge_spec(
    experiment: Experiment,
    store: ArtefactStore,
    candidate: Candidate,
    adapter: str,
    *,
    folder: Path,
    cases_files: tuple[Path, ...],
) -> tuple[MergeSpec, Path]:
    """Return the spec that merges an adapter's folder into the base."""
    work = store.work("merged", candidate.id, adapter)
    spec = MergeSpec(
        candidate_id=candidate.model_copy(update={"form": Form.MERGED}).id,
        partition=candidate.partition,
        weights=base_weights(experiment, candidate.model),
        adapter=folder,
        cases_files=cases_files,
        max_new_tokens=experiment.small_model(candidate.model).max_answer_tokens,
        threads=experiment.threads,
        output=work / "unproven",
    )
    return spec, work
