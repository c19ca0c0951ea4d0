"""Plots of how good the candidates are: scores, the distance to the LLM, scores by label, failures by class."""

from typing import TYPE_CHECKING

from swap_assets.backends.report.drawing import COLOURS, INK, SOFT, Plot, colour, draw, lines_for, marker
from swap_assets.domain.formats.base import Track
from swap_assets.domain.report.capabilities import ALL
from swap_assets.domain.report.comparison import WITHIN_POINTS
from swap_assets.domain.report.names import METRIC_TITLES, class_title, display_name, metric_title
from swap_assets.domain.report.report import Report
from swap_assets.domain.scoring.scores import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE_INCHES = 0.3
_MOST_CLASSES = 6  # failure classes with a colour of their own; the rest is one


def scores(report: Report) -> Plot | None:
    """Draw field F1 and whole answers exact of every candidate's tool calls."""
    rows = [row for row in report.rows if row.track is Track.TOOLCALL]
    shown = ("field_f1", "exact_match")
    if not rows:
        return None

    def paint(figure: "Figure") -> None:
        for place, (name, axes) in enumerate(zip(shown, figure.subplots(1, 2, sharey=True), strict=True)):
            for line, row in enumerate(rows):
                _interval(axes, row.metrics.get(name), line, colour(place), marker(place))
            axes.set_title(f"{METRIC_TITLES[name]}, %", loc="left")
            axes.set_xlim(-2, 102)
            lines_for(axes, [row.name for row in rows])

    words = "Field F1 and whole answers exact, in percent: " + "; ".join(
        f"{row.name} {_number(row.metrics.get('field_f1'))} and {_number(row.metrics.get('exact_match'))}"
        for row in rows
    )
    return draw(words, 0.9 + _LINE_INCHES * len(rows), paint)


def comparison(report: Report) -> Plot | None:
    """Draw LLM − SLM of every candidate in the metric that decides, with what is allowed."""
    rows = [item for item in report.comparisons if item.contrast.metric == report.metric]
    rows = [item for item in rows if item.contrast.track is Track.TOOLCALL]
    if not rows:
        return None

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for line, item in enumerate(rows):
            found = item.contrast
            axes.plot([found.low_points, found.high_points], [line, line], color=COLOURS[0], linewidth=2)
            axes.plot([found.delta_points], [line], marker="o", color=COLOURS[0], markersize=7)
        axes.axvline(0, color=INK, linewidth=1.2)
        axes.axvline(WITHIN_POINTS, color=COLOURS[1], linewidth=1.2, linestyle="--")
        axes.set_xlabel(f"points behind {display_name(report.llm_id)} in {metric_title(report.metric)}; "
                        f"solid line: level, dashed: {WITHIN_POINTS:g} points")  # fmt: skip
        lines_for(axes, [item.name for item in rows])

    words = "Points behind the LLM with 95 % intervals: " + "; ".join(
        f"{item.name} {item.contrast.delta_points:+.1f} ({item.contrast.low_points:+.1f} to "
        f"{item.contrast.high_points:+.1f})"
        for item in rows
    )
    return draw(words, 1.0 + _LINE_INCHES * len(rows), paint)


def by_label(report: Report, split: str) -> Plot | None:
    """Draw field F1 of tool calls for each label of a test split, one panel a label."""
    rows = [row for row in report.labels if row.split == split and row.label != ALL and row.track is Track.TOOLCALL]
    labels = list(dict.fromkeys(row.label for row in rows))
    names = list(dict.fromkeys(row.name for row in rows))
    if not rows:
        return None

    def paint(figure: "Figure") -> None:
        for place, (label, axes) in enumerate(
            zip(labels, figure.subplots(1, len(labels), sharey=True, squeeze=False)[0], strict=True)
        ):
            for row in rows:
                if row.label == label:
                    _interval(axes, row.metrics.get("field_f1"), names.index(row.name), colour(place), marker(place))
            axes.set_title(f"{label.replace('_', ' ')}, field F1 %", loc="left")
            axes.set_xlim(-2, 102)
            lines_for(axes, names)

    words = "Field F1 in percent: " + "; ".join(
        f"{row.label.replace('_', ' ')}, {row.name} {_number(row.metrics.get('field_f1'))}" for row in rows
    )
    return draw(words, 0.9 + _LINE_INCHES * len(names), paint)


def failures(report: Report) -> Plot | None:
    """Draw each candidate's wrong tool calls by class as one stacked bar."""
    rows = [row for row in report.failures if row.track is Track.TOOLCALL]
    totals: dict[str, int] = {}
    for row in rows:
        for name, count in row.counts.items():
            totals[name] = totals.get(name, 0) + count
    if not totals:
        return None
    named = sorted(totals, key=lambda name: (-totals[name], name))[:_MOST_CLASSES]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for line, row in enumerate(rows):
            start = 0
            parts = [(name, row.counts.get(name, 0)) for name in named]
            parts.append(("all other classes", sum(row.counts.values()) - sum(count for _, count in parts)))
            for place, (name, count) in enumerate(parts):
                fill = COLOURS[place] if place < len(named) else SOFT
                label = class_title(name) if line == 0 else None
                axes.barh(
                    line, count, left=start, color=fill, edgecolor="#ffffff", linewidth=0.6, height=0.7, label=label
                )
                start += count
        axes.set_xlabel("wrong rows")
        lines_for(axes, [row.name for row in rows])
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.9 / len(rows) - 0.1), ncols=4, fontsize=8)

    words = "Wrong tool calls by class: " + "; ".join(
        f"{row.name} {', '.join(f'{class_title(name)} {count}' for name, count in row.counts.items()) or 'none'}"
        for row in rows
    )
    return draw(words, 1.0 + _LINE_INCHES * len(rows), paint)


def _interval(axes: "Axes", metric: Metric | None, line: int, shade: str, sign: str) -> None:
    if metric is None or metric.value is None:
        return
    if metric.low is not None and metric.high is not None:
        axes.plot([100 * metric.low, 100 * metric.high], [line, line], color=shade, linewidth=2)
    axes.plot([100 * metric.value], [line], marker=sign, color=shade, markersize=6.5)


def _number(metric: Metric | None) -> str:
    return "not measured" if metric is None or metric.value is None else f"{100 * metric.value:.1f}"
