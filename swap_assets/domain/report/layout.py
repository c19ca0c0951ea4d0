"""From a report to the document that people read: the verdict, a few key figures, then all sections in order.

The sections here say how good the candidates are; why that is so, and what it rests on, is laid out in `evidence`.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.criteria_table import CriterionResult
from swap_assets.domain.metrics import metric_title, over_domains, shown_in
from swap_assets.domain.report import evidence
from swap_assets.domain.report.comparison import WITHIN_POINTS, compared_in, surpasses, within
from swap_assets.domain.report.evidence import failure_counts, section
from swap_assets.domain.report.figures import (
    ALL,
    framed,
    pivot,
    select,
)
from swap_assets.domain.report.report import Report
from swap_assets.domain.report.tables import Section, Table, cell, frame, markdown_parts, markdown_table
from swap_assets.domain.report.wording import (
    ABSENT,
    IN_PERCENT,
    TRACK_TITLES,
    criterion_value,
    display_name,
    in_unit,
    percent,
    points,
    significant,
    spaced,
)

if TYPE_CHECKING:
    import pandas as pd

_VERDICTS = {"pass": "✓ passed", "fail": "✗ failed", "inconclusive": "? inconclusive", "not_measured": ABSENT}
_OWN_SECTION = ("single_turn", "multi_turn", "domain", "", "failures", "wins", "tracks", "scales", "effort")


@dataclass(frozen=True, eq=False)
class Document:
    """The whole report, ready to be written."""

    report: Report
    title: str
    key_figures: Table
    sections: tuple[Section, ...]
    written: str

    def section(self, name: str) -> Section:
        """Return a section by its id."""
        return next(one for one in self.sections if one.id == name)


def lay_out(report: Report) -> Document:
    """Return the document; a section without anything to show says that nothing was measured."""
    figures = framed(report.figures)
    sections = (
        candidates(report, figures),
        criteria(report),
        llm_comparison(report),
        evidence.decisions(report),
        by_label(figures, "single_turn", "single-turn", "Single-turn by difficulty"),
        by_label(figures, "multi_turn", "multi-turn", "Multi-turn by kind"),
        json_quality(report, figures),
        domains(figures),
        other_splits(figures),
        no_call(report, figures),
        tracks(figures),
        evidence.wins(report, figures),
        evidence.failures(report, figures),
        evidence.learning(report, figures),
        evidence.latency(figures),
        evidence.cost(report, figures),
        evidence.leakage(report),
        evidence.changes(report),
        evidence.provenance(report),
        evidence.limits(report),
    )
    return Document(
        report=report,
        title=f"{report.experiment}, scale {report.scale}: can a small model take over?",
        key_figures=key_figures(report),
        sections=tuple(_filled(one) for one in sections),
        written=f"Evidence {report.evidence()}, schema {report.schema_version}, written {report.generated_at or 'now'}",
    )


def to_markdown(document: Document) -> str:
    """Return the whole report as Markdown."""
    report, verdict, key_figures = document.report, document.report.verdict, document.key_figures
    parts = [
        *[f"> {cell(notice)}" for notice in report.notices],
        f"# {cell(document.title)}",
        f"**{cell(verdict.sentence)}**",
        cell(verdict.how_sure),
        f"Decided: {cell(verdict.next_step)}." if verdict.next_step else "",
        markdown_table(key_figures.header, key_figures.rows),
        *(part for one in document.sections for part in markdown_parts(one)),
        cell(document.written),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def key_figures(report: Report) -> Table:
    """Return the few figures at the top: the LLM, the best small model, the distance, the price."""
    metric, unit = metric_title(report.metric), "%, 95 % interval"
    llm, best = (report.main_figures(name, Track.TOOLCALL) for name in (report.llm_id, report.best_id))
    price = evidence.llm_price(report)
    rows = [(f"{display_name(report.llm_id)}, {metric}", percent(llm.get(report.metric)), unit)]
    if best:
        versus = next((item for item in compared_in(report.comparisons, report.metric)
                       if item.candidate_id == report.best_id), None)  # fmt: skip
        rows.append((f"{display_name(report.best_id)}, {metric}", percent(best.get(report.metric)), unit))
        rows.append(("LLM − SLM on identical rows", points(versus), "points"))
    rows.append(("1,000 calls of the LLM", price, "as measured on the test rows"))
    if report.cost:
        needed = report.cost.break_even_utilisation
        note = "see the caveats under cost" if report.cost.caveats else "from there the swap is cheaper"
        value = ABSENT if needed is None else f"{significant(100 * needed)} %"
        rows.append(("Break-even utilisation of one card", value, note))
    return Table("key-figures", "", frame(("key figure", "value", ""), rows))


def _filled(one: Section) -> Section:
    if one.tables or one.groups:
        return one
    return replace(one, plots=(), lead=one.lead or (f"{ABSENT.capitalize()}: no candidate has rows for this.",))


def candidates(report: Report, figures: "pd.DataFrame") -> Section:
    """Return who was compared, with the main figures."""
    absent = [(note.name, note.status, note.reason or "no reason was kept") for note in report.candidates
              if note.status != "evaluated"]  # fmt: skip
    lead = ()
    if report.floor:
        lead = (
            f"On {100 * report.floor:.0f} % of the rows no call is right: a model that never calls anything would "
            f"score {100 * report.floor:.1f} in field F1 and in whole answers. Read every figure above that floor.",
        )
    return section(
        "candidates",
        "Candidates at a glance",
        *(main_table(report, figures, track) for track in Track),
        Table("not-evaluated", "Candidates that were not measured", frame(("candidate", "status", "why"), absent)),
        lead=lead,
        plots=(("scores", "Field F1 of every candidate's tool calls with its 95 % interval; the figures are below."),),
    )


def main_table(report: Report, figures: "pd.DataFrame", track: Track) -> Table:
    """Return one track's comparison of all candidates; it has no rows where none was measured in it."""
    own = select(figures, track=track)
    shown = [name for name in shown_in("main") if name in set(own["metric"])]
    asked = {note.candidate_id: answers for note, answers in report.answered(track)}
    versus = {item.candidate_id: item for item in compared_in(report.comparisons, report.metric, track)}

    def rows(candidate: str) -> str:
        found = asked[candidate]
        return f"{found.cases - found.unscored}/{found.cases}" if found.unscored else str(found.cases)

    def of_the_llm(candidate: str) -> str:
        share = versus[candidate].percent_of_llm if candidate in versus else None
        return "–" if candidate == report.llm_id else ABSENT if share is None else f"{share:.0f} %"

    table = pivot(own, ("candidate_id", "name"), {name: metric_title(name) for name in shown})
    ids = table.pop("candidate_id")
    table.insert(1, "rows", ids.map(rows))
    table["LLM − SLM, points"] = ["–" if name == report.llm_id else points(versus.get(name)) for name in ids]
    table["of the LLM"] = ids.map(of_the_llm)
    return Table(
        name=f"main-{track.value}",
        caption=f"{TRACK_TITLES[track]}: every candidate. {IN_PERCENT}",
        frame=table.rename(columns={"name": "candidate"}),
        note=f"Answers are written as {', '.join(sorted({found.answer_format for found in asked.values()}))}.",
    )


