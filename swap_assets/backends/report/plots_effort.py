"""Plots of what it takes: losses, score by scale, latency, cost against utilisation."""

from typing import TYPE_CHECKING

from swap_assets.backends.report.drawing import COLOURS, INK, Plot, colour, draw, lines_for, marker, shortened
from swap_assets.domain.formats.base import Track
from swap_assets.domain.report.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINE_INCHES = 0.3
_MOST_CURVES = 6  # more cannot be told apart; the table has all


def learning(report: Report) -> Plot | None:
    """Draw the training losses, and the validation losses dashed."""
    rows = [row for row in report.learning if row.training][:_MOST_CURVES]
    if not rows:
        return None

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for place, row in enumerate(rows):
            label = shortened(f"{row.name}, {row.adapter}", 60)
            axes.plot([point.epoch for point in row.training], [point.loss for point in row.training],
                      color=colour(place), linewidth=1.4, label=label)  # fmt: skip
            axes.plot([point.epoch for point in row.validation], [point.loss for point in row.validation],
                      color=colour(place), linewidth=1.4, linestyle="--", marker=marker(place))  # fmt: skip
        axes.set_xlabel("epoch; solid: training, dashed with markers: validation")
        axes.set_ylabel("loss, nats per trained token")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right", fontsize=8)

    words = "Training loss, first to last: " + "; ".join(
        f"{row.name}, {row.adapter} {row.training[0].loss:.3f} to {row.training[-1].loss:.3f}" for row in rows
    )
    return draw(words, 3.0, paint)


def scales(report: Report) -> Plot | None:
    """Draw field F1 by number of training rows, where several scales were measured."""
    points = [point for point in report.scales if point.train_rows is not None and point.field_f1.value is not None]
    if len({point.scale for point in points}) < 2:
        return None
    names = list(dict.fromkeys(point.series for point in points))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for place, name in enumerate(names):
            own = [point for point in points if point.series == name]
            axes.plot([point.train_rows or 0 for point in own], [100 * (point.field_f1.value or 0) for point in own],
                      color=colour(place), marker=marker(place), label=shortened(name))  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks([point.train_rows or 0 for point in points], [str(point.train_rows) for point in points])
        axes.minorticks_off()
        axes.set_xlabel("training rows")
        axes.set_ylabel("field F1, %")
        axes.legend(loc="best", fontsize=8)

    words = "Field F1 in percent by training rows: " + "; ".join(
        f"{point.series} {100 * (point.field_f1.value or 0):.1f} at {point.train_rows}" for point in points
    )
    return draw(words, 2.8, paint)


def latency(report: Report) -> Plot | None:
    """Draw the latency percentiles of tool calls; hollow marks are shares of a batch."""
    rows = [row for row in report.latency if row.p50_s is not None and row.track is Track.TOOLCALL]
    if not rows:
        return None
    shown = ("p50_s", "p95_s", "p99_s")

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for line, row in enumerate(rows):
            for place, name in enumerate(shown):
                value = getattr(row, name)
                face = "none" if row.kind == "batch_share" else COLOURS[place]
                if value is not None:
                    axes.plot([value], [line], marker=marker(place), color=COLOURS[place], markerfacecolor=face,
                              markersize=7, linestyle="none", label=name[:3] if line == 0 else None)  # fmt: skip
        axes.set_xlabel("seconds; hollow: a share of a batch, not a response time")
        axes.set_xlim(left=0)
        lines_for(axes, [row.name for row in rows])
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)

    words = "Seconds per tool-call answer, p50: " + "; ".join(f"{row.name} {row.p50_s:.3f}" for row in rows)
    return draw(words, 1.0 + _LINE_INCHES * len(rows), paint)


def cost(report: Report) -> Plot | None:
    """Draw what 1,000 requests cost against utilisation, beside the LLM's price."""
    found = report.cost
    hosted = found.value("hosted") if found else None
    if found is None or not found.at_utilisation or hosted is None:
        return None

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        busy = [100 * row.utilisation for row in found.at_utilisation]
        axes.plot(busy, [row.swapped_per_thousand for row in found.at_utilisation], color=COLOURS[0], marker="o",
                  label=f"{shortened(found.name)}, with what falls back")  # fmt: skip
        axes.axhline(1000 * hosted, color=COLOURS[1], linestyle="--", label="the LLM for everything")
        needed = found.break_even_utilisation
        if needed is not None and needed <= 1:
            axes.axvline(100 * needed, color=INK, linewidth=1, label=f"break-even at {100 * needed:.1f} %")
        axes.set_yscale("log")
        for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            which(lambda value, _place: f"{value:g}")  # the scale's own are written as mathematics
        axes.set_xlabel("utilisation of the card, %")
        axes.set_ylabel(f"1,000 requests, {found.currency}")
        axes.legend(loc="best", fontsize=8)

    words = f"1,000 requests of {found.name} against utilisation: " + "; ".join(
        f"{100 * row.utilisation:.0f} % {row.swapped_per_thousand:.4g}" for row in found.at_utilisation
    )
    return draw(f"{words}; the LLM {1000 * hosted:.4g} {found.currency}", 2.8, paint)
