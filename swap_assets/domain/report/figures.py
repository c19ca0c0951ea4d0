"""Everything that was measured as one long list: a candidate, a track, a split, a label, a metric and its value.

    student--small--paper--greedy--adapter  toolcall  single_turn  simple  field_f1  0.62  0.48  0.75  n=24  score

Tables, plots and CSV select from it and pivot it. Besides the test splits ("" is all rows, `origin` real and synthetic
rows) `split` names `failures`, `wins`, `tracks`, `scales` and `effort`. Comparing with the LLM lives in `verdict`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from swap_assets.domain.experiment.costs import cost_per_thousand
from swap_assets.domain.formats.base import Track
from swap_assets.domain.metrics import shown_in
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.tables import Frame, frame
from swap_assets.domain.report.wording import ABSENT, display_name, percent, plain, significant
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult
from swap_assets.domain.scoring.scores import Columns, Metric

ALL = "all"
# How labels are ordered where their order means something; others follow by name.
_ORDER = {"single_turn": ("simple", "moderate", "complex"),
          "multi_turn": ("clarification", "sequential", "context_dependent")}  # fmt: skip
Measured = tuple[Evaluation, Track, TrackResult]
Key = tuple[str, Track, str, str, str]


class Figure(Frozen):
    """One number with its 95 % interval and the `n` rows it rests on; None is not measured.

    `unit` is one of a metric (rate, score, deviation), "difference" of two scores, "rows", "s", "tokens an answer",
    "answers a second" or a currency. `method` says how it was computed, and for effort how it was measured.
    """

    candidate_id: str
    track: Track
    split: str = ""
    label: str = ""
    metric: str
    value: int | float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    unit: str = "rows"
    method: str = ""

    @property
    def key(self) -> Key:
        """What it is the figure of."""
        return self.candidate_id, self.track, self.split, self.label, self.metric

    def text(self) -> str:
        """Write the figure for people, in its unit."""
        match self.unit:
            case "rate" | "score":
                lowest = self.metric == "domain_lowest" and self.value is not None
                return f"{self.method.removeprefix('lowest: ')}: {percent(self)}" if lowest else percent(self)
            case "deviation" if self.value is None:
                return f"{ABSENT}: {self.method}" if self.method else ABSENT
            case "deviation" if self.low is not None and self.high is not None:
                return f"{self.value:.3f} [{self.low:.2f}–{self.high:.2f}]"
            case "deviation" | "s" | "tokens an answer":
                return plain(self.value, 0 if self.unit == "tokens an answer" else 3)
            case "difference":
                value, low, high = (100 * (bound or 0.0) for bound in (self.value, self.low, self.high))
                return f"{value:+.1f} [{low:+.1f} to {high:+.1f}]"
            case "rows":
                return str(self.value)
            case "answers a second" if self.value is not None:
                return f"{significant(self.value)} on {self.method}"
            case _:
                return significant(self.value)


def figures_of(inputs: ReportInputs) -> tuple[Figure, ...]:
    """Return every figure of the report, in the order in which tables list them."""
    measured = [(item, track, result) for track in Track for item in inputs.evaluated if (result := item.track(track))]
    overall = (_metrics(item, track, result.summary.metrics) for item, track, result in measured)
    failures = (
        Figure(candidate_id=item.candidate.id, track=track, split="failures", label=name, metric="rows", value=count,
               n=result.summary.cases)
        for item, track, result in measured
        for name, count in result.summary.failures.items()
        if count
    )  # fmt: skip
    others = (_by_label(measured), failures, _wins(inputs), _tracks(inputs), _scales(inputs))
    return tuple(chain(*overall, *others, *(_effort(inputs, *one) for one in measured)))


def by_key(figures: Iterable[Figure]) -> dict[Key, Figure]:
    """Return the figures by what they are of."""
    return {figure.key: figure for figure in figures}


def select(figures: Frame, split: str = "", *, track: Track | None = None, metrics: Sequence[str] = ()) -> Frame:
    """Return a split's figures in the order they came; `metrics` chooses some, in that order within each candidate."""
    found = figures[(figures["split"] == split) & ((figures["track"] == track) if track else True)]
    if not metrics:
        return found
    found = found[found["metric"].isin(metrics)]
    groups = found.groupby(["track", "name", "label"], sort=False).ngroup()
    places = found["metric"].map(list(metrics).index)
    return found.assign(groups=groups, places=places).sort_values(["groups", "places"])


def pivot(found: Frame, rows: Mapping[str, str], titles: Mapping[str, str], *, by: str = "metric") -> Frame:
    """Return a table's texts: a row a candidate and track, `rows` and then `titles` as columns, by their names."""
    keys = [*dict.fromkeys((*rows, "candidate_id", "track"))]
    texts: dict[tuple, dict[str, str]] = {}
    for *key, column, text in found[[*keys, by, "text"]].itertuples(index=False, name=None):
        texts.setdefault(tuple(key), {})[column] = text
    lines = ((*key[: len(rows)], *(own.get(name, ABSENT) for name in titles)) for key, own in texts.items())
    return frame((*rows.values(), *titles.values()), lines)


def failure_counts(figures: Frame) -> Frame:
    """Return wrong rows by candidate and track of whoever was measured, and by class, the most frequent first."""
    import pandas as pd

    keys = ["candidate_id", "track"]
    everybody = pd.MultiIndex.from_frame(select(figures)[keys].drop_duplicates())
    counts = select(figures, "failures").pivot(index=keys, columns="label", values="value").reindex(everybody)
    counts = counts.astype(float).fillna(0).astype(int)
    return counts[sorted(counts.columns, key=lambda name: (-counts[name].sum(), name))]


