"""Which plots a report has. How each is drawn lives in `plots_results` and `plots_effort`.

Every figure that is drawn stands in a table beside the plot.
"""

from swap_assets.backends.report import plots_effort, plots_results
from swap_assets.backends.report.drawing import Plot
from swap_assets.domain.report.report import Report


def draw_plots(report: Report) -> dict[str, Plot]:
    """Return every plot that has something to show, by the name that the document calls it."""
    drawn = {
        "scores": plots_results.scores(report),
        "comparison": plots_results.comparison(report),
        "single_turn": plots_results.by_label(report, "single_turn"),
        "multi_turn": plots_results.by_label(report, "multi_turn"),
        "failures": plots_results.failures(report),
        "learning": plots_effort.learning(report),
        "scales": plots_effort.scales(report),
        "latency": plots_effort.latency(report),
        "cost": plots_effort.cost(report),
    }
    return {name: plot for name, plot in drawn.items() if plot}
