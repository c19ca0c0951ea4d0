"""Every candidate against the LLM on identical rows, the sentence that the report is opened for, and its limits.

Those are what keeps it from saying more: what was synthetic, miniature, absent or not measured; and leakage.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.contrasts import passing_for_sure
from swap_assets.domain.judging.decisions import Contrast, Decision
from swap_assets.domain.judging.floors import Floors
from swap_assets.domain.keys import Candidate
from swap_assets.domain.metrics import metric_title
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.cost import SwapCost
from swap_assets.domain.report.figures import Figure
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.wording import TRACK_TITLES, display_name, excerpt, spaced
from swap_assets.domain.scoring.scores import Columns
from swap_assets.domain.splits.leakage import LeakageReport
from swap_assets.domain.splits.scale_split import SourceRows

# The guide's question "is it within 10 points of the LLM?".
WITHIN_POINTS = 10.0
Answer = Literal["yes", "no", "cannot be told"]
VerdictKind = Literal["yes", "promising", "not shown", "no", "none"]
_UNSEEN = ("tools", "unseen", Track.TOOLCALL)
_ROWS = {"test": "test rows", "release_test": "sealed rows (which nothing else had read)"}
_PARTS = {"train": "training", "validation": "validation", "test": "test", "release": "sealed release test",
          "reserve": "held out beyond these", "set_aside": "set aside as too close to a held-out row"}  # fmt: skip


class Verdict(Frozen):
    """Whether a small model can take over: the answer, how sure it is, and what was decided to do next."""

    kind: VerdictKind
    sentence: str
    how_sure: str
    next_step: str = ""


def verdict(
    inputs: ReportInputs, best: Contrast | None, *, among: Sequence[Contrast], stands: Floors | None,
    cautions: Mapping[str, str],
) -> Verdict:  # fmt: skip
    """Only a passed release decision says yes; all else is read from the test rows.

    `among` are all candidates' distances to the LLM, each one more chance to be lucky; `stands` says whether the best
    one is above the floors; `cautions`, by candidate id, belong beside a yes.
    """
    next_step = "; ".join(f"{spaced(item.action)} ({spaced(item.name)} for {item.model or f'scale {item.scale}'})"
                          for item in inputs.decisions[-3:])  # fmt: skip
    released = next((item for item in inputs.decisions if item.action == "release"), None)
    if released:
        return _released(released, best, next_step, cautions)
    if best is None or not inputs.llm:
        missing = "no small model has been measured beside {}" if inputs.llm else "{} has not been measured"
        sentence = f"No verdict yet: {missing.format(display_name(inputs.llm_id))} on this scale."
        return Verdict(kind="none", sentence=sentence, how_sure="", next_step=next_step)
    kind, opening = _reading(best, among, inputs.policy, sunk=bool(stands and stands.verdict == "fail"))
    caution = cautions.get(best.candidate_id, "") if kind == "promising" else ""
    said = stands.told.removeprefix("; ") if stands else ""
    low = f" {said[:1].upper()}{said[1:]}." if said else ""
    luck = f" It is the best of {len(among)} on these rows, so a part of that may be luck." if len(among) > 1 else ""
    return Verdict(
        kind=kind, sentence=f"{opening}: {_distance(best, who='the best one, {}, ')}.",
        how_sure=f"{how_sure(best)}{luck}{low}{caution}", next_step=next_step,
    )  # fmt: skip


def how_sure(item: Contrast) -> str:
    """Say the interval of a contrast in words."""
    low, high = item.low_points, item.high_points
    if low > 0:
        span = f"between {low:.1f} and {high:.1f} points behind"
    elif high < 0:
        span = f"between {-high:.1f} and {-low:.1f} points ahead"
    else:
        span = f"anywhere from {-low:.1f} points ahead to {high:.1f} points behind"
    few = " That is few rows: another set of rows could move these figures a good deal." if item.rows < 100 else ""
    rows = f"the same {item.rows:,} {_ROWS[item.on]} on which a call is right"
    return f"With 95 % confidence it is {span}, measured on {rows}.{few}"


def _released(decision: Decision, best: Contrast | None, next_step: str, cautions: Mapping[str, str]) -> Verdict:
    judged = next((item for item in reversed(decision.contrasts) if item.on == "release_test"), best)
    name = decision.candidates[0] if decision.candidates else ""
    told = _distance(judged) if judged else display_name(name) if name else decision.model
    return Verdict(
        kind="yes", sentence=f"A small model can take over: {told}.",
        how_sure=(how_sure(judged) if judged else "") + cautions.get(name, ""), next_step=next_step,
    )  # fmt: skip


def _reading(item: Contrast, among: Sequence[Contrast], policy: GatePolicy, *, sunk: bool) -> tuple[VerdictKind, str]:
    allowed, margin = policy.release.max_delta_points, policy.release.margin_points
    sure = passing_for_sure(among, [margin] * len(among))
    within = any(passes for one, passes in zip(among, sure, strict=True) if one.candidate_id == item.candidate_id)
    if item.low_points > allowed or sunk:
        return "no", "No small model can take over yet"
    if item.delta_points <= allowed and item.at_worst_points < margin and within:
        return "promising", f"Promising, no worse within {margin:g} points on the test rows, and not released yet"
    return "not shown", f"Not shown yet, for a small model may be worse by more than {margin:g} points"


def _distance(item: Contrast, *, who: str = "{} ") -> str:
    slm, llm = display_name(item.candidate_id), display_name(item.reference_id)
    if abs(item.delta_points) < 0.05:
        side = f"is level with {llm}"
    else:
        side = f"is {abs(item.delta_points):.1f} points {'behind' if item.delta_points > 0 else 'ahead of'} {llm}"
    figures = f"{100 * item.slm:.1f} against {100 * item.llm:.1f}"
    return f"{who.format(slm)}{side} in {metric_title(item.metric)} ({figures})"


def cautions(figures: Iterable[Figure], inputs: ReportInputs) -> dict[str, str]:
    """Return a sentence by candidate id, for those that measure below the LLM on tools never shown in training."""
    metric = inputs.policy.primary
    unseen = (item for item in figures if (item.split, item.label, item.track, item.metric) == (*_UNSEEN, metric))
    values = {item.candidate_id: (item.value, item.n) for item in unseen if item.value is not None}
    llm, _ = values.get(inputs.llm_id, (None, 0))
    return {
        name: f" On the {rows} test rows that ask for tools never shown in training it has {100 * value:.1f}, the LLM "
        f"{100 * llm:.1f} ({metric_title(metric)}, where a call is right): "
        "the answer holds for the tools it was trained on."
        for name, (value, rows) in values.items()
        if llm is not None and value < llm
    }


def llm_comparisons(inputs: ReportInputs) -> tuple[Contrast, ...]:
    """Compare every candidate with the LLM in the primary and the core metrics of each track."""
    found: list[Contrast] = []
    for track in Track:
        if not (llm := inputs.llm.track(track) if inputs.llm else None):
            continue
        reference = Columns(llm.rows)
        own = [(item.candidate.id, Columns(result.rows)) for item in inputs.contenders if (result := item.track(track))]
        found += [Contrast.of(pair, candidate_id=name, reference_id=inputs.llm_id, track=track, part="call")
                  for metric in dict.fromkeys([inputs.policy.primary, *inputs.policy.core]) for name, columns in own
                  if (pair := columns.against(reference, metric, part="call"))]  # fmt: skip
    return tuple(found)


def within(item: Contrast) -> Answer:
    """Say whether a candidate is within 10 points of the LLM, by the interval alone."""
    return "yes" if item.high_points <= WITHIN_POINTS else "no" if item.low_points > WITHIN_POINTS else "cannot be told"


def surpasses(item: Contrast) -> Answer:
    """Say whether a candidate is ahead of the LLM, by the interval alone."""
    return "yes" if item.high_points < 0 else "no" if item.low_points >= 0 else "cannot be told"


def compared_in(comparisons: Iterable[Contrast], metric: str, track: Track = Track.TOOLCALL) -> list[Contrast]:
    """Return the comparisons of a track in one metric, one a candidate."""
    return [item for item in comparisons if item.track is track and item.metric == metric]


def best_of(compared: Iterable[Contrast], *, trained: bool = False) -> Contrast | None:
    """Return the candidate nearest to the LLM, or furthest ahead; `trained` leaves out untouched models."""
    found = (item for item in compared if not trained or Candidate.from_id(item.candidate_id).approach != "none")
    return min(found, key=lambda item: (item.delta_points, item.candidate_id), default=None)


class Leakage(Frozen):
    """The split's sizes in conversations, by what each part is called, and its recorded checks; texts are cut."""

    sizes: dict[str, int]
    sources: tuple[SourceRows, ...] = ()
    short: tuple[str, ...] = Field(default=(), description="sources that give less than their share, a sentence each")
    cut: int = Field(default=0, description="training rows whose answers are cut at `max_length` tokens, estimated")
    max_length: int = 0
    moved: int
    split_hash: str
    found: LeakageReport


