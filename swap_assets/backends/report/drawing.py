"""The canvas of the report's plots: colours, a figure that always gives the same bytes, and its dark twin.

Colours are those of Okabe and Ito, which people with any colour vision tell apart; shape and label say the same again.
"""

from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Plot(NamedTuple):
    """One picture in both colour schemes, its size in CSS pixels, and what it shows in words."""

    light: str
    dark: str
    words: str
    width: int
    height: int


def draw(words: str, height: float, paint: "Callable[..., None]", *, panels: int = 1) -> Plot:
    """Let `paint` fill the axes of so many panels, of so many inches' height; return them as SVG in both schemes."""
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
    return Plot(light=light, dark=dark, words=words, width=width, height=tall)


def colour(index: int) -> str:
    """Return a series' colour; after six they come again, and marker and label tell them apart."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """Return a series' marker; it changes with each round of the colours."""
    return MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]


def lines_for(axes: "Axes", names: list[str]) -> None:
    """Label one line for each name on the vertical axis, the first on top."""
    axes.set_yticks(range(len(names)), [shortened(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def shortened(name: str, limit: int = 42) -> str:
    """Return a name that leaves room for the plot."""
    return name if len(name) <= limit else f"{name[: limit - 1]}…"
