"""A data set's profile as SVG: the labels as bars, the lengths as histograms. The same profile gives the same bytes."""

from io import StringIO
from typing import TYPE_CHECKING

from swap_assets.domain.profile import DatasetProfile, LengthProfile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = ("domain", "single_turn", "multi_turn", "turn")
_BLUE, _RED = "#3b6ea5", "#b5483a"


def profile_svg(profile: DatasetProfile) -> str:
    """Return one SVG image: label counts on the left, a histogram for each measured length on the right."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    labels = [label for label in _LABELS if profile.labels.get(label)]
    rows = max(len(labels), len(profile.lengths), 1)
    with mpl.rc_context({"svg.hashsalt": "profile", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(11, 2.1 * rows), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(rows, 2, squeeze=False)
        for row in range(rows):
            left, right = axes[row]
            _draw_label(left, labels[row], profile) if row < len(labels) else left.set_axis_off()
            _draw_lengths(right, profile.lengths[row]) if row < len(profile.lengths) else right.set_axis_off()
        image = StringIO()
        figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()


def _draw_label(axes: "Axes", label: str, profile: DatasetProfile) -> None:
    counts = profile.labels[label]
    axes.bar(list(counts), list(counts.values()), color=_BLUE)
    axes.set_title(f"{label} (cases)", loc="left")
    axes.tick_params(axis="x", rotation=30)


def _draw_lengths(axes: "Axes", lengths: LengthProfile) -> None:
    width = lengths.edges[1] - lengths.edges[0] if len(lengths.edges) > 1 else 1
    axes.bar(lengths.edges, lengths.counts, width=width, align="edge", color=_BLUE)
    title = f"{lengths.name} ({lengths.unit}), p50 {lengths.p50:,}, p95 {lengths.p95:,}"
    if lengths.limit is not None:
        axes.axvline(lengths.limit, color=_RED)
        title += f"; {lengths.over_limit:,} of {lengths.count:,} over {lengths.limit:,}"
    axes.set_title(title, loc="left")
