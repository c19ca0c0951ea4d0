"""The plots of the report: scores, the distance to the LLM, labels, failures, losses, scales, latency, cost.

Every figure that is drawn stands in a table beside the plot, and a plot always has the same bytes. Colours are those
that people with any colour vision tell apart; shape and label say the same again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.domain.formats.base import Track
from swap_assets.domain.metrics import metric_title, shown_in
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.figures import ALL, Figure, by_key
from swap_assets.domain.report.verdict import WITHIN_POINTS, compared_in
from swap_assets.domain.report.wording import ABSENT, display_name, spaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008): blue, vermilion, bluish green, reddish purple, orange, sky blue.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, SOFT, GRID, PAGE = "#1c2430", "#4a5666", "#d5dbe4", "#fefefe"
# On a dark page ink and grid change, and the two colours that are too dark for it; the drawing is the same.
_DARK = {INK: "#e7ebf0", SOFT: "#aeb8c5", GRID: "#38414e", PAGE: "#14181f", "#0072b2": "#4aa8e0", "#009e73": "#2fc79a"}
_WIDTH_INCHES = 7.6
_CSS_PIXELS_AN_INCH = 96
_LINE_INCHES = 0.3
_MOST_CLASSES = 6  # failure classes with a colour of their own; the rest is one
_MOST_CURVES = 6  # more cannot be told apart; the table has all


class Plot(NamedTuple):
    """One picture in both colour schemes, its size in CSS pixels, and what it shows in words."""

    light: str
    dark: str
    words: str
    width: int
    height: int


def draw_plots(report: Report) -> dict[str, Plot]:
    """Return every plot that has something to show, by the name that the document calls it."""
    drawn = {"scores": _scores(report), "comparison": _comparison(report),
             **{split: _by_label(report, split) for split in ("single_turn", "multi_turn")},
             "failures": _failures(report), "learning": _learning(report), "scales": _scales(report),
             "latency": _latency(report), "cost": _cost(report)}  # fmt: skip
    return {name: plot for name, plot in drawn.items() if plot}


def _of_calls(report: Report, split: str) -> list[Figure]:
    return [item for item in report.figures if (item.split, item.track) == (split, Track.TOOLCALL)]


def _scores(report: Report) -> Plot | None:
    """Draw the metrics that are drawn of every candidate's tool calls."""
    ids = [note.candidate_id for note, _ in report.answered(Track.TOOLCALL)]
    found = {(item.candidate_id, item.metric): item for item in _of_calls(report, "")}
    shown = shown_in("plots")
    panels = {f"{metric_title(name)}, %": [found[one, name] for one in ids if (one, name) in found] for name in shown}
    words = (f"{display_name(one)} {' and '.join(_number(found.get((one, name))) for name in shown)}" for one in ids)
    titles = " and ".join(map(metric_title, shown))
    return _intervals(panels, ids, f"{titles[:1].upper()}{titles[1:]}, in percent", words)


def _by_label(report: Report, split: str) -> Plot | None:
    """Draw the first metric that is drawn of tool calls for each label of a test split, one panel a label."""
    name, *_ = shown_in("plots")
    title = metric_title(name)
    rows = [item for item in _of_calls(report, split) if item.metric == name and item.label != ALL]
    labels = dict.fromkeys(item.label for item in rows)
    panels = {f"{spaced(label)}, {title} %": [item for item in rows if item.label == label] for label in labels}
    words = (f"{spaced(item.label)}, {display_name(item.candidate_id)} {_number(item)}" for item in rows)
    ids = list(dict.fromkeys(item.candidate_id for item in rows))
    return _intervals(panels, ids, f"{title[:1].upper()}{title[1:]} in percent", words)


