"""The plots of the report: scores, the distance to the LLM, labels, failures, losses, scales, latency, cost.

Every figure that is drawn stands in a table beside the plot. The canvas lives in `drawing`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swap_assets.backends.report.drawing import COLOURS, INK, SOFT, Plot, colour, draw, lines_for, marker, shortened
from swap_assets.domain.formats.base import Track
from swap_assets.domain.metrics import metric_title
from swap_assets.domain.report.figures import ALL, Figure, by_key
from swap_assets.domain.report.report import Report
from swap_assets.domain.report.verdict import WITHIN_POINTS, compared_in
from swap_assets.domain.report.wording import ABSENT, display_name, spaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE_INCHES = 0.3
_MOST_CLASSES = 6  # failure classes with a colour of their own; the rest is one
_MOST_CURVES = 6  # more cannot be told apart; the table has all


def draw_plots(report: Report) -> dict[str, Plot]:
    """Return every plot that has something to show, by the name that the document calls it."""
    drawn = {"scores": _scores(report), "comparison": _comparison(report),
             **{split: _by_label(report, split) for split in ("single_turn", "multi_turn")},
             "failures": _failures(report), "learning": _learning(report), "scales": _scales(report),
             "latency": _latency(report), "cost": _cost(report)}  # fmt: skip
    return {name: plot for name, plot in drawn.items() if plot}


def _said(opening: str, parts: Iterable[str]) -> str:
    return f"{opening}: {'; '.join(parts)}"


def _of_calls(report: Report, split: str) -> list[Figure]:
    return [item for item in report.figures if (item.split, item.track) == (split, Track.TOOLCALL)]


def _scores(report: Report) -> Plot | None:
    """Draw field F1 and whole answers exact of every candidate's tool calls."""
    ids = [note.candidate_id for note, _ in report.answered(Track.TOOLCALL)]
    found = {(item.candidate_id, item.metric): item for item in _of_calls(report, "")}
    shown = ("field_f1", "exact_match")
    panels = {f"{metric_title(name)}, %": [found[one, name] for one in ids if (one, name) in found] for name in shown}
    words = (f"{display_name(one)} {' and '.join(_number(found.get((one, name))) for name in shown)}" for one in ids)
    return _intervals(panels, ids, _said("Field F1 and whole answers exact, in percent", words))


def _by_label(report: Report, split: str) -> Plot | None:
    """Draw field F1 of tool calls for each label of a test split, one panel a label."""
    rows = [item for item in _of_calls(report, split) if item.metric == "field_f1" and item.label != ALL]
    labels = dict.fromkeys(item.label for item in rows)
    panels = {f"{spaced(label)}, field F1 %": [item for item in rows if item.label == label] for label in labels}
    words = (f"{spaced(item.label)}, {display_name(item.candidate_id)} {_number(item)}" for item in rows)
    ids = list(dict.fromkeys(item.candidate_id for item in rows))
    return _intervals(panels, ids, _said("Field F1 in percent", words))


def _intervals(panels: Mapping[str, Sequence[Figure]], ids: Sequence[str], words: str) -> Plot | None:
    """Draw one panel beside the other, a line for each candidate, each figure with its 95 % interval."""
    if not ids:
        return None

    def paint(*all_axes: "Axes") -> None:
        for place, (axes, (title, figures)) in enumerate(zip(all_axes, panels.items(), strict=True)):
            for item in figures:
                if item.value is None:
                    continue
                line = ids.index(item.candidate_id)
                if item.low is not None and item.high is not None:
                    axes.plot([100 * item.low, 100 * item.high], [line, line], color=colour(place), linewidth=2)
                axes.plot([100 * item.value], [line], marker=marker(place), color=colour(place), markersize=6.5)
            axes.set_title(title, loc="left")
            axes.set_xlim(-2, 102)
            lines_for(axes, list(map(display_name, ids)))

    return draw(words, 0.9 + _LINE_INCHES * len(ids), paint, panels=len(panels))


def _comparison(report: Report) -> Plot | None:
    """Draw LLM − SLM of every candidate in the metric that decides, with what is allowed."""
    rows = compared_in(report.comparisons, report.metric)
    if not rows:
        return None

    def paint(axes: "Axes") -> None:
        for line, item in enumerate(rows):
            axes.plot([item.low_points, item.high_points], [line, line], color=COLOURS[0], linewidth=2)
            axes.plot([item.delta_points], [line], marker="o", color=COLOURS[0], markersize=7)
        axes.axvline(0, color=INK, linewidth=1.2)
        axes.axvline(WITHIN_POINTS, color=COLOURS[1], linewidth=1.2, linestyle="--")
        axes.set_xlabel(f"points behind {display_name(report.llm_id)} in {metric_title(report.metric)}; "
                        f"solid line: level, dashed: {WITHIN_POINTS:g} points")  # fmt: skip
        lines_for(axes, [display_name(item.candidate_id) for item in rows])

    words = (f"{display_name(item.candidate_id)} {item.delta_points:+.1f} ({item.low_points:+.1f} to "
             f"{item.high_points:+.1f})" for item in rows)  # fmt: skip
    return draw(_said("Points behind the LLM with 95 % intervals", words), 1.0 + _LINE_INCHES * len(rows), paint)


