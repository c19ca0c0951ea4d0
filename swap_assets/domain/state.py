"""Where an experiment stands: what has been measured, decided and approved, and which runs are under way.

Sensors, assets, `explain` and the report all read this. It is plain data and writes nothing; evaluations appear in it
as small records, so that nothing is parsed to know where we are. Reading it from the experiment's folder lives in
`backends.store.evidence`, runs and data versions come from Dagster in `defs.gates`, what is due next in `domain.gates`.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from swap_assets.domain import keys
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.decisions import Approval, Decision, Standing
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Evaluation, Status, not_evaluated

Admitted = dict[str, dict[str, tuple[str, ...]]]


class EvaluationRecord(Frozen):
    """What is known of an evaluation without its rows; the evidence hash is the one that decisions record."""

    candidate_id: str
    status: Status
    reason: str = ""
    evidence_hash: str
    dataset_hash: str = ""

    @classmethod
    def of(cls, evaluation: Evaluation) -> "EvaluationRecord":
        """Take the record of an evaluation."""
        return cls(
            candidate_id=evaluation.candidate.id, status=evaluation.status, reason=evaluation.reason,
            evidence_hash=evaluation.evidence_hash(), dataset_hash=evaluation.dataset_hash,
        )  # fmt: skip

    @property
    def measured(self) -> bool:
        """Whether there are scores."""
        return self.status == "evaluated"


@dataclass(frozen=True, kw_only=True)
class State:
    """The recorded state of one experiment.

    `evaluations`, `failures` (why the last attempt failed) and `decisions` go by `ASSET/PARTITION`, `approvals` by
    partition. `root` is the data version of the conversations, "" before they were read, and `rows` by scale that of
    what is trained on. `active` and `broken` (with the reason) name runs as `JOB/PARTITION`.
    """

    experiment: Experiment
    evaluations: Mapping[str, EvaluationRecord] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    root: str = ""
    rows: Mapping[str, str] = field(default_factory=dict)
    active: frozenset[str] = frozenset()
    broken: Mapping[str, str] = field(default_factory=dict)

    def hosted(self, scale: str) -> Candidate:
        """Return the hosted LLM's candidate at a scale."""
        return keys.hosted(self.experiment.hosted_model.key, scale)

    @cached_property
    def _tuned(self) -> dict[str, tuple[Candidate, ...]]:
        scales, found = list(self.experiment.scales), {}
        for model, entry in self.experiment.models.items():
            # An approach's settings cost 0.1 ms to lay over each other, and name the same candidate at every scale.
            names = self.experiment.approach_names
            first = [self.experiment.tuned_candidate(name, model=model, scale=scales[0]) for name in names]
            for scale in scales:
                found[keys.partition_key(model, scale)] = tuple(
                    candidate.model_copy(update={"scale": scale, "decoding": decoding})
                    for candidate in first
                    for decoding in entry.decoding
                )
        return found

    def tuned(self, partition: str) -> tuple[Candidate, ...]:
        """Return the candidates that training may make of a model at a scale, approach by approach."""
        return self._tuned[partition]

    def contenders(self, partition: str) -> tuple[Candidate, ...]:
        """Return a model's contenders: its tuned candidates, after the base where no training was needed."""
        decision = self.decision(keys.FINE_TUNE_DECISION, partition)
        first = (keys.base(*keys.model_and_scale(partition)),) if decision and decision.action == "skip" else ()
        return (*first, *self.tuned(partition))

    def partitions(self, scale: str) -> list[str]:
        """Return the partition keys of all models at a scale."""
        return [keys.partition_key(model, scale) for model in self.experiment.models]

    def evaluation(self, candidate: Candidate) -> EvaluationRecord:
        """Return the record of a candidate's evaluation, or of its failure, its being left out or its absence."""
        asset, partition = candidate.evaluation_asset, candidate.evaluation_partition
        if why := self.failures.get(f"{asset}/{partition}"):
            return _without(candidate, "failed", f"{asset}: {why}")
        if found := self.evaluations.get(f"{asset}/{partition}"):
            return found
        if candidate.recipe in self.experiment.approaches:
            for name in self.experiment.adapter_assets(candidate.recipe):
                if why := self.failures.get(f"{name}/{partition}"):
                    return _without(candidate, "failed", f"{name}: {why}")
            if why := self._left_out(candidate):
                return _without(candidate, "skipped", why)
        return _without(candidate, "absent", f"{asset} has not been materialised for {partition}")

    def candidate(self, candidate_id: str) -> EvaluationRecord | None:
        """Return the record of a candidate by its id; None where the experiment file no longer makes it."""
        candidate = Candidate.from_id(candidate_id)
        if candidate.form is Form.HOSTED:
            return self.evaluation(candidate)
        made = self._tuned.get(candidate.partition)
        there = made is not None and (candidate.form is Form.BASE or candidate in made)
        return self.evaluation(candidate) if there else None

    def _left_out(self, candidate: Candidate) -> str:
        """Say which decision leaves a candidate untrained, "" where none does."""
        decision = self.decision(keys.FINE_TUNE_DECISION, candidate.partition)
        trains = self.experiment.approaches[candidate.recipe].trains
        if decision and decision.action == "skip" and trains == "when_gate_says":
            return decision.reason
        scales = list(self.experiment.scales)
        at = scales.index(candidate.scale)
        before = self.decision(keys.SCALE_UP_DECISION, scales[at - 1]) if at else None
        let_through = self.let_through(before).get(candidate.model, ()) if before else ()
        if before and before.action == "scale_up" and candidate.recipe not in let_through:
            return f"{keys.SCALE_UP_DECISION} for {before.scale} did not let it through"
        return ""

    def decision(self, name: str, partition: str) -> Decision | None:
        """Return a recorded decision, None where it has not been made."""
        return self.decisions.get(f"{name}/{partition}")

    def stale(self, decision: Decision) -> str:
        """Say which evidence of a decision is no longer what it was, "" where all of it is."""
        for name, recorded in decision.hashes.items():
            found = self.candidate(name)
            if found is None:
                return f"{name} is no longer in the experiment file"
            if found.candidate_id != name or found.evidence_hash != recorded:
                return f"{name} has been measured again since, with another result"
        return ""

    def in_force(self, name: str, partition: str) -> Decision | None:
        """Return a recorded decision that rests on what is measured now."""
        decision = self.decision(name, partition)
        return None if decision is None or self.stale(decision) else decision

    def decisions_of(self, scale: str) -> Iterator[Decision]:
        """Yield a scale's decisions in force; a release that passed says what people said about it."""
        for decision in self.decisions.values():
            if decision.scale != scale or self.stale(decision):
                continue
            told = self.approval_sentence(decision) if decision.action == "release" else ""
            yield decision.model_copy(update={"approval": told}) if told else decision

    def admitted(self) -> Admitted:
        """Return which models, with which approaches, are open at each scale: first all, then whom decisions let on."""
        if not self.root:
            return {}
        scales = list(self.experiment.scales)
        everything = self.experiment.approach_names
        found: Admitted = {scales[0]: dict.fromkeys(self.experiment.models, everything)}
        for before, scale in itertools.pairwise(scales):
            decision = self.in_force(keys.SCALE_UP_DECISION, before)
            if decision is None or decision.action != "scale_up":
                break
            found[scale] = self.let_through(decision)
        return found

    def let_through(self, decision: Decision) -> dict[str, tuple[str, ...]]:
        """Return the models that a decision lets through, each with its approaches, all where its base came through."""
        found: dict[str, set[str]] = {}
        for candidate in map(Candidate.from_id, decision.candidates):
            approaches = self.experiment.approaches if candidate.form is Form.BASE else {candidate.recipe}
            found.setdefault(candidate.model, set()).update(approaches)
        return {model: tuple(sorted(approaches)) for model, approaches in found.items()}

    def standing(self, decision: Decision) -> Standing:
        """Return where a release that passed stands with people; a rejection counts even where nobody is asked."""
        approval = self.approvals.get(decision.partition)
        if approval is not None and approval.evidence_hash == decision.content():
            return approval.verdict
        if self.experiment.gates.release.approval == "none":
            return "not_required"
        return "waiting" if approval is None else "void"

    def approval_sentence(self, decision: Decision) -> str:
        """Say where a release that passed stands with people, and what to do about it."""
        where = self.standing(decision)
        if where in ("approved", "rejected"):
            return f"The release was {self.approvals[decision.partition].sentence().rstrip('.')}."
        command = f"swap-assets approve '{decision.name}:{decision.partition}' --by NAME --reason TEXT"
        return {
            "not_required": "The policy asks for nobody's approval (gates.release.approval: none).",
            "waiting": f"Waiting for a person: {command}, or reject.",
            "void": f"The approval given was on other evidence, so it is void; look again: {command}, or reject.",
        }[where]

    def running_at(self, job: str, partition: str) -> bool:
        """Whether a run of a job is under way at a partition."""
        return f"{job}/{partition}" in self.active

    def running(self, job: str, scale: str) -> bool:
        """Whether a run of a job is under way at a scale, for any model."""
        partitions = (name.split("/", 1)[1] for name in self.active if name.startswith(f"{job}/"))
        return any(keys.model_and_scale(partition)[1] == scale for partition in partitions)


def _without(candidate: Candidate, status: Status, reason: str) -> EvaluationRecord:
    return EvaluationRecord.of(not_evaluated(candidate, status, reason))