def exact_rows(item: Evaluation | None) -> dict[str, bool]:
    """Return by case id whether a candidate's tool calls are exactly right, of the rows that were scored."""
    result = item.track(Track.TOOLCALL) if item else None
    rows = result.rows if result else ()
    return {row.case_id: row.exact_match == 1.0 for row in rows if row.exact_match is not None}


def _metrics(
    item: Evaluation, track: Track, metrics: Mapping[str, Metric], *, split: str = "", label: str = ""
) -> Iterator[Figure]:
    for name, found in metrics.items():
        yield Figure(candidate_id=item.candidate.id, track=track, split=split, label=label, metric=name, **dict(found))


def _by_label(measured: Sequence[Measured]) -> Iterator[Figure]:
    """Return every label of every test split in the order of difficulty, real and synthetic rows apart."""
    order = list(dict.fromkeys(item.candidate.id for item, _, _ in measured))
    found = [
        (split, track, _place(split, label), order.index(item.candidate.id), label, item, metrics)
        for item, track, result in measured
        # Real and synthetic rows apart: a figure on generated rows says little about real ones.
        for split, labels in {**result.summary.by_label, "origin": result.summary.by_origin}.items()
        for label, metrics in labels.items()
    ]
    for split, track, _, _, label, item, metrics in sorted(found, key=lambda one: one[:4]):
        rows = max((metric.n for metric in metrics.values()), default=0)
        yield Figure(candidate_id=item.candidate.id, track=track, split=split, label=label, metric="rows", value=rows)
        shown = {name: metrics[name] for name in shown_in("labels") if name in metrics}
        yield from _metrics(item, track, shown, split=split, label=label)


def _place(split: str, label: str) -> tuple[int, str]:
    known = _ORDER.get(split, ())
    if label == ALL:
        return -1, ""
    return (known.index(label), "") if label in known else (len(known), label)


def _wins(inputs: ReportInputs) -> Iterator[Figure]:
    """Return how each candidate and the LLM share out the tool-call rows by who answers them exactly right."""
    llm = exact_rows(inputs.llm)
    shares = {"both": (True, True), "only_llm": (False, True), "only_slm": (True, False), "neither": (False, False)}
    for item in inputs.contenders if llm else ():
        if item.track(Track.TOOLCALL):
            pairs = [(right, llm[case]) for case, right in exact_rows(item).items() if case in llm]
            for label, who in shares.items():
                yield Figure(candidate_id=item.candidate.id, track=Track.TOOLCALL, split="wins", label=label,
                             metric="rows", value=pairs.count(who), n=len(pairs))  # fmt: skip


def _tracks(inputs: ReportInputs) -> Iterator[Figure]:
    """Compare structured answers with tool calls in field F1, on the identical rows of candidates that have both."""
    for item in inputs.evaluated:
        both = [Columns(result.rows) for track in (Track.STRUCTURED, Track.TOOLCALL) if (result := item.track(track))]
        if len(both) == 2 and (found := both[0].against(both[1], "field_f1")):
            means = {"structured": Metric(value=found.mean_a, n=found.rows),
                     "toolcall": Metric(value=found.mean_b, n=found.rows)}  # fmt: skip
            yield from _metrics(item, Track.STRUCTURED, means, split="tracks")
            yield Figure(candidate_id=item.candidate.id, track=Track.STRUCTURED, split="tracks", metric="difference",
                         value=found.difference, low=found.low, high=found.high, n=found.rows,
                         unit="difference")  # fmt: skip


def _scales(inputs: ReportInputs) -> Iterator[Figure]:
    """Return every candidate's tool calls at each scale of the experiment file where they were measured, in order."""
    scales = list(inputs.train_rows) or [inputs.scale]
    everywhere = [*inputs.evaluated, *(item for item in inputs.other_scales if item.status == "evaluated")]
    known = [item for item in everywhere if item.candidate.scale in {*inputs.train_rows, inputs.scale}]
    for item in sorted(known, key=lambda item: (display_name(item.candidate.id), scales.index(item.candidate.scale))):
        if result := item.track(Track.TOOLCALL):
            empty = Metric(value=None)
            shown = {name: result.summary.metrics.get(name, empty) for name in ("field_f1", "exact_match")}
            yield from _metrics(item, Track.TOOLCALL, shown, split="scales", label=item.candidate.scale)


def _effort(inputs: ReportInputs, item: Evaluation, track: Track, result: TrackResult) -> Iterator[Figure]:
    """Return seconds, tokens, throughput and cost of one answer, each with how it was measured."""
    totals, run = result.totals, inputs.run_of(item.candidate.id, track)
    kind, answers = totals.latency_kind, totals.answers
    found = {
        "p50_s": (totals.latency_p50_s, "s", kind),
        "p95_s": (totals.latency_p95_s, "s", kind),
        "p99_s": (totals.latency_p99_s, "s", kind),
        "first_token_p50_s": (totals.first_token_p50_s, "s", kind),
        "prompt_tokens": (totals.prompt_tokens / answers if answers else None, "tokens an answer", "measured"),
        "completion_tokens": (totals.completion_tokens / answers if answers else None, "tokens an answer", "measured"),
        "per_second": (run.per_second if run else None, "answers a second", run.device if run else ""),
        "cost_per_thousand": (cost_per_thousand(totals), inputs.prices.currency, "measured"),
    }
    for name, (value, unit, method) in found.items():
        yield Figure(candidate_id=item.candidate.id, track=track, split="effort", metric=name, value=value,
                     n=answers, unit=unit, method=method)  # fmt: skip
