"""The comparison report as one typed object: everything that is shown is in here, and nothing is measured later.

Laying it out in sections of tables is `layout`, writing those in every form is `tables`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Contrast
from swap_assets.domain.judging.floors import floors
from swap_assets.domain.keys import Form
from swap_assets.domain.metrics import shown_in
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.report import verdict as judged
from swap_assets.domain.report.cost import SwapCost, swap_cost
from swap_assets.domain.report.examples import RowsToLookAt, rows_to_look_at
from swap_assets.domain.report.figures import Figure, figures_of
from swap_assets.domain.report.inputs import About, LossPoint, ReportInputs, TrainingRun
from swap_assets.domain.report.tables import Frame, frame
from swap_assets.domain.report.wording import TRACK_TITLES, display_name
from swap_assets.domain.scoring.evaluation import Evaluation, Status

SCHEMA_VERSION = 4
# What differs from run to run, or says what differed, without the report saying anything else.
_TIMED = {"generated_at", "figures", "cost", "changes", "trainings", "decisions", "limits", "provenance"}
UNKNOWN = "not recorded"
_POINTS = 120  # of a loss curve that are kept; a plot shows no more


class Cause(Frozen):
    """One thing that is not what it was: its name, and the hashes or texts before and now."""

    what: str
    before: str
    now: str


class Movement(Frozen):
    """A candidate's field F1 in one track, before and now, as shares of 1; None where it was not measured."""

    name: str
    track: str
    before: float | None
    now: float | None


class Changes(Frozen):
    """What is different from the previous report. `note` says why nothing could be compared, where that is so."""

    previous_at: str = ""
    previous_hash: str = ""
    note: str = ""
    causes: tuple[Cause, ...] = ()
    movements: tuple[Movement, ...] = ()
    verdict_before: str = ""


class Answers(Frozen):
    """How many rows a candidate was asked in a track, in which answer format; `unscored` of them gave no answer."""

    answer_format: str
    cases: int
    unscored: int

    def shown(self) -> tuple[int, str, str]:
        """Return rows, answer format, and how many of the rows gave an answer: `58/60`."""
        asked = f"{self.cases - self.unscored}/{self.cases}" if self.unscored else str(self.cases)
        return self.cases, self.answer_format, asked


class CandidateNote(Frozen):
    """A candidate and how far it came; anything but `evaluated` comes with the reason."""

    candidate_id: str
    status: Status
    reason: str = ""
    answers: dict[Track, Answers] = Field(default_factory=dict)


class Report(About):
    """Everything the report shows of one scale."""

    schema_version: int = SCHEMA_VERSION
    verdict: judged.Verdict
    best_id: str = Field(default="", description="the candidate that is nearest to the LLM, or furthest ahead")
    metric: str = Field(description="in which candidates are compared with the LLM")
    candidates: tuple[CandidateNote, ...]
    figures: tuple[Figure, ...] = Field(description="every number that was measured, one row each")
    comparisons: tuple[Contrast, ...] = Field(default=(), description="with the LLM, on identical rows")
    examples: RowsToLookAt = RowsToLookAt()
    trainings: tuple[TrainingRun, ...] = ()
    cost: SwapCost | None = None
    leakage: judged.Leakage | None = None
    changes: Changes = Changes(note="This is the first report of this scale that was kept.")
    limits: tuple[judged.Limit, ...] = ()

    def answered(self, track: Track) -> Iterator[tuple[CandidateNote, Answers]]:
        """Return the candidates that were measured in a track, with how they answered."""
        return ((note, note.answers[track]) for note in self.candidates if track in note.answers)

    def frame(self) -> Frame:
        """Return the figures as a frame, with the candidate's name, answer format and rows, and text to be read."""
        known = {(note.candidate_id, track): answers for track in Track for note, answers in self.answered(track)}
        rows = (
            (*item.__dict__.values(), display_name(item.candidate_id), TRACK_TITLES[item.track].lower(), item.text(),
             *(answers.shown() if (answers := known.get((item.candidate_id, item.track))) else (0, "", "")))
            for item in self.figures
        )  # fmt: skip
        return frame((*Figure.model_fields, "name", "form", "text", "cases", "format", "asked"), rows)

    def main_figures(self, candidate_id: str, track: Track) -> dict[str, Figure]:
        """Return a candidate's figures over all rows that the main table shows, by metric."""
        found = {item.metric: item for item in self.figures
                 if not item.split and item.candidate_id == candidate_id and item.track is track}  # fmt: skip
        return {name: found[name] for name in dict.fromkeys((*shown_in("main"), self.metric)) if name in found}

    def content(self) -> str:
        """Hash what the report says, leaving out time and cost, which differ from run to run."""
        decisions = [decision.content() for decision in self.decisions]
        return content_hash(self.model_dump(mode="json", exclude=_TIMED), self._scores({"effort"}), decisions)

    def evidence(self) -> str:
        """Hash what was measured, and on what: a report with other decisions on the same figures has the same."""
        return content_hash(self.facts, self._scores({"effort", "scales"}))

    def _scores(self, without: set[str]) -> list[tuple]:
        return [tuple(item.__dict__.values()) for item in self.figures if item.split not in without]