class Limit(Frozen):
    """One thing that keeps the report from saying more than it does."""

    kind: Literal["synthetic", "miniature", "absent", "not measured"]
    what: str
    why: str


def leakage(inputs: ReportInputs) -> Leakage | None:
    """Return the split's recorded checks; None where there is no split."""
    split = inputs.split
    if split is None:
        return None
    texts = ("closest_training_text", "closest_held_out_text")
    return Leakage(
        sizes={name: len(getattr(split, part)) for part, name in _PARTS.items()}, sources=split.sources,
        short=tuple(split.short), cut=split.cut, max_length=split.max_length, moved=split.moved,
        split_hash=split.content_hash,
        found=split.leakage.model_copy(update={name: excerpt(getattr(split.leakage, name), 300) for name in texts}),
    )  # fmt: skip


def limits(inputs: ReportInputs, cost: SwapCost | None) -> tuple[Limit, ...]:
    """Return everything that was generated, played by a miniature, missing or not measured, with the reason."""
    results = [*inputs.evaluated[0].results.values()] if inputs.evaluated else []
    origins = [row.origin for result in results[:1] for row in result.rows]
    generated = f"{origins.count('synthetic'):,} of {len(origins):,} test rows"
    why = "generated rows are regular in ways that real requests are not; real and synthetic rows also stand apart"
    miniature = "a model of a few million parameters made to show the machinery; it says nothing about real models"
    return (
        *([Limit(kind="synthetic", what=generated, why=why)] if "synthetic" in origins else []),
        *(Limit(kind="miniature", what=key, why=miniature) for key, origin in sorted(inputs.models.items())
          if origin.miniature),
        *(Limit(kind="absent", what=display_name(item.candidate.id),
                why=f"{item.status}: {item.reason or 'no reason kept'}")
          for item in inputs.evaluations if item.status != "evaluated"),
        *(Limit(kind="not measured", what=what, why=why) for what, why in _not_measured(inputs, cost)),
    )  # fmt: skip


def _not_measured(inputs: ReportInputs, cost: SwapCost | None) -> list[tuple[str, str]]:
    found = [
        (f"{TRACK_TITLES[track].lower()} of {display_name(item.candidate.id)}", "no adapter of it answers in this form")
        for item in inputs.evaluated
        for track in Track
        if track not in item.results
    ]
    shared = sorted(
        {display_name(item.candidate.id) for item in inputs.evaluated for result in item.results.values()
         if result.totals.latency_kind == "batch_share"}
    )  # fmt: skip
    if shared:
        found.append((f"response time of {', '.join(shared)}", "rows were answered in batches; each carries a share"))
    entries = cost.inputs if cost else ()
    found += [(entry.title, entry.note) for entry in entries if entry.source == "not given"]
    found += [(one.title, f"assumed: {one.value:g}; {one.note}") for one in entries if one.source == "assumed"]
    asked = any(item.on == "release_test" for decision in inputs.decisions for item in decision.contrasts)
    there = {("learning curves", "no record of a training was found"): inputs.trainings,
             ("leakage", "the scale's split was not found"): inputs.split,
             ("the sealed release rows", "they are asked once, when a release is decided"): asked}  # fmt: skip
    return found + [entry for entry, known in there.items() if not known]