def criteria(report: Report) -> Section:
    """Return all success criteria of every candidate with value, interval, threshold and verdict."""
    header = ("criterion", "verdict", "value [95 % interval]", "asked", "rows", "in words")
    best_first = sorted(report.criteria.items(), key=lambda entry: entry[0] != report.best_id)
    tables = (
        Table(
            name=f"criteria-{index}",
            caption=f"Success criteria of {display_name(candidate)}",
            frame=frame(header, map(_criterion, results)),
            folded=candidate != report.best_id,
        )
        for index, (candidate, results) in enumerate(best_first, start=1)
    )
    counts = (
        (display_name(candidate), *(str(sum(item.verdict == verdict for item in results)) for verdict in _VERDICTS))
        for candidate, results in report.criteria.items()
    )
    verdicts = ("candidate", "passed", "failed", "inconclusive", ABSENT)
    lead = (
        "Passed means that the whole 95 % interval reaches what is asked; failed, that none of it does; inconclusive, "
        "that too few rows were asked to tell.",
    )
    summary = Table("criteria-counts", "Criteria by verdict", frame(verdicts, counts))
    return section("criteria", "Success criteria", summary, *tables, lead=lead)


def _criterion(result: CriterionResult) -> tuple[str, ...]:
    asked = in_unit(result.threshold, result.unit)
    return (result.description, _VERDICTS[result.verdict], criterion_value(result), asked, str(result.rows),
            result.sentence)  # fmt: skip


