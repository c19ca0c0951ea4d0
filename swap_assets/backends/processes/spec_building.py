"""From the experiment to specs: which weights, which files, in which folder; a function for each kind of work.

    STORAGE/work/trainings/CANDIDATE/ADAPTER/   spec.json, result.json, checkpoints/, adapter/
    STORAGE/work/PURPOSE/CANDIDATE/FORMAT/      spec.json, predictions.jsonl; the purpose is mostly `answers`
    STORAGE/work/merged/CANDIDATE/ADAPTER/      spec.json, result.json, the merged model

Each returns a spec and its folder. What a spec holds lives in `specs`, and how it is run in `supervision`.
"""

import contextlib
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from swap_assets.backends.models.provenance import adapter_card, miniature_folder
from swap_assets.backends.processes.specs import GenerateSpec, MergeSpec, Tracking, TrainSpec, Weights
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.experiment_file import pasteable
from swap_assets.backends.store.whole import private_folder
from swap_assets.backends.tracking.mlflow_runs import TrackingError, without_password
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import hub_datasets
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.keys import DATASET_SPLIT, Candidate, Decoding, Form, adapter_asset
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.tracks import TrackData
from swap_assets.domain.weights import Artefact

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
RECORDS_FILE = "predictions.jsonl"


def tracking_uri(given: str) -> str:
    """Return a store's address without a name and password, which would end up in spec files and logs.

    Those of a server go where MLflow looks for them, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of this
    process and of those that it starts. TrackingError where the address of a database holds a password, for which there
    is no such place.
    """
    parts = urlsplit(given)
    if parts.scheme in ("http", "https") and parts.username:
        os.environ.setdefault("MLFLOW_TRACKING_USERNAME", unquote(parts.username))
        os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", unquote(parts.password or ""))
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if parts.password:
        raise TrackingError(
            f"MLFLOW_TRACKING_URI holds a password ({without_password(given)}), which would be written into spec "
            "files; give it to the database another way (PGPASSFILE, ~/.my.cnf), or use an MLflow server"
        )
    return given


def tracking_of(experiment: Experiment, store: ArtefactStore, run_name: str, *, kind: str) -> Tracking:
    """Return the MLflow run to open: in MLFLOW_TRACKING_URI, else in SQLite in the experiment's folder."""
    private_folder(store.root)
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
    folder, training = store.work("trainings", candidate.id, adapter), approach.training
    if not training.max_length:
        length = store.read(DATASET_SPLIT, candidate.scale, DatasetSplit).chosen_length
        training = training.model_copy(update={"max_length": length})
    spec = TrainSpec(
        candidate_id=candidate.id, partition=candidate.partition, weights=base_weights(experiment, candidate.model),
        datasets=hub_datasets(experiment.all_sources), data_file=store.path(track, candidate.scale, TrackData),
        answer_format=approach.adapters[adapter], prompt_style=entry.prompt_style, system=experiment.prompt.system,
        method=approach.method, lora=approach.lora, training=training, seed=experiment.seed,
        threads=experiment.threads, processes=entry.gpus,
        output=folder / "adapter",
        tracking=tracking_of(experiment, store, f"train {candidate.id} {adapter}", kind="training"),
    )  # fmt: skip
    return spec, folder


def generation_spec(
    experiment: Experiment, store: ArtefactStore, candidate: Candidate, artefact: Artefact,
    cases_files: tuple[Path, ...], *, purpose: str = "answers",
) -> tuple[GenerateSpec, Path]:  # fmt: skip
    """Return the spec of a local candidate's answers to stored cases; a merged candidate's artefact is a whole one."""
    entry, weights = experiment.small_model(candidate.model), base_weights(experiment, candidate.model)
    answer_format, adapter = artefact.answer_format, artefact.path
    if candidate.form is Form.MERGED:
        weights, adapter = weights.model_copy(update={"source": str(adapter), "revision": ""}), None
    elif adapter:
        _require_intact(experiment, candidate, artefact)
    folder = store.work(purpose, candidate.id, answer_format.name)
    # The untouched base says the same at every scale; a tuned candidate is another one at each.
    scales = [scale for scale in experiment.scales if scale != candidate.scale and candidate.form is Form.BASE]
    others = [candidate.model_copy(update={"scale": scale}).id for scale in scales]
    spec = GenerateSpec(
        candidate_id=candidate.id, partition=candidate.partition, weights=weights, adapter=adapter,
        cases_files=cases_files, answer_format=answer_format, prompt_style=entry.prompt_style,
        system=experiment.prompt.system,
        token_budget=entry.generation_tokens, max_new_tokens=entry.max_answer_tokens,
        constrained=candidate.decoding is Decoding.CONSTRAINED,
        thinking=entry.thinking.budget if entry.thinking and candidate.form is Form.BASE else 0,
        ends_early=entry.ends_early == "all" or (entry.ends_early == "base" and candidate.form is Form.BASE),
        engine=entry.engine.for_merged() if candidate.form is Form.MERGED else entry.engine,
        gpu_hour=experiment.prices.gpu_hour, seed=experiment.seed, threads=experiment.threads,
        reuse=tuple(store.work(purpose, other, answer_format.name) / RECORDS_FILE for other in others),
        output=folder / RECORDS_FILE,
    )  # fmt: skip
    return spec, folder


def merge_spec(
    experiment: Experiment, store: ArtefactStore, candidate: Candidate, adapter: Artefact, cases_files: tuple[Path, ...]
) -> tuple[MergeSpec, Path]:
    """Return the spec that merges an adapter's folder into the base."""
    assert adapter.path is not None
    _require_intact(experiment, candidate, adapter)
    work = store.work("merged", candidate.id, adapter.name)
    spec = MergeSpec(
        candidate_id=candidate.model_copy(update={"form": Form.MERGED}).id, partition=candidate.partition,
        weights=base_weights(experiment, candidate.model), adapter=adapter.path, cases_files=cases_files,
        max_new_tokens=experiment.small_model(candidate.model).max_answer_tokens,
        threads=experiment.threads, output=work / "unproven",
    )  # fmt: skip
    return spec, work


def _require_intact(experiment: Experiment, candidate: Candidate, adapter: Artefact) -> None:
    """Refuse an adapter that is not what was saved; one without a card was made by hand, or is not there."""
    asset = adapter_asset(candidate.recipe, adapter.name, experiment.approaches[candidate.recipe].adapters)
    with contextlib.suppress(FileNotFoundError):
        adapter_card(
            Path(str(adapter.path)), again=f"train it again: {pasteable(materialize(asset, candidate.partition))}"
        )
