"""What a candidate answered with when it was evaluated: its adapters, its merged models, or the untouched base.

Whoever lets a candidate answer again, releases, merges, serves or publishes it, gets its weights here, so that nobody
else ever answers under its id: an artefact that is missing, or is not the one that was evaluated, is refused.
"""

from pathlib import Path

from swap_assets.backends.engines.local import artefact_hash
from swap_assets.backends.processes.spec_building import generation_spec
from swap_assets.backends.store.artefacts import ArtefactMissingError, ArtefactStore
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.formats.base import Track
from swap_assets.domain.keys import MERGED_MODEL, Candidate, Form, adapter_asset
from swap_assets.domain.lora_adapter import Artefact, LoraAdapter
from swap_assets.domain.merged_model import MergedModel
from swap_assets.domain.model import content_hash
from swap_assets.domain.scoring.evaluation import Evaluation


class ArtefactError(RuntimeError):
    """A candidate's weights are not those that were evaluated; one sentence that says what to materialise."""


def evaluated_artefacts(experiment: Experiment, store: ArtefactStore, evaluation: Evaluation) -> list[Artefact]:
    """Return the artefacts that made an evaluation of a local candidate, one for each track.

    Raises:
        ArtefactError: nothing was evaluated, an artefact is missing or was skipped, or the weights have other bytes
            than those that answered.
    """
    candidate = evaluation.candidate
    if evaluation.status != "evaluated":
        raise ArtefactError(f"{candidate.id} was not evaluated, so nothing may answer as it: {evaluation.reason}")
    again = f"materialise {candidate.evaluation_asset} at '{candidate.partition}' again, and what was decided on it"
    try:
        found = _artefacts(experiment, store, candidate)
        if gone := [str(item.path) for item in found if item.path and not item.path.is_dir()]:
            raise FileNotFoundError(f"{gone[0]} is no folder; {again}")
        specs = [
            generation_spec(experiment, store, candidate, item.answer_format, (), adapter=item.path)[0]
            for item in found
        ]
        hashes = [artefact_hash(spec) for spec in specs]
    except (ArtefactMissingError, FileNotFoundError) as error:
        raise ArtefactError(f"the weights of {candidate.id} are not there: {error}") from None
    if content_hash(hashes) != evaluation.artefact_hash:
        raise ArtefactError(f"{candidate.evaluation_asset} was made with other weights than are there now; {again}")
    return found


def adapters_of(experiment: Experiment, store: ArtefactStore, candidate: Candidate) -> list[LoraAdapter]:
    """Return the records of a tuned candidate's adapters, in the order of its approach.

    Raises:
        ArtefactError: one was skipped, or is another candidate's. ArtefactMissingError: one was never trained.
    """
    adapters = experiment.approaches[candidate.recipe].adapters
    found = []
    for name in adapters:
        asset = adapter_asset(candidate.recipe, name, adapters)
        adapter = store.read(asset, candidate.partition, LoraAdapter)
        if adapter.status != "trained":
            raise ArtefactError(f"{asset} at '{candidate.partition}' was skipped: {adapter.reason}")
        if adapter.candidate_id != candidate.trained.id:
            raise ArtefactError(f"{asset} holds an adapter of {adapter.candidate_id}, not of {candidate.trained.id}")
        found.append(adapter)
    return found


def _artefacts(experiment: Experiment, store: ArtefactStore, candidate: Candidate) -> list[Artefact]:
    if candidate.form is Form.BASE:
        return [Artefact(track.value, experiment.baseline_formats.of(track), None) for track in Track]
    if candidate.form is Form.MERGED:
        folders = store.read(MERGED_MODEL, candidate.partition, MergedModel).folders
        formats = experiment.approach_for(candidate.recipe, model=candidate.model, scale=candidate.scale).adapters
        return [Artefact(name, formats[name], Path(folder)) for name, folder in folders.items()]
    trained = adapters_of(experiment, store, candidate)
    return [item.artefact for item in trained]
