"""The comparison report as one typed object: everything that is shown is in here, and nothing is computed later.

Each section is a pure function in its own module; laying them out is `document`, writing them `markdown`, `csv_tables`
and the backends' HTML.
"""

from pydantic import Field

from swap_assets.domain.judging.approval import Approval
from swap_assets.domain.judging.criteria_table import CriterionResult
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.report import capabilities as by_label
from swap_assets.domain.report import effort, origins
from swap_assets.domain.report import examples as example_rows
from swap_assets.domain.report import learning as learned
from swap_assets.domain.report.capabilities import DomainSpread, JsonQuality, LabelRow, NoCall
from swap_assets.domain.report.changes import Changes, causes, facts_of, movements
from swap_assets.domain.report.comparison import (
    CandidateNote,
    CandidateRow,
    LlmComparison,
    TrackPair,
    best_contender,
    best_trained,
    candidate_notes,
    candidate_rows,
    contenders_compared,
    llm_comparisons,
    track_pairs,
)
from swap_assets.domain.report.effort import Latency, SwapCost
from swap_assets.domain.report.examples import Failures, RowsToLookAt, RowWins
from swap_assets.domain.report.inputs import BaseModelOrigin, ReportInputs
from swap_assets.domain.report.learning import LearningCurve, ScalePoint
from swap_assets.domain.report.origins import Leakage, Limit
from swap_assets.domain.report.unseen_tools import cautions
from swap_assets.domain.report.verdict import Verdict, verdict

SCHEMA_VERSION = 2
# What differs from run to run, or says what differed, without the report saying anything else.
_TIMED = {"generated_at", "latency", "cost", "changes", "learning", "decisions", "rows", "limits", "provenance"}


class Report(Frozen):
    """Everything the report shows of one scale; the sections stand in the order in which they are read."""

    schema_version: int = SCHEMA_VERSION
    experiment: str
    scale: str
    generated_at: str = ""
    notices: tuple[str, ...] = ()
    verdict: Verdict
    llm_id: str
    best_id: str = Field(default="", description="the candidate that is nearest to the LLM, or furthest ahead")
    metric: str = Field(description="in which candidates are compared with the LLM")
    candidates: tuple[CandidateNote, ...]
    rows: tuple[CandidateRow, ...]
    criteria: dict[str, tuple[CriterionResult, ...]] = Field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    approvals: tuple[Approval, ...] = Field(default=(), description="people's words on releases, void ones too")
    comparisons: tuple[LlmComparison, ...] = ()
    floor: float | None = Field(
        default=None, description="share of the LLM's rows on which no call is right: what never calling would score"
    )
    labels: tuple[LabelRow, ...] = ()
    json_quality: tuple[JsonQuality, ...] = ()
    domain_spread: tuple[DomainSpread, ...] = ()
    no_call: tuple[NoCall, ...] = ()
    track_pairs: tuple[TrackPair, ...] = ()
    wins: tuple[RowWins, ...] = ()
    failures: tuple[Failures, ...] = ()
    examples: RowsToLookAt = RowsToLookAt()
    learning: tuple[LearningCurve, ...] = ()
    scales: tuple[ScalePoint, ...] = ()
    latency: tuple[Latency, ...] = ()
    cost: SwapCost | None = None
    leakage: Leakage | None = None
    changes: Changes = Changes(note="This is the first report of this scale that was kept.")
    facts: dict[str, str] = Field(
        default_factory=dict, description="hashes and names of data, models, prompts, LLM and settings"
    )
    models: dict[str, BaseModelOrigin] = Field(default_factory=dict)
    dataset: str = Field(default="", description="the hub's name of the data set, where the rows come from there")
    provenance: dict[str, str] = Field(default_factory=dict)
    commands: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()

    def content(self) -> str:
        """Hash what the report says, leaving out time and cost, which differ from run to run."""
        rows = [row.model_dump(mode="json", exclude={"cost_per_thousand"}) for row in self.rows]
        decisions = [decision.content() for decision in self.decisions]
        return content_hash(self.model_dump(mode="json", exclude=_TIMED), rows, decisions)

    def evidence(self) -> str:
        """Hash what was measured, and on what: a report with other decisions on the same figures has the same."""
        return content_hash(
            self.facts, [row.model_dump(mode="json", exclude={"cost_per_thousand"}) for row in self.rows]
        )


def build_report(inputs: ReportInputs) -> Report:
    """Gather what is there; what is absent, skipped or failed is named, and never an error."""
    comparisons = llm_comparisons(inputs)
    best = best_contender(comparisons, inputs.metric)
    best_id = best.contrast.candidate_id if best else next((item.candidate.id for item in inputs.contenders), "")
    contrasts = [item.contrast for item in contenders_compared(comparisons, inputs.metric)]
    trained = best_trained(comparisons, inputs.metric)
    cost = effort.swap_cost(inputs, best_id)
    labels = by_label.label_rows(inputs)
    return Report(
        experiment=inputs.experiment,
        scale=inputs.scale,
        generated_at=inputs.generated_at,
        notices=tuple(inputs.notices),
        verdict=verdict(
            best, among=contrasts, llm_id=inputs.llm_id, llm_measured=inputs.llm is not None, policy=inputs.policy,
            decisions=inputs.decisions, floor=by_label.never_calling(inputs),
            cautions=cautions(labels, llm_id=inputs.llm_id, metric=inputs.metric),
        ),
        llm_id=inputs.llm_id,
        best_id=best_id,
        metric=inputs.metric,
        candidates=candidate_notes(inputs),
        rows=candidate_rows(inputs, comparisons),
        criteria={key: tuple(value) for key, value in inputs.criteria.items()},
        decisions=tuple(inputs.decisions),
        approvals=tuple(inputs.approvals),
        comparisons=comparisons,
        floor=by_label.never_calling(inputs),
        labels=labels,
        json_quality=by_label.json_quality(inputs),
        domain_spread=by_label.domain_spread(inputs),
        no_call=by_label.no_call(inputs),
        track_pairs=track_pairs(inputs),
        wins=example_rows.row_wins(inputs),
        failures=example_rows.failures(inputs),
        examples=example_rows.rows_to_look_at(inputs, trained.contrast.candidate_id if trained else best_id),
        learning=learned.learning_curves(inputs),
        scales=learned.scale_points(inputs),
        latency=effort.latencies(inputs),
        cost=cost,
        leakage=origins.leakage(inputs),
        facts={**facts_of(inputs.evaluated), **inputs.facts},
        models=dict(inputs.models),
        dataset=inputs.dataset,
        provenance=dict(inputs.provenance),
        commands=tuple(inputs.commands),
        limits=origins.limits(inputs, cost),
    )  # fmt: skip


def with_previous(report: Report, previous: Report | None) -> Report:
    """Return the report with what changed since an earlier one of the same scale."""
    if previous is None:
        return report
    found = Changes(
        previous_at=previous.generated_at,
        previous_hash=previous.evidence(),
        causes=causes(previous.facts, report.facts),
        movements=movements(previous.rows, report.rows),
        verdict_before=previous.verdict.sentence,
    )
    return report.model_copy(update={"changes": found})
