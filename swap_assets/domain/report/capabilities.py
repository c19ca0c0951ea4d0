"""Figures by what a row asks for: difficulty, kind of conversation, domain, no call at all; and how clean JSON is."""

from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.names import display_name
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import EvalSummary, Metric

LABEL_METRICS = ("field_f1", "exact_match", "name_match")
JSON_METRICS = ("valid_json", "schema_valid", "format_compliance", "field_precision", "field_recall")
DOMAIN_SPREAD = ("domain_deviation", "domain_deviation_corrected", "domain_lowest")
# How labels are ordered where their order means something; others follow by name.
_ORDER = {
    "single_turn": ("simple", "moderate", "complex"),
    "multi_turn": ("clarification", "sequential", "context_dependent"),
}
ALL = "all"


class LabelRow(Frozen):
    """One label of one test split for one candidate, for example single_turn / complex."""

    candidate_id: str
    name: str
    track: Track
    split: str
    label: str
    rows: int
    metrics: dict[str, Metric]


class JsonQuality(Frozen):
    """How clean one candidate's answers are in one track."""

    candidate_id: str
    name: str
    track: Track
    answer_format: str
    metrics: dict[str, Metric]


class DomainSpread(Frozen):
    """How field F1 differs between domains for one candidate: as measured, without sampling noise, and the lowest."""

    candidate_id: str
    name: str
    track: Track
    metrics: dict[str, Metric]


class NoCall(Frozen):
    """What a candidate does on rows where no call is right, and how often it stays silent where one is."""

    candidate_id: str
    name: str
    track: Track
    accuracy: Metric
    called_all_the_same: int
    silent_where_a_call_was_right: int


def label_rows(inputs: ReportInputs) -> tuple[LabelRow, ...]:
    """Return every label of every test split, real and synthetic rows apart, in the order of difficulty."""
    found = [
        LabelRow(
            candidate_id=item.candidate.id,
            name=display_name(item.candidate.id),
            track=track,
            split=split,
            label=label,
            rows=max((metric.n for metric in metrics.values()), default=0),
            metrics={name: metrics[name] for name in LABEL_METRICS if name in metrics},
        )
        for item, track, summary in _summaries(inputs)
        # Real and synthetic rows apart: a figure on generated rows says little about real ones.
        for split, labels in {**summary.by_label, "origin": summary.by_origin}.items()
        for label, metrics in labels.items()
    ]
    order = {item.candidate.id: place for place, item in enumerate(inputs.evaluated)}
    return tuple(sorted(found, key=lambda row: (row.split, row.track, *_place(row), order[row.candidate_id])))


def json_quality(inputs: ReportInputs) -> tuple[JsonQuality, ...]:
    """Return validity, schema, format and field figures of every candidate and track."""
    return tuple(
        JsonQuality(
            candidate_id=item.candidate.id,
            name=display_name(item.candidate.id),
            track=track,
            answer_format=summary.answer_format.name,
            metrics=_some(summary, JSON_METRICS),
        )
        for item, track, summary in _summaries(inputs)
    )


def domain_spread(inputs: ReportInputs) -> tuple[DomainSpread, ...]:
    """Return how even each candidate is over the domains; candidates with fewer than two domains are left out."""
    return tuple(
        DomainSpread(candidate_id=item.candidate.id, name=display_name(item.candidate.id), track=track, metrics=spread)
        for item, track, summary in _summaries(inputs)
        if (spread := _some(summary, DOMAIN_SPREAD))
    )


def no_call(inputs: ReportInputs) -> tuple[NoCall, ...]:
    """Return how each candidate does where no call is right."""
    return tuple(
        NoCall(
            candidate_id=item.candidate.id,
            name=display_name(item.candidate.id),
            track=track,
            accuracy=summary.metrics.get("no_call_accuracy", Metric(value=None)),
            called_all_the_same=summary.failures.get("called_when_it_should_not", 0),
            silent_where_a_call_was_right=summary.failures.get("missing_call", 0) + summary.failures.get("empty", 0),
        )
        for item, track, summary in _summaries(inputs)
    )


def never_calling(inputs: ReportInputs) -> float | None:
    """Return what a model that never calls anything would score in field F1 and whole answers.

    On a row without a gold call, not calling is right; a share of such rows lifts every candidate alike.
    """
    result = inputs.llm.track(Track.TOOLCALL) if inputs.llm else None
    if result is None or not result.rows:
        return None
    return sum(row.no_call_correct is not None for row in result.rows) / len(result.rows)


def _summaries(inputs: ReportInputs) -> list[tuple[Evaluation, Track, EvalSummary]]:
    return [(item, track, item.results[track].summary) for track in Track for item in inputs.evaluated
            if track in item.results]  # fmt: skip


def _some(summary: EvalSummary, names: tuple[str, ...]) -> dict[str, Metric]:
    return {name: summary.metrics[name] for name in names if name in summary.metrics}


def _place(row: LabelRow) -> tuple[int, str]:
    if row.label == ALL:
        return -1, ""
    known = _ORDER.get(row.split, ())
    return (known.index(row.label), "") if row.label in known else (len(known), row.label)
