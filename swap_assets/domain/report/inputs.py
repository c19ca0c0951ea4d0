"""What a report is built from: everything that was measured and decided at one scale. Reading it lives in backends.

Nothing in here is required but the evaluations: what is left out is shown as not measured, with the reason.
"""

from collections.abc import Callable

from pydantic import Field

from swap_assets.domain.experiment.entries import Prices
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.criteria_table import CriterionResult
from swap_assets.domain.judging.decisions import Approval, Decision
from swap_assets.domain.model import EvalCase, Frozen
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.weights import LossPoint

# The text of a candidate's answer in a track to a case; None where it was not kept.
AnswerText = Callable[[str, Track, str], str | None]


class TrainingRun(Frozen):
    """What one adapter's training took and its loss curves; `seconds` is the whole process."""

    candidate_id: str
    adapter: str
    rows: int
    steps: int
    loss: tuple[LossPoint, ...]
    validation: tuple[LossPoint, ...] = ()
    seconds: float
    tokens_per_second: float
    device: str
    peak_memory_mb: int = 0


class GenerationRun(Frozen):
    """How fast a local candidate answered the test rows of one track; `seconds` is the whole process."""

    candidate_id: str
    track: Track
    answers: int
    per_second: float
    seconds: float
    device: str


class BaseModelOrigin(Frozen):
    """Where a model of the experiment comes from, and whether it is one of the miniatures."""

    weights: str = Field(description="the hub id, the folder or the miniature's name")
    hub_id: str = ""
    revision: str = ""
    miniature: bool = False
    parameters_billion: float = Field(default=0.0, description="0: not given")


class About(Frozen):
    """What a report says that needs no computing: `train_rows` is each scale's number of training conversations."""

    experiment: str
    scale: str
    generated_at: str = ""
    notices: tuple[str, ...] = ()
    llm_id: str
    criteria: dict[str, tuple[CriterionResult, ...]] = Field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    approvals: tuple[Approval, ...] = Field(default=(), description="what people said of releases, void ones too")
    train_rows: dict[str, int] = Field(default_factory=dict, description="training conversations of each scale")
    facts: dict[str, str] = Field(default_factory=dict, description="hashes and names of what figures rest on")
    models: dict[str, BaseModelOrigin] = Field(default_factory=dict)
    datasets: tuple[str, ...] = Field(default=(), description="the hub's names of data sets that rows come from")
    provenance: dict[str, str] = Field(default_factory=dict)
    commands: tuple[str, ...] = ()


class ReportInputs(About):
    """Everything that a report reads; `other_scales` are evaluations of the experiment's other scales."""

    evaluations: tuple[Evaluation, ...]
    policy: GatePolicy = Field(default_factory=GatePolicy)
    prices: Prices = Field(default_factory=Prices)
    cases: dict[str, EvalCase] = Field(default_factory=dict)
    answer_text: AnswerText = lambda *_: None
    trainings: tuple[TrainingRun, ...] = ()
    generations: tuple[GenerationRun, ...] = ()
    split: DatasetSplit | None = None
    other_scales: tuple[Evaluation, ...] = ()

    @property
    def evaluated(self) -> list[Evaluation]:
        """The candidates that have results."""
        return [item for item in self.evaluations if item.status == "evaluated"]

    @property
    def llm(self) -> Evaluation | None:
        """The hosted LLM where it was measured."""
        return next((item for item in self.evaluated if item.candidate.id == self.llm_id), None)

    @property
    def contenders(self) -> list[Evaluation]:
        """Everyone measured but the LLM."""
        return [item for item in self.evaluated if item.candidate.id != self.llm_id]

    def run_of(self, candidate_id: str, track: Track) -> GenerationRun | None:
        """Return the record of a candidate's answering in a track, where its speed is known."""
        found = (run for run in self.generations if run.candidate_id == candidate_id and run.track is track)
        return next((run for run in found if run.per_second > 0), None)
