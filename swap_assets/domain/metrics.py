"""The metrics, one entry each: name, title, unit, how a row's value is read, and who shows and judges it.

Summaries, tables, CSV, MLflow, plots, gates and success criteria take names, titles, order and units from here. To add
one, write an entry: `field` names the field of a row's score that holds its value, or `compute` makes the value from
the case and the answer when the row is scored. How values are aggregated lives in `scoring.aggregation`, comparing
candidates in `statistics`.
"""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator

from swap_assets.domain.formats.base import ParsedAnswer
from swap_assets.domain.model import EvalCase

STRICT_SUFFIX = "_strict"
TableName = Literal["main", "labels", "json", "plots"]
Unit = Literal["rate", "score", "deviation"]


class MetricEntry(NamedTuple):
    """One metric.

    `unit` "rate" is a share of rows (0 or 1 a row, Wilson interval), "score" a mean of per-row values in [0, 1]
    (Student's t by conversation), "deviation" a standard deviation. `strict` says that it reads calls, so that it is
    over the rows on which one is right and has a second reading of what is to the letter, `NAME_strict`.
    `over_domains` figures are made of field F1 by domain and have no value of a row. `gates`: an experiment file may
    name it (rows without a call have a rule of their own there, `no_call`). `tables` lists where the report shows it:
    in the main table, by label, as quality of JSON, or drawn (the first of these by label, too). `asked` makes it a
    success criterion of its own: at least so much.
    """

    title: str
    unit: Unit
    field: str = ""
    compute: Callable[[EvalCase, ParsedAnswer], float | None] | None = None
    strict: bool = False
    over_domains: bool = False
    gates: bool = True
    tables: tuple[TableName, ...] = ()
    asked: float | None = None


_OVER_DOMAINS: Any = {"strict": True, "over_domains": True, "gates": False}
METRICS: dict[str, MetricEntry] = {
    "field_f1": MetricEntry("field F1", "score", "field_f1", strict=True, tables=("main", "labels", "plots")),
    "exact_match": MetricEntry(
        "whole answer exact", "rate", "exact_match", strict=True, tables=("main", "labels", "plots")
    ),
    "name_match": MetricEntry("name match", "rate", "name_match", strict=True, tables=("main", "labels")),
    "arguments_exact": MetricEntry("arguments exact", "rate", "arguments_exact", strict=True),
    "valid_json": MetricEntry("valid JSON", "rate", "valid_json", tables=("main", "json")),
    "schema_valid": MetricEntry("fits the tool's schema", "rate", "schema_valid", tables=("json",)),
    "format_compliance": MetricEntry("format to the letter", "rate", "format_compliant", tables=("main", "json")),
    "field_precision": MetricEntry("field precision", "score", "field_precision", strict=True, tables=("json",)),
    "field_recall": MetricEntry("field recall", "score", "field_recall", strict=True, tables=("json",)),
    "no_call_accuracy": MetricEntry("no-call accuracy", "rate", "no_call_correct", gates=False, tables=("main",)),
    "domain_deviation": MetricEntry("deviation of field F1 over domains", "deviation", **_OVER_DOMAINS),
    "domain_deviation_corrected": MetricEntry("the same without sampling noise", "deviation", **_OVER_DOMAINS),
    "domain_lowest": MetricEntry("field F1 in the weakest domain", "score", **_OVER_DOMAINS),
}


def entry_of(name: str) -> MetricEntry:
    """Return a metric's entry, whichever reading the name asks for; a KeyError where there is none."""
    return METRICS[name.removesuffix(STRICT_SUFFIX)]


@cache  # asked for each row of each candidate
def field_of(name: str) -> str:
    """Return the field of a row's score that holds a metric's value, "" where the metric computes its own."""
    field = entry_of(name).field
    return field + STRICT_SUFFIX if field and name.endswith(STRICT_SUFFIX) else field


def row_metrics() -> tuple[str, ...]:
    """Return the names of all figures that rows have, lenient ones first, then the strict readings."""
    plain = [name for name, entry in METRICS.items() if not entry.over_domains]
    return (*plain, *(name + STRICT_SUFFIX for name in plain if METRICS[name].strict))


def shown_in(table: TableName) -> tuple[str, ...]:
    """Return the metrics that a kind of table shows, in order."""
    return tuple(name for name, entry in METRICS.items() if table in entry.tables)


def over_domains() -> tuple[str, ...]:
    """Return the figures that are made of the domains' own."""
    return tuple(name for name, entry in METRICS.items() if entry.over_domains)


def metric_title(name: str) -> str:
    """Return a metric's name for people; a strict reading is called so, an unknown name is told as it is."""
    plain = name.removesuffix(STRICT_SUFFIX)
    title = METRICS[plain].title if plain in METRICS else plain.replace("_", " ")
    return f"{title}, strict" if plain != name else title


def as_read(name: str, reads: Literal["lenient", "strict"]) -> str:
    """Return a metric's name under a reading; what reads no calls has one reading only."""
    return name + STRICT_SUFFIX if reads == "strict" and METRICS[name].strict else name


def _known(name: str) -> str:
    names = [known for known, entry in METRICS.items() if entry.gates]
    if name not in names:
        raise ValueError(f"'{name}' is no metric that gates read; write one of {', '.join(map(repr, names))}")
    return name


GateMetric = Annotated[str, AfterValidator(_known)]