def _intervals(
    panels: Mapping[str, Sequence[Figure]], ids: Sequence[str], opening: str, words: Iterable[str]
) -> Plot | None:
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
                    axes.plot([100 * item.low, 100 * item.high], [line, line], color=_colour(place), linewidth=2)
                axes.plot([100 * item.value], [line], marker=_marker(place), color=_colour(place), markersize=6.5)
            axes.set_title(title, loc="left")
            axes.set_xlim(-2, 102)
            _lines_for(axes, list(map(display_name, ids)))

    return _draw(opening, words, 0.9 + _LINE_INCHES * len(ids), paint, panels=len(panels))


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
        _lines_for(axes, [display_name(item.candidate_id) for item in rows])

    words = (f"{display_name(item.candidate_id)} {item.delta_points:+.1f} ({item.low_points:+.1f} to "
             f"{item.high_points:+.1f})" for item in rows)  # fmt: skip
    return _draw("Points behind the LLM with 95 % intervals", words, 1.0 + _LINE_INCHES * len(rows), paint)


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
            start, parts = 0, {name: own.get(name, 0) for name in named}
            parts["all other classes"] = sum(own.values()) - sum(parts.values())
            for place, (name, count) in enumerate(parts.items()):
                axes.barh(line, count, left=start, color=COLOURS[place] if place < len(named) else SOFT,
                          edgecolor="#ffffff", linewidth=0.6, height=0.7,
                          label=spaced(name) if line == 0 else None)  # fmt: skip
                start += count
        axes.set_xlabel("wrong rows")
        _lines_for(axes, list(map(display_name, counts)))
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.9 / len(counts) - 0.1), ncols=4, fontsize=8)

    classes = {key: ", ".join(f"{spaced(name)} {count}" for name, count in own.items()) for key, own in counts.items()}
    words = (f"{display_name(candidate)} {told or 'none'}" for candidate, told in classes.items())
    return _draw("Wrong tool calls by class", words, 1.0 + _LINE_INCHES * len(counts), paint)


def _learning(report: Report) -> Plot | None:
    """Draw the training losses, and the validation losses dashed."""
    runs = {f"{display_name(run.candidate_id)}, {run.adapter}": run for run in report.trainings if run.loss}
    runs = dict(list(runs.items())[:_MOST_CURVES])
    if not runs:
        return None

    def paint(axes: "Axes") -> None:
        for place, (name, run) in enumerate(runs.items()):
            styles: list[dict[str, Any]] = [{"label": _shortened(name, 60)}, {"ls": "--", "marker": _marker(place)}]
            for points, style in zip((run.loss, run.validation), styles, strict=True):
                epochs, losses = [point.epoch for point in points], [point.loss for point in points]
                axes.plot(epochs, losses, color=_colour(place), linewidth=1.4, **style)
        axes.set_xlabel("epoch; solid: training, dashed with markers: validation")
        axes.set(ylabel="loss, nats per trained token", ylim=(0, None))
        axes.legend(loc="upper right", fontsize=8)

    words = (f"{name} {run.loss[0].loss:.3f} to {run.loss[-1].loss:.3f}" for name, run in runs.items())
    return _draw("Training loss, first to last", words, 3.0, paint)


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
            axes.plot(*zip(*own, strict=True), color=_colour(place), marker=_marker(place), label=_shortened(name))
        axes.set(xscale="log", xlabel="training rows", ylabel="field F1, %")
        axes.set_xticks([rows for _, rows, _ in found], [str(rows) for _, rows, _ in found])
        axes.minorticks_off()
        axes.legend(loc="best", fontsize=8)

    words = (f"{name} {value:.1f} at {rows}" for name, rows, value in found)
    return _draw("Field F1 in percent by training rows", words, 2.8, paint)


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
                    axes.plot([value], [line], marker=_marker(place), color=COLOURS[place], markerfacecolor=face,
                              markersize=7, linestyle="none", label=name[:3] if line == 0 else None)  # fmt: skip
        axes.set_xlabel("seconds; hollow: a share of a batch, not a response time")
        axes.set_xlim(left=0)
        _lines_for(axes, [display_name(row.candidate_id) for row in rows])
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)

    words = (f"{display_name(row.candidate_id)} {row.value:.3f}" for row in rows)
    return _draw("Seconds per tool-call answer, p50", words, 1.0 + _LINE_INCHES * len(rows), paint)