def llm_comparison(report: Report) -> Section:
    """Return every candidate's distance to the LLM on identical rows."""
    header = ("candidate", "metric", "SLM %", "LLM %", "LLM − SLM, points [95 % interval]",
              f"within {WITHIN_POINTS:g} points", "surpasses the LLM", "identical rows")  # fmt: skip
    found = sorted(report.comparisons, key=lambda item: display_name(item.candidate_id))
    tables = (
        Table(
            name=f"llm-{track.value}",
            caption=f"{TRACK_TITLES[track]}: distance to {display_name(report.llm_id)}",
            frame=frame(
                header,
                (
                    (display_name(item.candidate_id), metric_title(item.metric), f"{100 * item.slm:.1f}",
                     f"{100 * item.llm:.1f}", points(item), within(item), surpasses(item), str(item.rows))
                    for item in found
                    if item.track is track
                ),
            ),
        )
        for track in Track
    )  # fmt: skip
    lead = (
        "Each candidate and the LLM are compared row by row on rows that both answered; positive points mean that "
        "the small model is behind.",
    )
    plots = (("comparison", "Points behind the LLM with 95 % intervals; the figures are in the tables below."),)
    return section("llm", "Against the LLM, on identical rows", *tables, lead=lead, plots=plots)


def by_label(figures: "pd.DataFrame", split: str, anchor: str, title: str) -> Section:
    """Return one test split by its labels; `anchor` is the section's id."""
    tables = (
        Table(
            name=f"{split.replace('_', '-')}-{track.value}",
            caption=f"{TRACK_TITLES[track]}: {title.lower()}. {IN_PERCENT}",
            frame=_labels(figures, split, track),
        )
        for track in Track
    )
    words = f"Field F1 of tool calls by label, {title.lower()}; the figures are in the tables below."
    return section(anchor, title, *tables, plots=((split, words),))


def _labels(figures: "pd.DataFrame", split: str, track: Track) -> "pd.DataFrame":
    titles = {"rows": "rows", **{name: metric_title(name) for name in shown_in("labels")}}
    table = pivot(select(figures, split, track=track), ("label", "name"), titles)
    table["label"] = table["label"].map(lambda label: "all of them" if label == ALL else spaced(label))
    return table.rename(columns={"label": "rows of kind", "name": "candidate"})


def other_splits(figures: "pd.DataFrame") -> Section:
    """Return real and synthetic rows apart, and the test splits without a section of their own."""
    names = sorted(set(figures["split"]) - set(_OWN_SECTION), key=lambda name: (name != "origin", name))
    tables = (
        Table(
            name=f"split-{name.replace('_', '-')}",
            caption=f"Tool calls by {spaced(name)}. {IN_PERCENT}",
            frame=_labels(figures, name, Track.TOOLCALL),
            folded=name != "origin",
        )
        for name in names
    )
    return section("splits", "Real and synthetic rows, and other splits", *tables)


