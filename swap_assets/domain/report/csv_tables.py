"""The report's figures as plain tables for a spreadsheet, at full precision; writing the files lives in backends.

A cell is a number, a text or None for what was not measured. Texts of others may look like formulas; the writer
defuses them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from swap_assets.domain.report.capabilities import ALL, LabelRow
from swap_assets.domain.report.effort import SwapCost
from swap_assets.domain.report.examples import RowExample
from swap_assets.domain.report.report import Report
from swap_assets.domain.scoring.scores import Metric

Cell = str | float | int | None


class CsvTable(NamedTuple):
    """One file's columns and rows."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def csv_tables(report: Report) -> dict[str, CsvTable]:
    """Return all tables by file name without its ending."""
    return {
        "single_turn": _labels(report, "single_turn"),
        "multi_turn": _labels(report, "multi_turn"),
        "json_quality": _json_quality(report),
        "domain_diversity": _domains(report),
        "llm_comparison": _comparison(report),
        "latency_cost": _latency_cost(report),
        "failures": _failures(report),
    }


_METRIC = ("metric", "value", "low", "high", "n", "method")
_WHO = ("candidate", "track")


def _metric_cells(metrics: Mapping[str, Metric]) -> Iterable[tuple[Cell, ...]]:
    return ((name, found.value, found.low, found.high, found.n, found.method) for name, found in metrics.items())


def _labels(report: Report, split: str) -> CsvTable:
    return CsvTable((*_WHO, "label", "rows", *_METRIC), tuple(_label_cells(report, split)))


def _label_cells(report: Report, split: str) -> Iterable[tuple[Cell, ...]]:
    shown: list[LabelRow] = [row for row in report.labels if row.split == split]
    return ((row.candidate_id, row.track.value, row.label, row.rows, *cells)
            for row in shown for cells in _metric_cells(row.metrics))  # fmt: skip


def _json_quality(report: Report) -> CsvTable:
    rows = (
        (row.candidate_id, row.track.value, row.answer_format, *cells)
        for row in report.json_quality
        for cells in _metric_cells(row.metrics)
    )
    return CsvTable((*_WHO, "answer_format", *_METRIC), tuple(rows))


def _domains(report: Report) -> CsvTable:
    domains = [row for row in _label_cells(report, "domain") if row[2] != ALL]
    spread = [
        (row.candidate_id, row.track.value, "", None, *cells)
        for row in report.domain_spread
        for cells in _metric_cells(row.metrics)
    ]
    return CsvTable((*_WHO, "domain", "rows", *_METRIC), (*domains, *spread))


def _comparison(report: Report) -> CsvTable:
    header = ("candidate", "llm", "track", "metric", "slm", "llm_value", "delta_points", "low_points", "high_points",
              "percent_of_llm", "within_10_points", "surpasses", "rows")  # fmt: skip
    rows = (
        (item.contrast.candidate_id, item.contrast.reference_id, item.contrast.track.value, item.contrast.metric,
         item.contrast.slm, item.contrast.llm, item.contrast.delta_points, item.contrast.low_points,
         item.contrast.high_points, item.contrast.percent_of_llm, item.within, item.surpasses, item.contrast.rows)
        for item in report.comparisons
    )  # fmt: skip
    return CsvTable(header, tuple(rows))


def _latency_cost(report: Report) -> CsvTable:
    header = (*_WHO, "figure", "value", "unit", "source")
    rows: list[tuple[Cell, ...]] = []
    for row in report.latency:
        who = (row.candidate_id, row.track.value)
        rows += [(*who, name, getattr(row, name), "s", row.kind) for name in
                 ("p50_s", "p95_s", "p99_s", "first_token_p50_s")]  # fmt: skip
        rows += [
            (*who, "prompt_tokens", row.prompt_tokens, "tokens an answer", "measured"),
            (*who, "completion_tokens", row.completion_tokens, "tokens an answer", "measured"),
            (*who, "per_second", row.per_second, "answers a second", row.device),
            (*who, "cost_per_thousand", row.cost_per_thousand, report.cost.currency if report.cost else "", "measured"),
        ]
    return CsvTable(header, (*rows, *(_cost_cells(report.cost) if report.cost else ())))


def _cost_cells(cost: SwapCost) -> Iterable[tuple[Cell, ...]]:
    who = (cost.candidate_id, "toolcall")
    yield from ((*who, entry.key, entry.value, entry.unit, entry.source) for entry in cost.inputs)
    yield (*who, "break_even_utilisation", cost.break_even_utilisation, "share of its time", "computed")
    yield (*who, "break_even_volume", cost.break_even_volume, "requests a month", "computed")
    for row in cost.at_utilisation:
        at = f"at utilisation {row.utilisation:g}"
        yield (*who, f"swapped_per_thousand {at}", row.swapped_per_thousand, cost.currency, "computed")
        yield (*who, f"requests_to_repay {at}", row.requests_to_repay, "requests", "computed")


def _failures(report: Report) -> CsvTable:
    counts: list[tuple[Cell, ...]] = [
        (row.candidate_id, row.track.value, name, count, row.rows, "", "", "", "", "")
        for row in report.failures
        for name, count in row.counts.items()
    ]
    own = report.examples.candidate_id
    rows = [(own, "toolcall", name, None, None, *_example_cells(example))
            for name, examples in report.examples.failures.items() for example in examples]  # fmt: skip
    header = (*_WHO, "failure", "count", "rows", "case", "request", "right_answer", "answer", "difference")
    return CsvTable(header, (*counts, *rows))


def _example_cells(example: RowExample) -> tuple[str, ...]:
    last = example.answers[-1]
    return example.case_id, example.request, example.gold, last.text, last.difference
