"""How far an experiment has come, as the sensors see it: what is measured, decided, approved, and under way.

Reading it from the experiment's folder and the Dagster instance lives in `defs.progress`.
"""

import itertools
from collections.abc import Sequence

from pydantic import Field

from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.approval import Approval
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Candidate, Form, model_and_scale
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.scoring.evaluation import Evaluation, Status

# The named jobs, from the root to the release. `JOB/PARTITION` names a run in `Progress.active` and `.broken`.
BASELINE, MODEL_BASELINE, TRAIN, REPORT, SEALED_TEST, RELEASE = (
    "baseline", "model_baseline", "train_and_evaluate", "report", "sealed_test", "release",
)  # fmt: skip
Admitted = dict[str, dict[str, tuple[str, ...]]]


class Found(Frozen):
    """What is known of one candidate's evaluation; the hash is the evidence hash that decisions record."""

    candidate_id: str
    status: Status
    reason: str = ""
    evidence_hash: str
    dataset_hash: str = ""

    @classmethod
    def of(cls, evaluation: Evaluation) -> "Found":
        """Take what the gates need of an evaluation."""
        return cls(
            candidate_id=evaluation.candidate.id,
            status=evaluation.status,
            reason=evaluation.reason,
            evidence_hash=evaluation.evidence_hash(),
            dataset_hash=evaluation.dataset_hash,
        )


class Progress(Frozen):
    """The recorded state of one experiment.

    `root` is the data version of the conversations, "" before they were read. `llm` goes by scale, and so does `rows`,
    the version of what is trained on; `base`, `tuned` and `approvals` by `MODEL|SCALE`; `decisions` by
    `NAME/PARTITION`; `active` and `broken` (with the reason) name runs as `JOB/PARTITION`.
    """

    experiment: Experiment
    root: str = ""
    rows: dict[str, str] = Field(default_factory=dict)
    llm: dict[str, Found] = Field(default_factory=dict)
    base: dict[str, Found] = Field(default_factory=dict)
    tuned: dict[str, tuple[Found, ...]] = Field(default_factory=dict)
    decisions: dict[str, Decision] = Field(default_factory=dict)
    approvals: dict[str, Approval] = Field(default_factory=dict)
    active: frozenset[str] = frozenset()
    broken: dict[str, str] = Field(default_factory=dict)

    def decision(self, name: str, partition: str) -> Decision | None:
        """Return a recorded decision, None where it has not been made."""
        return self.decisions.get(f"{name}/{partition}")

    def hash_of(self, candidate_id: str) -> str:
        """Return the evidence hash that a candidate has now, "" where nothing is known of it."""
        candidate = Candidate.from_id(candidate_id)
        key = candidate.partition
        if candidate.form is Form.HOSTED:
            found = [self.llm.get(candidate.scale)]
        else:
            found = [self.base.get(key), *self.tuned.get(key, ())]
        return next((item.evidence_hash for item in found if item and item.candidate_id == candidate_id), "")

    def stale(self, decision: Decision) -> str:
        """Say which evidence of a decision has been measured again since with another result; "" where none has."""
        changed = [name for name, value in decision.hashes.items() if self.hash_of(name) != value]
        if not changed:
            return ""
        return f"{decision.name} for {decision.partition} is stale: {changed[0]} has been measured again since"

    def running_at(self, job: str, partition: str) -> bool:
        """Whether a run of a job is under way at a partition."""
        return f"{job}/{partition}" in self.active

    def running(self, job: str, scale: str) -> bool:
        """Whether a run of a job is under way at a scale, for any model."""
        partitions = (name.split("/", 1)[1] for name in self.active if name.startswith(f"{job}/"))
        return any(model_and_scale(partition)[1] == scale for partition in partitions)

    def admitted(self) -> Admitted:
        """Return which models, with which approaches, may be worked on at which scales.

        The first scale admits everything once the conversations are there; each further one what the decision of the
        scale before lets through, as long as that rests on what is measured now.
        """
        if not self.root:
            return {}
        scales = list(self.experiment.scales)
        found: Admitted = {scales[0]: dict.fromkeys(self.experiment.models, self.experiment.approach_names)}
        for before, scale in itertools.pairwise(scales):
            decision = self.decision("scale_up_decision", before)
            if decision is None or decision.action != "scale_up" or self.stale(decision):
                break
            found[scale] = approaches_of(decision, self.experiment.approach_names)
        return found


def approaches_of(decision: Decision, every: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the models that a decision lets through, each with its approaches.

    A model whose untouched base came through has no approach yet: `every` one is open to it, should it need training.
    """
    found: dict[str, set[str]] = {}
    for candidate in map(Candidate.from_id, decision.candidates):
        approaches = set(every) if candidate.form is Form.BASE else {candidate.recipe}
        found.setdefault(candidate.model, set()).update(approaches)
    return {model: tuple(sorted(approaches)) for model, approaches in found.items()}


class Step(Frozen):
    """A run that is due: a named job at a partition (all of its assets unless some are named), and why.

    `evidence` is what it acts on; the same evidence never acts twice, because the run key is made of it.
    """

    job: str
    partition: str
    assets: tuple[str, ...] = ()
    because: str
    evidence: tuple[str, ...]

    @property
    def run_key(self) -> str:
        """The name under which Dagster starts a run at most once."""
        return f"{self.job}-{content_hash(self.job, self.partition, self.assets, self.evidence)}"


class Outcome(Frozen):
    """What a gate makes of the state: the runs that are due, and what it waits for."""

    steps: tuple[Step, ...] = ()
    waits: tuple[str, ...] = ()
