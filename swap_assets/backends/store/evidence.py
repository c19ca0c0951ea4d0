"""Where an experiment stands, read from its folder; a scale's evaluations in full, and the weights that made them.

A missing evaluation is a status here, never an error, and nothing is written. Whoever lets a candidate answer again,
releases, merges, serves or publishes it, gets its weights here, so that nobody else ever answers under its id: an
artefact (an adapter, a merged model) that is missing, or is not the one that was evaluated, is refused.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from swap_assets.backends.engines.local import artefact_hash
from swap_assets.backends.processes.spec_building import generation_spec
from swap_assets.backends.store.artefacts import ArtefactMissingError, ArtefactStore
from swap_assets.backends.store.experiment_file import pasteable
from swap_assets.domain import keys
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.formats.base import Track
from swap_assets.domain.gates import registry
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.judging.decisions import Approval, Decision
from swap_assets.domain.keys import Candidate, Form, base
from swap_assets.domain.model import content_hash
from swap_assets.domain.scoring.evaluation import Evaluation, not_evaluated
from swap_assets.domain.state import State
from swap_assets.domain.weights import Artefact, LoraAdapter, MergedModel


def read_state(experiment: Experiment, store: ArtefactStore) -> State:
    """Return what an experiment's folder says: evaluations, failures, decisions, approvals."""
    scales = list(experiment.scales)
    models = [keys.partition_key(model, scale) for scale in scales for model in experiment.models]
    tuned = dict.fromkeys((keys.SLM_BASELINE, *experiment.evaluation_assets()), models)
    measured = {keys.LLM_BASELINE: scales, **tuned}
    decided = {name: models if entry.per == "model" else scales for name, entry in registry.decisions().items()}
    made = measured | dict.fromkeys(experiment.adapter_assets(), models)
    return State(
        experiment=experiment,
        evaluations=_by_asset(store.evaluation_records, measured),
        failures=_by_asset(store.failures, made),
        decisions=_by_asset(lambda name, keys: store.known(name, Decision, keys), decided),
        approvals=store.known(keys.RELEASE_APPROVAL, Approval, models),
    )


def _by_asset(read: Callable[[str, list[str]], dict[str, Any]], assets: dict[str, list[str]]) -> dict[str, Any]:
    return {f"{name}/{key}": found for name, keys in assets.items() for key, found in read(name, keys).items()}


class Evidence:
    """What has been measured at one scale, in full: each evaluation is read once, when somebody first asks for it."""

    def __init__(self, experiment: Experiment, store: ArtefactStore, scale: str) -> None:
        self.state, self.store, self.scale = read_state(experiment, store), store, scale
        self._read: dict[str, Evaluation] = {}

    @property
    def llm(self) -> Evaluation:
        """The hosted LLM's evaluation, or the record of its absence."""
        return self.of(self.state.hosted(self.scale))

    def of(self, candidate: Candidate) -> Evaluation:
        """Return the evaluation of a candidate of this scale, or the record of its absence."""
        asset, partition = candidate.evaluation_asset, candidate.evaluation_partition
        found = self.state.evaluation(candidate)
        if found is self.state.evaluations.get(f"{asset}/{partition}"):
            if candidate.id not in self._read:
                self._read[candidate.id] = self.store.read(asset, partition, Evaluation)
            return self._read[candidate.id]
        return not_evaluated(candidate, found.status, found.reason)

    def base(self, model: str) -> Evaluation:
        """Return the untouched model's evaluation, or the record of its absence."""
        return self.of(base(model, self.scale))

    def of_model(self, model: str) -> list[Evaluation]:
        """Return a model's contenders: its tuned candidates, and the base where no training was needed."""
        return [self.of(candidate) for candidate in self.state.contenders(keys.partition_key(model, self.scale))]

    def contenders(self) -> list[Evaluation]:
        """Return the contenders of all models."""
        return [item for model in self.state.experiment.models for item in self.of_model(model)]

    def merged(self, model: str) -> Evaluation | None:
        """Return how a model's merged weights scored, or that they were blocked; None where nothing was merged.

        A merge of adapters that have been trained or evaluated again since is left out.
        """
        key = keys.partition_key(model, self.scale)
        if why := self.store.failure(keys.MERGED_MODEL, key):
            decision = self.state.decision(keys.RELEASE_DECISION, key)
            if not decision or not decision.candidates:
                return None
            chosen = Candidate.from_id(decision.candidates[0])
            return not_evaluated(
                chosen.model_copy(update={"form": Form.MERGED}), "failed", f"{keys.MERGED_MODEL}: {why}"
            )
        if not (value := self.store.find(keys.MERGED_MODEL, key, MergedModel)):
            return None
        behind = value.evaluation.candidate.model_copy(update={"form": Form.ADAPTER})
        current = value.adapters and self.state.evaluation(behind).evidence_hash == value.evidence
        return value.evaluation if current else None

    def everything(self) -> list[Evaluation]:
        """Return the LLM, every base, every tuned candidate and what was merged of them, each once."""
        models = self.state.experiment.models
        bases = [self.base(model) for model in models]
        merged = [item for model in models if (item := self.merged(model))]
        return list({item.candidate.id: item for item in [self.llm, *bases, *self.contenders(), *merged]}.values())


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
    command = pasteable(materialize(candidate.evaluation_asset, candidate.partition))
    again = f"make it again, and what was decided on it: {command}"
    try:
        found = _artefacts(experiment, store, candidate)
        if gone := [str(item.path) for item in found if item.path and not item.path.is_dir()]:
            raise FileNotFoundError(f"{gone[0]} is no folder; {again}")
        hashes = [artefact_hash(generation_spec(experiment, store, candidate, item, ())[0]) for item in found]
    except (ArtefactMissingError, FileNotFoundError) as error:
        raise ArtefactError(f"the weights of {candidate.id} are not there: {error}") from None
    if content_hash(hashes) != evaluation.artefact_hash:
        raise ArtefactError(f"{candidate.evaluation_asset} was made with other weights than are there now; {again}")
    return found


def _artefacts(experiment: Experiment, store: ArtefactStore, candidate: Candidate) -> list[Artefact]:
    if candidate.form is Form.BASE:
        return [Artefact(track.value, experiment.baseline_format(candidate.model, track), None) for track in Track]
    if candidate.form is Form.MERGED:
        folders = store.read(keys.MERGED_MODEL, candidate.partition, MergedModel).folders
        formats = experiment.approach_for(candidate.recipe, model=candidate.model, scale=candidate.scale).adapters
        return [Artefact(name, formats[name], Path(folder)) for name, folder in folders.items()]
    adapters = experiment.approaches[candidate.recipe].adapters  # in this order
    found = []
    for name in adapters:
        asset = keys.adapter_asset(candidate.recipe, name, adapters)
        adapter = store.read(asset, candidate.partition, LoraAdapter)
        if refusal := adapter.refusal(asset, candidate):
            raise ArtefactError(refusal)
        found.append(adapter.artefact)
    return found