def _cost(report: Report) -> Plot | None:
    """Draw what 1,000 requests cost against utilisation, beside the LLM's price."""
    found = report.cost
    hosted = found.value("hosted") if found else None
    if found is None or not found.at_utilisation or hosted is None:
        return None
    name = display_name(found.candidate_id)

    def paint(axes: "Axes") -> None:
        busy = [100 * row.utilisation for row in found.at_utilisation]
        axes.plot(busy, [row.swapped_per_thousand for row in found.at_utilisation], color=COLOURS[0], marker="o",
                  label=f"{_shortened(name)}, with what falls back")  # fmt: skip
        axes.axhline(1000 * hosted, color=COLOURS[1], linestyle="--", label="the LLM for everything")
        needed = found.break_even_utilisation
        if needed is not None and needed <= 1:
            axes.axvline(100 * needed, color=INK, linewidth=1, label=f"break-even at {100 * needed:.1f} %")
        axes.set(yscale="log", xlabel="utilisation of the card, %", ylabel=f"1,000 requests, {found.currency}")
        for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            which(lambda value, _place: f"{value:g}")  # the scale's own are written as mathematics
        axes.legend(loc="best", fontsize=8)

    words = (*(f"{100 * row.utilisation:.0f} % {row.swapped_per_thousand:.4g}" for row in found.at_utilisation),
             f"the LLM {1000 * hosted:.4g} {found.currency}")  # fmt: skip
    return _draw(f"1,000 requests of {name} against utilisation", words, 2.8, paint)


def _number(found: Figure | None) -> str:
    return ABSENT if found is None or found.value is None else f"{100 * found.value:.1f}"


def _draw(opening: str, parts: Iterable[str], height: float, paint: "Callable[..., None]", *, panels: int = 1) -> Plot:
    """Let `paint` fill the axes of so many panels, of so many inches' height; return them as SVG in both schemes.

    `opening` and `parts` say in words what it shows. The bytes are the same each time.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.hashsalt": "report", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
        "font.sans-serif": ["DejaVu Sans", "Liberation Sans", "Arial", "Helvetica"], "text.color": INK,
        "axes.edgecolor": SOFT, "axes.labelcolor": INK, "axes.titlesize": 9.5, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID,
        "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
        "legend.frameon": False, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
        "text.parse_math": False,  # a name may hold a dollar sign
    }  # fmt: skip
    with mpl.rc_context(settings):
        figure = Figure(figsize=(_WIDTH_INCHES, height))
        FigureCanvasSVG(figure)
        paint(*figure.subplots(1, panels, sharey=True, squeeze=False)[0])
        image = StringIO()
        figure.savefig(image, format="svg", metadata={"Date": None}, bbox_inches="tight", pad_inches=0.05)
    light = dark = image.getvalue()
    for one, other in _DARK.items():
        dark = dark.replace(one, other)
    head = light[light.index("<svg") :].partition(">")[0]
    width, tall = (round(float(head.split(f'{name}="')[1].split("pt")[0]) / 72 * _CSS_PIXELS_AN_INCH)
                   for name in ("width", "height"))  # fmt: skip
    return Plot(light, dark, f"{opening}: {'; '.join(parts)}", width, tall)


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]  # after six they come again, and marker and label tell them apart


def _marker(index: int) -> str:
    return MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]  # another with each round of the colours


def _lines_for(axes: "Axes", names: list[str]) -> None:
    """Label one line for each name on the vertical axis, the first on top."""
    axes.set_yticks(range(len(names)), [_shortened(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def _shortened(name: str, limit: int = 42) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"
