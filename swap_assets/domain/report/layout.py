"""From a report to the document that people read: the verdict, a few key figures, then all sections in order.

How good the candidates are is laid out in `results`, why and on what it rests in `evidence`, what it costs in `cost`.
The figures are laid out as plain tables for a spreadsheet, too, at full precision: a cell is a number, a text or None.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from swap_assets.domain.formats.base import Track
from swap_assets.domain.metrics import metric_title, over_domains, shown_in
from swap_assets.domain.report import reasons, results
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.cost import cost
from swap_assets.domain.report.figures import ALL, select
from swap_assets.domain.report.tables import Frame, Section, Table, cell, frame, markdown_parts, markdown_table
from swap_assets.domain.report.verdict import compared_in, surpasses, within
from swap_assets.domain.report.wording import ABSENT, display_name, percent, points, significant

_WHO = ["candidate", "track"]
_METRIC = ["metric", "value", "low", "high", "n", "method"]


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
    figures, nothing = report.frame(), f"{ABSENT.capitalize()}: no candidate has rows for this."
    sections = (
        results.candidates(report, figures), results.criteria(report), results.llm_comparison(report),
        reasons.decisions(report),
        results.by_label(figures, "single_turn", "single-turn", "Single-turn by difficulty"),
        results.by_label(figures, "multi_turn", "multi-turn", "Multi-turn by kind"),
        results.json_quality(figures), results.domains(figures), results.other_splits(figures),
        results.no_call(figures), results.tracks(figures),
        reasons.wins(report, figures), reasons.failures(report, figures), reasons.learning(report, figures),
        reasons.latency(figures),
        cost(report.cost, figures[figures["candidate_id"] == report.llm_id], report.verdict.kind),
        reasons.leakage(report), reasons.changes(report), reasons.provenance(report), reasons.limits(report),
    )  # fmt: skip
    return Document(
        report=report, title=f"{report.experiment}, scale {report.scale}: can a small model take over?",
        key_figures=key_figures(report), sections=tuple(
            one if one.tables or one.groups else replace(one, plots=(), lead=one.lead or (nothing,)) for one in sections
        ),
        written=f"Evidence {report.evidence()}, schema {report.schema_version}, written {report.generated_at or 'now'}",
    )  # fmt: skip


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
    rows = [(f"{display_name(report.llm_id)}, {metric}", percent(llm.get(report.metric)), unit)]
    if best:
        versus = next((item for item in compared_in(report.comparisons, report.metric)
                       if item.candidate_id == report.best_id), None)  # fmt: skip
        rows.append((f"{display_name(report.best_id)}, {metric}", percent(best.get(report.metric)), unit))
        rows.append(("LLM − SLM on identical rows", points(versus), "points"))
    prices = {item.track: item for item in report.figures
              if (item.candidate_id, item.metric) == (report.llm_id, "cost_per_thousand")}  # fmt: skip
    price = next((prices[track] for track in Track if track in prices), None)
    told = f"{price.text()} {price.unit}" if price and price.value is not None else ABSENT
    rows.append(("1,000 calls of the LLM", told, "as measured on the test rows"))
    if split := report.leakage:
        cut = f"{split.cut:,} of {split.sizes['training']:,}"
        rows.append(("Training rows whose answers are cut", cut, f"estimated, at max_length {split.max_length:,}"))
    if report.cost:
        needed = report.cost.break_even_utilisation
        note = "see the caveats under cost" if report.cost.caveats else "from there the swap is cheaper"
        value = ABSENT if needed is None else f"{significant(100 * needed)} %"
        rows.append(("Break-even utilisation of one card", value, note))
    return Table("key-figures", "", frame(("key figure", "value", ""), rows))


def spreadsheets(report: Report) -> dict[str, Frame]:
    """Return all tables by file name without its ending."""
    figures = report.frame().rename(columns={"candidate_id": "candidate"})
    quality = select(figures, metrics=shown_in("json")).rename(columns={"format": "answer_format"})
    return {"single_turn": _labels(figures, "single_turn"), "multi_turn": _labels(figures, "multi_turn"),
            "json_quality": quality[[*_WHO, "answer_format", *_METRIC]], "domain_diversity": _domains(figures),
            "llm_comparison": _comparison(report),
            "latency_cost": frame([*_WHO, "figure", "value", "unit", "source"], _latency_cost(report)),
            "failures": _failures(report)}  # fmt: skip


def _labels(figures: Frame, split: str) -> Frame:
    own, keys = select(figures, split), [*_WHO, "label"]
    rows = own[own["metric"] == "rows"].rename(columns={"value": "rows"})[[*keys, "rows"]]
    return own[own["metric"] != "rows"].merge(rows, on=keys, how="left")[[*keys, "rows", *_METRIC]]


def _domains(figures: Frame) -> Frame:
    domains = _labels(figures, "domain")
    spread = select(figures, metrics=over_domains()).assign(rows=None)
    found = [*domains[domains["label"] != ALL].itertuples(index=False, name=None),
             *spread[domains.columns].itertuples(index=False, name=None)]  # fmt: skip
    return frame([*_WHO, "domain", "rows", *_METRIC], found)


def _comparison(report: Report) -> Frame:
    header = ("candidate", "llm", "track", "metric", "slm", "llm_value", "delta_points", "low_points", "high_points",
              "percent_of_llm", "within_10_points", "surpasses", "rows")  # fmt: skip
    rows = (
        (item.candidate_id, item.reference_id, item.track.value, item.metric, item.slm, item.llm, item.delta_points,
         item.low_points, item.high_points, item.percent_of_llm, within(item), surpasses(item), item.rows)
        for item in report.comparisons
    )  # fmt: skip
    return frame(header, rows)


def _latency_cost(report: Report) -> Iterator[tuple[Any, ...]]:
    for item in report.figures:
        if item.split == "effort":
            yield item.candidate_id, item.track.value, item.metric, item.value, item.unit, item.method
    if cost := report.cost:
        who = (cost.candidate_id, "toolcall")
        yield from ((*who, entry.key, entry.value, entry.unit, entry.source) for entry in cost.inputs)
        yield *who, "break_even_utilisation", cost.break_even_utilisation, "share of its time", "computed"
        yield *who, "break_even_volume", cost.break_even_volume, "requests a month", "computed"
        for row in cost.at_utilisation:
            at = f"at utilisation {row.utilisation:g}"
            yield *who, f"swapped_per_thousand {at}", row.swapped_per_thousand, cost.currency, "computed"
            yield *who, f"requests_to_repay {at}", row.requests_to_repay, "requests", "computed"


def _failures(report: Report) -> Frame:
    header = (*_WHO, "failure", "count", "rows", "case", "request", "right_answer", "answer", "difference")
    counts = [(item.candidate_id, item.track.value, item.label, item.value, item.n, *[""] * 5)
              for item in report.figures if item.split == "failures"]  # fmt: skip
    rows = [(report.examples.candidate_id, "toolcall", name, None, None, one.case_id, one.request, one.gold,
             one.answers[-1].text, one.answers[-1].difference)
            for name, examples in report.examples.failures.items() for one in examples]  # fmt: skip
    return frame(header, [*counts, *rows])
