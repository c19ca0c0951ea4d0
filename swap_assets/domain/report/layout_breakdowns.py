"""Sections that break the figures down: by difficulty, kind, domain and origin, JSON quality, no-call, both forms."""

from swap_assets.domain.formats.base import Track
from swap_assets.domain.report.capabilities import ALL, JSON_METRICS, LABEL_METRICS, LabelRow
from swap_assets.domain.report.document import Section, TableView
from swap_assets.domain.report.figures import ABSENT, IN_PERCENT, percent, plain
from swap_assets.domain.report.names import METRIC_TITLES, TRACK_TITLES
from swap_assets.domain.report.report import Report
from swap_assets.domain.scoring.scores import Metric


def by_label(report: Report, split: str, plot: str, title: str) -> Section:
    """Return one test split by its labels; `plot` is the section's anchor."""
    shown = [row for row in report.labels if row.split == split]
    tables = tuple(
        TableView(
            name=f"{split.replace('_', '-')}-{track.value}",
            caption=f"{TRACK_TITLES[track]}: {title.lower()}. {IN_PERCENT}",
            header=("rows of kind", "candidate", "rows", *(METRIC_TITLES[name] for name in LABEL_METRICS)),
            rows=tuple(_label(row) for row in shown if row.track is track),
        )
        for track in Track
        if any(row.track is track for row in shown)
    )
    words = f"Field F1 of tool calls by label, {title.lower()}; the figures are in the tables below."
    return Section(id=plot, title=title, plots=((split, words),), tables=tables)


def other_splits(report: Report) -> Section:
    """Return real and synthetic rows apart, and the test splits without a section of their own."""
    own = ("single_turn", "multi_turn", "domain")
    shown = [row for row in report.labels if row.split not in own and row.track is Track.TOOLCALL]
    names = sorted({row.split for row in shown}, key=lambda name: (name != "origin", name))
    tables = tuple(
        TableView(
            name=f"split-{name.replace('_', '-')}",
            caption=f"Tool calls by {name.replace('_', ' ')}. {IN_PERCENT}",
            header=("rows of kind", "candidate", "rows", *(METRIC_TITLES[metric] for metric in LABEL_METRICS)),
            rows=tuple(_label(row) for row in shown if row.split == name),
            folded=name != "origin",
        )
        for name in names
    )
    return Section(id="splits", title="Real and synthetic rows, and other splits", tables=tables)


def _label(row: LabelRow) -> tuple[str, ...]:
    label = "all of them" if row.label == ALL else row.label.replace("_", " ")
    return (label, row.name, str(row.rows), *(percent(row.metrics.get(name)) for name in LABEL_METRICS))


def json_quality(report: Report) -> Section:
    """Return how clean the answers are."""
    table = TableView(
        name="json-quality",
        caption=f"JSON quality by candidate and form of answer. {IN_PERCENT}",
        header=("candidate", "form", *(METRIC_TITLES[name] for name in JSON_METRICS)),
        rows=tuple(
            (row.name, row.answer_format, *(percent(row.metrics.get(name)) for name in JSON_METRICS))
            for row in report.json_quality
        ),
    )
    return Section(id="json", title="JSON quality", tables=(table,) if table.rows else ())


def domains(report: Report) -> Section:
    """Return the heat map of field F1 over the domains, and how even candidates are."""
    maps = [found for track in Track if (found := _heat_map(report, track))]
    spread = TableView(
        name="domain-spread",
        caption="How even candidates are over the domains (standard deviation of field F1, 0 to 1)",
        header=("candidate", "form", "as measured", "without sampling noise [95 % interval]", "lowest domain"),
        rows=tuple(
            (
                row.name,
                TRACK_TITLES[row.track].lower(),
                _deviation(row.metrics.get("domain_deviation")),
                _deviation(row.metrics.get("domain_deviation_corrected")),
                _lowest(row.metrics.get("domain_lowest")),
            )
            for row in report.domain_spread
        ),
    )
    return Section(id="domains", title="By domain", tables=(*maps, *([spread] if spread.rows else [])))


def _heat_map(report: Report, track: Track) -> TableView | None:
    shown = [row for row in report.labels if row.split == "domain" and row.label != ALL and row.track is track]
    if not shown:
        return None
    names = list(dict.fromkeys(row.name for row in shown))
    value = {(row.name, row.label): row.metrics.get("field_f1") for row in shown}
    cells = {
        key: f"{100 * metric.value:.0f}" if metric and metric.value is not None else ABSENT
        for key, metric in value.items()
    }
    count = {row.label: row.rows for row in shown}
    return TableView(
        name=f"domains-{track.value}",
        caption=f"{TRACK_TITLES[track]}: field F1 by domain, in percent",
        header=("domain", "rows", *names),
        rows=tuple(
            (label, str(count[label]), *(cells.get((name, label), ABSENT) for name in names)) for label in sorted(count)
        ),
        note="A domain has few rows; the table below says how much of the spread is more than chance.",
        heat=True,
    )


def _deviation(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return f"{ABSENT}: {metric.method}" if metric and metric.method else ABSENT
    if metric.low is None or metric.high is None:
        return plain(metric.value)
    return f"{metric.value:.3f} [{metric.low:.2f}–{metric.high:.2f}]"


def _lowest(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return ABSENT
    return f"{metric.method.removeprefix('lowest: ')}: {percent(metric)}"


def no_call(report: Report) -> Section:
    """Return how candidates do where no call is right."""
    table = TableView(
        name="no-call",
        caption=f"Rows on which no call is right. {IN_PERCENT}",
        header=(
            "candidate",
            "form",
            "rows",
            "right not to call",
            "called all the same",
            "silent where a call was right",
        ),
        rows=tuple(
            (
                row.name,
                TRACK_TITLES[row.track].lower(),
                str(row.accuracy.n),
                percent(row.accuracy),
                str(row.called_all_the_same),
                str(row.silent_where_a_call_was_right),
            )
            for row in report.no_call
        ),
    )
    lead = ("A model that calls a function when it should ask back or answer in words does harm by itself.",)
    return Section(id="no-call", title="Knowing when not to call", lead=lead, tables=(table,) if table.rows else ())


def tracks(report: Report) -> Section:
    """Return structured answers against tool calls on identical rows."""
    table = TableView(
        name="tracks",
        caption="The same rows answered in both forms: field F1 in percent",
        header=("candidate", "structured", "tool calls", "structured − tool calls, points [95 % interval]", "rows"),
        rows=tuple(
            (
                row.name,
                f"{100 * row.structured:.1f}",
                f"{100 * row.toolcall:.1f}",
                f"{100 * row.difference:+.1f} [{100 * row.low:+.1f} to {100 * row.high:+.1f}]",
                str(row.rows),
            )
            for row in report.track_pairs
        ),
    )
    return Section(id="tracks", title="Structured answers against tool calls", tables=(table,) if table.rows else ())