def json_quality(report: Report, figures: "pd.DataFrame") -> Section:
    """Return how clean the answers are."""
    formats = {(note.candidate_id, track): found.answer_format for track in Track
               for note, found in report.answered(track)}  # fmt: skip
    titles = {name: metric_title(name) for name in shown_in("json")}
    table = pivot(select(figures, metrics=shown_in("json")), ("name", "candidate_id", "track"), titles)
    table.insert(3, "form", [formats[key] for key in zip(table["candidate_id"], table["track"], strict=True)])
    table = table.drop(columns=["candidate_id", "track"]).rename(columns={"name": "candidate"})
    caption = f"JSON quality by candidate and form of answer. {IN_PERCENT}"
    return section("json", "JSON quality", Table("json-quality", caption, table))


def domains(figures: "pd.DataFrame") -> Section:
    """Return the heat map of field F1 over the domains, and how even candidates are."""
    titles = dict(zip(over_domains(), ("as measured", "without sampling noise [95 % interval]", "lowest domain"),
                      strict=True))  # fmt: skip
    spread = pivot(select(figures, metrics=over_domains()), ("name", "form"), titles)
    caption = "How even candidates are over the domains (standard deviation of field F1, 0 to 1)"
    return section(
        "domains",
        "By domain",
        *(_heat_map(figures, track) for track in Track),
        Table("domain-spread", caption, spread.rename(columns={"name": "candidate"})),
    )


def _heat_map(figures: "pd.DataFrame", track: Track) -> Table:
    own = select(figures, "domain", track=track)
    own = own[own["label"] != ALL]
    found = own[own["metric"] == "field_f1"].set_index(["label", "name"])["value"]
    texts = found.map(lambda value: ABSENT if value is None else f"{100 * value:.0f}").unstack("name")
    texts = texts.reindex(columns=own["name"].unique()).sort_index().fillna(ABSENT)
    rows = own[own["metric"] == "rows"].groupby("label")["value"].last()
    texts.insert(0, "rows", rows.map(str))
    return Table(
        name=f"domains-{track.value}",
        caption=f"{TRACK_TITLES[track]}: field F1 by domain, in percent",
        frame=texts.rename_axis(index="domain", columns=None).reset_index(),
        note="A domain has few rows; the table below says how much of the spread is more than chance.",
        heat=True,
    )


def no_call(report: Report, figures: "pd.DataFrame") -> Section:
    """Return how candidates do where no call is right."""
    rows = []
    for (candidate, track), counts in failure_counts(report, figures).iterrows():
        right = report.main_figures(candidate, track).get("no_call_accuracy")
        silent = counts.get("missing_call", 0) + counts.get("empty", 0)
        rows.append((display_name(candidate), TRACK_TITLES[track].lower(), str(right.n if right else 0), percent(right),
                     str(counts.get("called_when_it_should_not", 0)), str(silent)))  # fmt: skip
    header = ("candidate", "form", "rows", "right not to call", "called all the same", "silent where a call was right")
    table = Table("no-call", f"Rows on which no call is right. {IN_PERCENT}", frame(header, rows))
    lead = ("A model that calls a function when it should ask back or answer in words does harm by itself.",)
    return section("no-call", "Knowing when not to call", table, lead=lead)


def tracks(figures: "pd.DataFrame") -> Section:
    """Return structured answers against tool calls on identical rows."""
    own = select(figures, "tracks")
    titles = {"structured": "structured", "toolcall": "tool calls",
              "difference": "structured − tool calls, points [95 % interval]"}  # fmt: skip
    table = pivot(own, ("name", "n"), titles)
    table["rows"] = table.pop("n").map(str)
    caption = "The same rows answered in both forms: field F1 in percent"
    return section("tracks", "Structured answers against tool calls",
                   Table("tracks", caption, table.rename(columns={"name": "candidate"})))  # fmt: skip
