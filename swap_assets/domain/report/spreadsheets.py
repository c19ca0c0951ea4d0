"""The report's figures as plain tables for a spreadsheet, at full precision: a selection of the one list of figures.

A cell is a number, a text or None for what was not measured; `tables.csv` writes them.
"""

from collections.abc import Iterator
from typing import Any

from swap_assets.domain.metrics import over_domains, shown_in
from swap_assets.domain.report.figures import ALL, select
from swap_assets.domain.report.report import Report
from swap_assets.domain.report.tables import Frame, frame
from swap_assets.domain.report.verdict import surpasses, within

_WHO = ["candidate", "track"]
_METRIC = ["metric", "value", "low", "high", "n", "method"]


def spreadsheets(report: Report) -> dict[str, Frame]:
    """Return all tables by file name without its ending."""
    figures = report.frame().rename(columns={"candidate_id": "candidate"})
    quality = select(figures, metrics=shown_in("json")).rename(columns={"format": "answer_format"})
    return {
        "single_turn": _labels(figures, "single_turn"),
        "multi_turn": _labels(figures, "multi_turn"),
        "json_quality": quality[[*_WHO, "answer_format", *_METRIC]],
        "domain_diversity": _domains(figures),
        "llm_comparison": _comparison(report),
        "latency_cost": frame([*_WHO, "figure", "value", "unit", "source"], _latency_cost(report)),
        "failures": _failures(report),
    }


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
