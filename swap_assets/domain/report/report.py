"""The comparison report as one typed object: everything that is shown is in here, and nothing is computed later.

Writing it as text lives in `markdown`.
"""

from collections.abc import Mapping, Sequence

from pydantic import Field

from swap_assets.domain.contracts import Track
from swap_assets.domain.experiment.costs import cost_per_thousand
from swap_assets.domain.judging.criteria_table import CriterionResult
from swap_assets.domain.judging.decisions import Contrast, Decision
from swap_assets.domain.judging.gates import contrast, metric_read
from swap_assets.domain.judging.policy import GatePolicy
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.scoring.evaluation import Evaluation, Status
from swap_assets.domain.scoring.scores import EvalSummary, Metric

SCHEMA_VERSION = 1
# The columns of the main table, in this order: the primary metric first.
MAIN_METRICS = ("field_f1", "exact_match", "name_match", "valid_json", "format_compliance", "no_call_accuracy")


class CandidateRow(Frozen):
    """A candidate's line in one track's main table; `versus_llm` is None for the LLM and where not comparable."""

    candidate_id: str
    track: Track
    contract: str
    cases: int
    unscored: int
    metrics: dict[str, Metric]
    versus_llm: Contrast | None = None
    cost_per_thousand: float | None = None
    latency_p50_s: float | None = None
    latency_kind: str = "request"


class CandidateNote(Frozen):
    """A candidate and how far it came; anything but `evaluated` comes with the reason."""

    candidate_id: str
    status: Status
    reason: str = ""


class LabelRow(Frozen):
    """One label of one test split for one candidate, for example single_turn / complex."""

    candidate_id: str
    track: Track
    split: str
    label: str
    rows: int
    field_f1: Metric
    exact_match: Metric


class Report(Frozen):
    """Everything the report shows of one scale."""

    schema_version: int = SCHEMA_VERSION
    experiment: str
    scale: str
    notices: tuple[str, ...]
    verdict: str
    floor: float | None = Field(
        default=None, description="share of the LLM's rows on which no call is right: what never calling would score"
    )
    candidates: tuple[CandidateNote, ...]
    rows: tuple[CandidateRow, ...]
    labels: tuple[LabelRow, ...]
    criteria: dict[str, tuple[CriterionResult, ...]] = Field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    failures: dict[str, dict[str, int]] = Field(default_factory=dict)
    provenance: dict[str, str] = Field(default_factory=dict)

    def content(self) -> str:
        """Hash what the report says, leaving out time and cost, which differ from run to run."""
        timed = {"cost_per_thousand", "latency_p50_s"}
        rows = [row.model_dump(mode="json", exclude=timed) for row in self.rows]
        decisions = [decision.content() for decision in self.decisions]
        return content_hash(self.model_dump(mode="json", exclude={"rows", "decisions"}), rows, decisions)


def build_report(
    evaluations: Sequence[Evaluation],
    *,
    experiment: str,
    scale: str,
    llm_id: str,
    policy: GatePolicy,
    notices: Sequence[str],
    decisions: Sequence[Decision],
    criteria: Mapping[str, Sequence[CriterionResult]],
    provenance: Mapping[str, str],
) -> Report:
    """Gather what is there; what is absent, skipped or failed is named, and never an error."""
    llm = next((item for item in evaluations if item.candidate.id == llm_id and item.status == "evaluated"), None)
    rows = tuple(_rows(evaluations, llm, policy))
    return Report(
        experiment=experiment,
        scale=scale,
        notices=tuple(notices),
        verdict=_verdict(rows, llm_id, policy, decisions),
        floor=_floor(llm),
        candidates=tuple(
            CandidateNote(candidate_id=item.candidate.id, status=item.status, reason=item.reason)
            for item in evaluations
        ),
        rows=rows,
        labels=tuple(label for item in evaluations for label in _labels(item)),
        criteria={key: tuple(value) for key, value in criteria.items()},
        decisions=tuple(decisions),
        failures={
            f"{item.candidate.id} ({track.value})": result.summary.failures
            for item in evaluations
            for track, result in item.results.items()
        },
        provenance=dict(provenance),
    )


def _rows(evaluations: Sequence[Evaluation], llm: Evaluation | None, policy: GatePolicy) -> list[CandidateRow]:
    rows = []
    for track in Track:
        for item in evaluations:
            result = item.track(track)
            if result is None:
                continue
            own = llm is None or item.candidate.id == llm.candidate.id
            versus = (
                None
                if own or llm is None
                else contrast(item, llm, metric_read(policy.primary_metric, policy), track=track)
            )
            rows.append(_row(item, track, versus))
    return rows


def _row(item: Evaluation, track: Track, versus: Contrast | None) -> CandidateRow:
    result = item.results[track]
    summary: EvalSummary = result.summary
    return CandidateRow(
        candidate_id=item.candidate.id,
        track=track,
        contract=summary.contract.value,
        cases=summary.cases,
        unscored=summary.unscored,
        metrics={name: summary.metrics[name] for name in MAIN_METRICS if name in summary.metrics},
        versus_llm=versus,
        cost_per_thousand=cost_per_thousand(result.totals),
        latency_p50_s=result.totals.latency_p50_s,
        latency_kind=result.totals.latency_kind,
    )


def _labels(item: Evaluation) -> list[LabelRow]:
    empty = Metric(value=None)
    return [
        LabelRow(
            candidate_id=item.candidate.id,
            track=track,
            split=split,
            label=label,
            rows=max((metric.n for metric in metrics.values()), default=0),
            field_f1=metrics.get("field_f1", empty),
            exact_match=metrics.get("exact_match", empty),
        )
        for track, result in item.results.items()
        # Real and synthetic rows apart: a figure on generated rows says little about real ones.
        for split, labels in {**result.summary.by_label, "origin": result.summary.by_origin}.items()
        for label, metrics in labels.items()
    ]


def _floor(llm: Evaluation | None) -> float | None:
    """Return what a model that never calls anything would score in field F1 and whole answers.

    On a row without a gold call, not calling is right; a share of such rows lifts every candidate alike.
    """
    result = llm.track(Track.TOOLCALL) if llm else None
    if result is None or not result.rows:
        return None
    return sum(row.no_call_correct is not None for row in result.rows) / len(result.rows)


def _verdict(rows: Sequence[CandidateRow], llm_id: str, policy: GatePolicy, decisions: Sequence[Decision]) -> str:
    """Say in one or two sentences whether a small model can take over: only a passed release decision says yes."""
    if released := next((item for item in decisions if item.action == "release"), None):
        return f"A small model can take over. {released.reason}"
    compared = [row.versus_llm for row in rows if row.track is Track.TOOLCALL and row.versus_llm]
    if not any(row.candidate_id == llm_id for row in rows):
        return f"No verdict: {llm_id} has not been measured on this scale."
    if not compared:
        return "No verdict: no small model has been measured beside the LLM on this scale."
    best = min(compared, key=lambda item: (item.delta_points, item.candidate_id))
    margin = policy.release.margin_points
    if best.low_points > policy.release.max_delta_points:
        opening = "No small model can take over yet: the best one is worse than the LLM for sure."
    elif best.delta_points <= policy.release.max_delta_points and best.high_points < margin:
        opening = f"Promising: no worse within {margin:g} points on the test rows; release_decision has the last word."
    else:
        opening = f"Not shown yet: the best small model may be worse than the LLM by more than {margin:g} points."
    return f"{opening} {best.sentence()}."