def _failures(report: Report) -> Plot | None:
    """Draw each candidate's wrong tool calls by class as one stacked bar."""
    counts: dict[str, dict[str, int]] = {note.candidate_id: {} for note, _ in report.answered(Track.TOOLCALL)}
    totals: Counter[str] = Counter()
    for item in _of_calls(report, "failures"):
        counts[item.candidate_id][item.label] = int(item.value or 0)
        totals[item.label] += int(item.value or 0)
    if not totals:
        return None
    named = sorted(totals, key=lambda name: (-totals[name], name))[:_MOST_CLASSES]

    def paint(axes: "Axes") -> None:
        for line, own in enumerate(counts.values()):
            start = 0
            parts = [(name, own.get(name, 0)) for name in named]
            parts.append(("all other classes", sum(own.values()) - sum(count for _, count in parts)))
            for place, (name, count) in enumerate(parts):
                axes.barh(line, count, left=start, color=COLOURS[place] if place < len(named) else SOFT,
                          edgecolor="#ffffff", linewidth=0.6, height=0.7,
                          label=spaced(name) if line == 0 else None)  # fmt: skip
                start += count
        axes.set_xlabel("wrong rows")
        lines_for(axes, list(map(display_name, counts)))
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.9 / len(counts) - 0.1), ncols=4, fontsize=8)

    classes = {key: ", ".join(f"{spaced(name)} {count}" for name, count in own.items()) for key, own in counts.items()}
    words = (f"{display_name(candidate)} {told or 'none'}" for candidate, told in classes.items())
    return draw(_said("Wrong tool calls by class", words), 1.0 + _LINE_INCHES * len(counts), paint)


def _learning(report: Report) -> Plot | None:
    """Draw the training losses, and the validation losses dashed."""
    runs = [run for run in report.trainings if run.loss][:_MOST_CURVES]
    names = [f"{display_name(run.candidate_id)}, {run.adapter}" for run in runs]
    if not runs:
        return None

    def paint(axes: "Axes") -> None:
        for place, (run, name) in enumerate(zip(runs, names, strict=True)):
            solid: dict[str, Any] = {"label": shortened(name, 60)}
            dashed: dict[str, Any] = {"linestyle": "--", "marker": marker(place)}
            for points, style in ((run.loss, solid), (run.validation, dashed)):
                axes.plot([point.epoch for point in points], [point.loss for point in points], color=colour(place),
                          linewidth=1.4, **style)  # fmt: skip
        axes.set_xlabel("epoch; solid: training, dashed with markers: validation")
        axes.set_ylabel("loss, nats per trained token")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right", fontsize=8)

    words = (f"{name} {run.loss[0].loss:.3f} to {run.loss[-1].loss:.3f}" for name, run in zip(names, runs, strict=True))
    return draw(_said("Training loss, first to last", words), 3.0, paint)


def _scales(report: Report) -> Plot | None:
    """Draw field F1 by number of training rows, where several scales were measured."""
    known = [item for item in _of_calls(report, "scales") if item.label in report.train_rows and item.value is not None]
    found = [(display_name(item.candidate_id), report.train_rows[item.label], 100 * (item.value or 0.0))
             for item in known if item.metric == "field_f1"]  # fmt: skip
    if len({item.label for item in known if item.value}) < 2:
        return None

    def paint(axes: "Axes") -> None:
        for place, name in enumerate(dict.fromkeys(name for name, _, _ in found)):
            own = [(rows, value) for series, rows, value in found if series == name]
            axes.plot(*zip(*own, strict=True), color=colour(place), marker=marker(place), label=shortened(name))
        axes.set_xscale("log")
        axes.set_xticks([rows for _, rows, _ in found], [str(rows) for _, rows, _ in found])
        axes.minorticks_off()
        axes.set_xlabel("training rows")
        axes.set_ylabel("field F1, %")
        axes.legend(loc="best", fontsize=8)

    words = (f"{name} {value:.1f} at {rows}" for name, rows, value in found)
    return draw(_said("Field F1 in percent by training rows", words), 2.8, paint)


def _latency(report: Report) -> Plot | None:
    """Draw the latency percentiles of tool calls; hollow marks are shares of a batch."""
    found = by_key(_of_calls(report, "effort"))
    rows = [item for item in found.values() if item.metric == "p50_s" and item.value is not None]
    if not rows:
        return None

    def paint(axes: "Axes") -> None:
        for line, row in enumerate(rows):
            for place, name in enumerate(("p50_s", "p95_s", "p99_s")):
                value = found[(*row.key[:-1], name)].value
                face = "none" if row.method == "batch_share" else COLOURS[place]
                if value is not None:
                    axes.plot([value], [line], marker=marker(place), color=COLOURS[place], markerfacecolor=face,
                              markersize=7, linestyle="none", label=name[:3] if line == 0 else None)  # fmt: skip
        axes.set_xlabel("seconds; hollow: a share of a batch, not a response time")
        axes.set_xlim(left=0)
        lines_for(axes, [display_name(row.candidate_id) for row in rows])
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)

    words = (f"{display_name(row.candidate_id)} {row.value:.3f}" for row in rows)
    return draw(_said("Seconds per tool-call answer, p50", words), 1.0 + _LINE_INCHES * len(rows), paint)


def _cost(report: Report) -> Plot | None:
    """Draw what 1,000 requests cost against utilisation, beside the LLM's price."""
    found = report.cost
    hosted = found.value("hosted") if found else None
    if found is None or not found.at_utilisation or hosted is None:
        return None

    def paint(axes: "Axes") -> None:
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

    words = [f"{100 * row.utilisation:.0f} % {row.swapped_per_thousand:.4g}" for row in found.at_utilisation]
    words.append(f"the LLM {1000 * hosted:.4g} {found.currency}")
    return draw(_said(f"1,000 requests of {found.name} against utilisation", words), 2.8, paint)


def _number(found: Figure | None) -> str:
    return ABSENT if found is None or found.value is None else f"{100 * found.value:.1f}"