def build_report(inputs: ReportInputs) -> Report:
    """Gather what is there; what is absent, skipped or failed is named, and never an error."""
    comparisons = judged.llm_comparisons(inputs)
    contrasts = judged.compared_in(comparisons, inputs.policy.primary)
    best, trained = judged.best_of(contrasts), judged.best_of(contrasts, trained=True)
    best_id = best.candidate_id if best else next((item.candidate.id for item in inputs.contenders), "")
    figures, cost = figures_of(inputs), swap_cost(inputs, best_id)
    leader = next((item for item in inputs.evaluated if best and item.candidate.id == best.candidate_id), None)
    stands = floors(leader, inputs.llm, inputs.policy) if leader and inputs.llm else None
    about = {name: getattr(inputs, name) for name in About.model_fields}
    return Report(
        **{**about, "facts": {**_facts_of(inputs.evaluated), **inputs.facts}},
        verdict=judged.verdict(inputs, best, among=contrasts, stands=stands,
                               cautions=judged.cautions(figures, inputs)),
        best_id=best_id,
        metric=inputs.policy.primary,
        candidates=tuple(map(_note, inputs.evaluations)),
        figures=figures,
        comparisons=comparisons,
        examples=rows_to_look_at(inputs, trained.candidate_id if trained else best_id),
        trainings=tuple(run.model_copy(update={"loss": _evenly(run.loss), "validation": _evenly(run.validation)})
                        for run in inputs.trainings),
        cost=cost,
        leakage=judged.leakage(inputs),
        limits=judged.limits(inputs, cost),
    )  # fmt: skip


def with_previous(report: Report, previous: Report | None) -> Report:
    """Return the report with what changed since an earlier one of the same scale."""
    if previous is None:
        return report
    before, now = (
        {(display_name(item.candidate_id), TRACK_TITLES[item.track]): item.value for item in one.figures
         if (item.split, item.metric) == ("", "field_f1")}
        for one in (previous, report)
    )  # fmt: skip
    found = Changes(
        previous_at=previous.generated_at,
        previous_hash=previous.evidence(),
        causes=tuple(Cause(what=what, before=then, now=today)
                     for what, then, today in _moved(previous.facts, report.facts, UNKNOWN)),
        movements=tuple(Movement(name=name, track=track, before=then, now=today)
                        for (name, track), then, today in _moved(before, now, None)),
        verdict_before=previous.verdict.sentence,
    )  # fmt: skip
    return report.model_copy(update={"changes": found})


def _moved(before: Mapping, now: Mapping, absent: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield what differs, with both values; what only one of the two knows counts as different."""
    for key in sorted({*before, *now}):
        if before.get(key, absent) != now.get(key, absent):
            yield key, before.get(key, absent), now.get(key, absent)


def _note(item: Evaluation) -> CandidateNote:
    found = {track: result.summary for track, result in item.results.items()}
    answers = {track: Answers(answer_format=one.answer_format.name, cases=one.cases, unscored=one.unscored)
               for track, one in found.items()}  # fmt: skip
    return CandidateNote(candidate_id=item.candidate.id, status=item.status, reason=item.reason, answers=answers)


def _evenly(points: tuple[LossPoint, ...]) -> tuple[LossPoint, ...]:
    """Keep at most _POINTS, evenly over the steps, the last one always."""
    if len(points) <= _POINTS:
        return points
    step = (len(points) - 1) / (_POINTS - 1)
    return tuple(points[round(index * step)] for index in range(_POINTS))


def _facts_of(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Return the hashes of what was measured: the test rows, each candidate's weights, and its prompt in each track."""
    found: dict[str, str] = {}
    for item in evaluations:
        name = display_name(item.candidate.id)
        found["test rows"] = item.dataset_hash or UNKNOWN
        if item.artefact_hash:
            found[f"weights of {name}"] = item.artefact_hash
        for track, result in item.results.items():
            form = TRACK_TITLES[track].lower()
            found[f"prompt of {name}, {form}"] = result.prompt_hash or UNKNOWN
            if item.candidate.form is Form.HOSTED:
                # What the service said of itself: a hosted model may change under its name.
                told = {key: value for key, value in result.served.model_dump(mode="json").items() if value}
                words = (f"{key}: {', '.join(map(str, one)) if isinstance(one, list) else one}"
                         for key, one in told.items())  # fmt: skip
                found[f"served as, {form}"] = "; ".join(words) or UNKNOWN
    return found
