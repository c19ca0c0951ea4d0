"""Reading whatever evidence of a scale there is, tolerantly: missing is a status, never an error."""

from swap_assets.backends.store.artefacts import ArtefactMissingError, ArtefactStore
from swap_assets.domain.automation.progress import approaches_of
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.approval import Approval, standing_sentence
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import (
    FINE_TUNE_DECISION,
    LLM_BASELINE,
    MERGED_MODEL,
    RELEASE_APPROVAL,
    RELEASE_DECISION,
    SCALE_UP_DECISION,
    SLM_BASELINE,
    Candidate,
    Decoding,
    Form,
    base,
    hosted,
    partition_key,
)
from swap_assets.domain.merged_model import MergedModel
from swap_assets.domain.scoring.evaluation import Evaluation, not_evaluated


class Evidence:
    """What has been measured and decided at one scale."""

    def __init__(self, experiment: Experiment, store: ArtefactStore, scale: str) -> None:
        self.experiment, self.store, self.scale = experiment, store, scale

    @property
    def llm(self) -> Evaluation:
        """The hosted LLM's evaluation, or the record of its absence."""
        return self._evaluation(hosted(self.experiment.hosted_model.key, self.scale), LLM_BASELINE, self.scale)

    def of_model(self, model: str) -> list[Evaluation]:
        """Return a model's contenders: its tuned candidates, and the base where no training was needed."""
        key = partition_key(model, self.scale)
        ways = self.experiment.small_model(model).decoding
        found = [self._tuned(model, approach, key, way) for approach in self.experiment.approach_names for way in ways]
        decision = self.decision(FINE_TUNE_DECISION, key)
        if decision and decision.action == "skip":
            found.insert(0, self.base(model))
        return found

    def base(self, model: str) -> Evaluation:
        """Return the untouched model's evaluation, or the record of its absence."""
        return self._evaluation(base(model, self.scale), SLM_BASELINE, partition_key(model, self.scale))

    def of(self, candidate: Candidate) -> Evaluation:
        """Return the evaluation of a base or a tuned candidate of this scale, or the record of its absence."""
        if candidate.form is Form.BASE:
            return self.base(candidate.model)
        key = partition_key(candidate.model, self.scale)
        return self._tuned(candidate.model, candidate.recipe, key, candidate.decoding)

    def merged(self, model: str) -> Evaluation | None:
        """Return how a model's merged weights scored, or that they were blocked; None where nothing was merged.

        A merge of adapters that have been trained or evaluated again since is left out.
        """
        key = partition_key(model, self.scale)
        if why := self.store.failure(MERGED_MODEL, key):
            decision = self.decision(RELEASE_DECISION, key)
            if not decision or not decision.candidates:
                return None
            chosen = Candidate.from_id(decision.candidates[0])
            return not_evaluated(chosen.model_copy(update={"form": Form.MERGED}), "failed", f"merged_model: {why}")
        try:
            value = self.store.read(MERGED_MODEL, key, MergedModel)
        except ArtefactMissingError:
            return None
        behind = value.evaluation.candidate.model_copy(update={"form": Form.ADAPTER})
        current = value.adapters and self.of(behind).evidence_hash() == value.evidence
        return value.evaluation if current else None

    def contenders(self) -> list[Evaluation]:
        """Return the contenders of all models."""
        return [item for model in self.experiment.models for item in self.of_model(model)]

    def everything(self) -> list[Evaluation]:
        """Return the LLM, every base, every tuned candidate and what was merged of them, each once."""
        bases = [self.base(model) for model in self.experiment.models]
        merged = [item for model in self.experiment.models if (item := self.merged(model))]
        listed = [self.llm, *bases, *self.contenders(), *merged]
        return list({item.candidate.id: item for item in listed}.values())

    def decision(self, name: str, partition: str) -> Decision | None:
        """Return a recorded decision, None where it has not been made."""
        try:
            return self.store.read(name, partition, Decision)
        except ArtefactMissingError:
            return None

    def decisions(self) -> list[Decision]:
        """Return the scale's decisions that rest on what is measured now; those on older evidence are left out."""
        keys = [(SCALE_UP_DECISION, self.scale)]
        keys = [(FINE_TUNE_DECISION, partition_key(model, self.scale)) for model in self.experiment.models] + keys
        keys += [(RELEASE_DECISION, partition_key(model, self.scale)) for model in self.experiment.models]
        found = [self.decision(name, partition) for name, partition in keys]
        return [self._with_approval(item) for item in found if item and not self.stale(item)]

    def stale(self, decision: Decision) -> str:
        """Say which evidence of a decision has been measured again since with another result, "" where none has."""
        for name, value in decision.hashes.items():
            candidate = Candidate.from_id(name)
            if candidate.form is not Form.HOSTED and candidate.model not in self.experiment.models:
                return f"{name} is no longer in the experiment file"
            current = self.llm if candidate.form is Form.HOSTED else self.of(candidate)
            if current.candidate.id != name or current.evidence_hash() != value:
                return f"{name} has been measured again since, with another result"
        return ""

    @property
    def llm_id(self) -> str:
        """The hosted LLM's candidate id at this scale."""
        return hosted(self.experiment.hosted_model.key, self.scale).id

    def _with_approval(self, decision: Decision) -> Decision:
        """Return a release that passed with what people said about it; every other decision as it is."""
        if decision.name != RELEASE_DECISION or decision.action != "release":
            return decision
        there = self.store.exists(RELEASE_APPROVAL, decision.partition, Approval)
        word = self.store.read(RELEASE_APPROVAL, decision.partition, Approval) if there else None
        required = self.experiment.gates.release.approval == "required"
        return decision.model_copy(update={"approval": standing_sentence(decision, word, required=required)})

    def _tuned(self, model: str, approach: str, key: str, decoding: Decoding) -> Evaluation:
        candidate = self.experiment.tuned_candidate(approach, model=model, scale=self.scale, decoding=decoding)
        found = self._evaluation(candidate, candidate.evaluation_asset, key)
        if found.status != "absent":
            return found
        for asset in self.experiment.adapter_assets(approach):
            if why := self.store.failure(asset, key):
                return not_evaluated(candidate, "failed", f"{asset}: {why}")
        if why := self._left_out(model, approach, key):
            return not_evaluated(candidate, "skipped", why)
        return found

    def _left_out(self, model: str, approach: str, key: str) -> str:
        """Say which decision leaves a candidate untrained, "" where none does."""
        decision = self.decision(FINE_TUNE_DECISION, key)
        settings = self.experiment.approach_for(approach, model=model)
        if decision and decision.action == "skip" and settings.trains == "when_gate_says":
            return decision.reason
        scales = list(self.experiment.scales)
        at = scales.index(self.scale)
        before = self.decision(SCALE_UP_DECISION, scales[at - 1]) if at else None
        if (
            before
            and before.action == "scale_up"
            and approach not in approaches_of(before, self.experiment.approach_names).get(model, ())
        ):
            return f"scale_up_decision for {before.scale} did not let it through"
        return ""

    def _evaluation(self, candidate: Candidate, asset: str, partition: str) -> Evaluation:
        if why := self.store.failure(asset, partition):
            return not_evaluated(candidate, "failed", f"{asset}: {why}")
        try:
            return self.store.read(asset, partition, Evaluation)
        except ArtefactMissingError:
            return not_evaluated(candidate, "absent", f"{asset} has not been materialised for {partition}")
