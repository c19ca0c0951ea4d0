"""`swap-assets plan`: what would run, and what it would cost, before anything starts."""

from rich.console import Console
from rich.table import Table

from swap_assets.backends.datasets.loading import SourceError, load_source
from swap_assets.cli.environment import Config, experiment_or_exit, fail
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.plan import HERMES_LENGTHS, Plan, TextLengths, build_plan, measured_lengths
from swap_assets.domain.splits.scale_split import TooFewRowsError, split_scale


def plan(config: Config = None) -> None:
    """Print the calls, tokens, cost and GPU hours of an experiment; nothing is started and nothing is downloaded."""
    experiment = experiment_or_exit(config)
    made = build_plan(experiment, _lengths(experiment))  # ends the command where the rows can't fill the sizes
    console = Console()
    size = f"{len(experiment.models)} models x {len(experiment.scales)} scales"
    console.print(f"[bold]{experiment.name}[/]: {size}, beside {experiment.hosted_model.key}")
    console.print(f"Text lengths: {made.lengths.basis}. Calls are an upper bound.\n")
    console.print(_answers(experiment, made))
    console.print(_trainings(made))
    if made.gpu_cost is not None:
        console.print(f"GPU time in all: {made.gpu_cost:.2f} {experiment.prices.currency}, if every gate opens.")


def _lengths(experiment: Experiment) -> TextLengths:
    """Measure the source's rows and check that they fill every size; a hub's rows are taken from Hermes' medians."""
    if experiment.source.kind == "hub":
        return HERMES_LENGTHS
    try:
        rows = load_source(experiment.source).conversations
        for scale in experiment.scales:
            split_scale(
                rows, scale=scale, scales=experiment.scales, release_test=experiment.release_test, seed=experiment.seed
            )
    except (SourceError, TooFewRowsError) as error:
        raise fail(str(error)) from None
    return measured_lengths(rows)


def _answers(experiment: Experiment, made: Plan) -> Table:
    table = Table("what", "LLM calls", "tokens in", "tokens out", "cost", "local answers")
    for scale, estimate in made.hosted.items():
        cost = "no price" if estimate.cost is None else f"{estimate.cost:.2f} {experiment.prices.currency}"
        table.add_row(
            scale,
            f"{estimate.calls:,}",
            f"{estimate.prompt_tokens:,}",
            f"{estimate.completion_tokens:,}",
            cost,
            f"{made.local_answers[scale]:,}",
        )
    return table


def _trainings(made: Plan) -> Table:
    table = Table("training", "adapters x rows x epochs", "trains", "GPU hours")
    for item in made.trainings:
        hours = "–" if item.gpu_hours is None else f"{item.gpu_hours:.2f}"
        amount = f"{item.adapters} x {item.rows} x {item.epochs}"
        table.add_row(f"{item.model} at {item.scale}, {item.approach}", amount, item.condition, hours)
    return table
