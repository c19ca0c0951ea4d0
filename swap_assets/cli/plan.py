"""Before anything starts: `swap-assets plan`, what would run at what cost, and `doctor`, is all there that it needs."""

import typer
from rich.console import Console
from rich.table import Table

from swap_assets.backends.datasets.loading import SourceError, try_splits
from swap_assets.backends.models.preflight import examine
from swap_assets.backends.store.experiment_file import experiment_path
from swap_assets.cli.environment import Config, experiment_or_exit, fail
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.plan import HERMES_LENGTHS, Plan, TextLengths, build_plan, measured_lengths
from swap_assets.domain.experiment.sources import hub_datasets
from swap_assets.domain.splits.scale_split import TooFewRowsError

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


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
    """Measure the sources' rows and check that they fill every size; a hub's rows are taken from Hermes' medians."""
    if hub_datasets(experiment.all_sources):
        return HERMES_LENGTHS
    try:
        loaded, splits = try_splits(experiment)
    except (SourceError, TooFewRowsError) as error:
        raise fail(str(error)) from None
    for scale, split in splits.items():
        typer.echo(f"{scale}: {'; '.join((split.told_of_cut, *split.short))}")
    return measured_lengths(loaded.conversations)


def _answers(experiment: Experiment, made: Plan) -> Table:
    table = Table("what", "LLM calls", "tokens in", "tokens out", "cost", "local answers")
    for scale, estimate in made.hosted.items():
        cost = "no price" if estimate.cost is None else f"{estimate.cost:.2f} {experiment.prices.currency}"
        asked = (f"{count:,}" for count in (estimate.calls, estimate.prompt_tokens, estimate.completion_tokens))
        table.add_row(scale, *asked, cost, f"{made.local_answers[scale]:,}")
    return table


def _trainings(made: Plan) -> Table:
    table = Table("training", "adapters x rows x epochs", "trains", "GPU hours")
    for item in made.trainings:
        hours = "–" if item.gpu_hours is None else f"{item.gpu_hours:.2f}"
        amount = f"{item.adapters} x {item.rows} x {item.epochs}"
        table.add_row(f"{item.model} at {item.scale}, {item.approach}", amount, item.condition, hours)
    return table


def doctor(config: Config = None) -> None:
    """Check Python, disk, memory, GPU, keys (never printing one), hub, source, ports and the experiment file."""
    findings = examine(experiment_or_exit(config), config or experiment_path())
    table = Table("", "what", "detail", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(f"[{_COLOURS[finding.state]}]{finding.state}[/]", finding.what, finding.detail)
    Console().print(table)
    failed = [finding for finding in findings if finding.state == "fail"]
    typer.echo(f"{len(failed)} of {len(findings)} need your attention." if failed else "Everything needed is here.")
    raise typer.Exit(1 if failed else 0)
