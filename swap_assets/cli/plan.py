"""Before anything starts: `swap-assets plan`, what would run at what cost, and `doctor`, is all there that it needs."""

import typer
from rich.console import Console
from rich.table import Column, Table

from swap_assets.backends.datasets.loading import SourceError, try_splits, without_download
from swap_assets.backends.models.preflight import examine
from swap_assets.backends.processes.hardware import gpus
from swap_assets.backends.store.experiment_file import experiment_path
from swap_assets.cli.environment import Config, experiment_or_exit, fail
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.gpu_hours import card_named
from swap_assets.domain.experiment.plan import HERMES_LENGTHS, Plan, TextLengths, build_plan, measured_lengths
from swap_assets.domain.experiment.sources import Notices
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.splits.scale_split import TooFewRowsError

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def plan(config: Config = None) -> None:
    """Print calls, tokens, cost, GPU hours and waiting time of an experiment; nothing is started or downloaded."""
    experiment = experiment_or_exit(config)
    lengths = _lengths(experiment)  # ends the command where the rows can't fill the sizes
    found = [card for card in (card_named(gpu.name) for gpu in gpus()) if card]
    card = found[0] if found else card_named(experiment.prices.card)
    assert card  # the experiment file was checked
    made = build_plan(experiment, lengths, card)
    console = Console()
    size = f"{len(experiment.models)} models x {len(experiment.scales)} scales"
    console.print(f"[bold]{experiment.name}[/]: {size}, beside {experiment.hosted_model.key}")
    console.print(f"Text lengths: {made.lengths.basis}. Calls are an upper bound.\n")
    console.print(_answers(experiment, made))
    console.print(_trainings(made))
    if made.gpu_hours is None or made.wall_hours is None:
        return
    cost = "" if made.gpu_cost is None else f", {made.gpu_cost:.2f} {experiment.prices.currency}"
    console.print(
        f"GPU time in all, if every gate opens: {made.gpu_hours:.1f} hours on {card.name}"
        f"{' (this machine)' if found else ' (prices.card)'}{cost}; done in {made.wall_hours:.1f} hours with at most "
        f"{made.cards} card{'s' * (made.cards > 1)} at work (gpus, model_processes).",
        highlight=False,
    )


def _lengths(experiment: Experiment) -> TextLengths:
    """Split the sources' rows for every scale and measure them; rows that lie on the hub are taken by their medians."""
    if not without_download(experiment.all_sources):
        typer.echo("The rows are not on this machine yet, so the split is not tried.")
        return HERMES_LENGTHS
    try:
        loaded, splits = try_splits(experiment)
    except (SourceError, TooFewRowsError) as error:
        raise fail(str(error)) from None
    typer.echo(f"Source: {Notices.of(loaded).source}")
    rows = {row.id: row for row in loaded.conversations}
    for scale, split in splits.items():
        asked = sum(len(eval_cases(rows[name])) for name in split.test)
        typer.echo(
            f"{scale}: {len(split.train)} train, {len(split.validation)} validation, {len(split.test)} test rows, "
            f"asked {asked} times in each track; {'; '.join((split.told_of_cut, *split.short))}"
        )
    return measured_lengths(loaded.conversations)


def _answers(experiment: Experiment, made: Plan) -> Table:
    table = Table("what", Column("LLM calls", no_wrap=True), "tokens in, out", "cost", "local answers", "GPU hours")
    for scale, estimate in made.hosted.items():
        cost = "no price" if estimate.cost is None else f"{estimate.cost:.2f} {experiment.prices.currency}"
        tokens = f"{estimate.prompt_tokens:,}, {estimate.completion_tokens:,}"
        local = (f"{made.local_answers[scale]:,}", _hours(made.answering[scale]))
        table.add_row(scale, f"{estimate.calls:,}", tokens, cost, *local)
    return table


def _trainings(made: Plan) -> Table:
    table = Table("training", "adapters x rows x epochs", "trains", "GPU hours")
    for item in made.trainings:
        amount = f"{item.adapters} x {item.rows} x {item.epochs}"
        table.add_row(f"{item.model} at {item.scale}, {item.approach}", amount, item.condition, _hours(item.gpu_hours))
    return table


def _hours(hours: float | None) -> str:
    return "–" if hours is None else f"{hours:.2f}"


def doctor(config: Config = None) -> None:
    """Check Python, disk, memory, GPU, keys (never printing one), hub, source and ports; ask the hosted model once."""
    findings = examine(experiment_or_exit(config), config or experiment_path())
    table = Table("", "what", "detail", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(f"[{_COLOURS[finding.state]}]{finding.state}[/]", finding.what, finding.detail)
    Console().print(table)
    failed = [finding for finding in findings if finding.state == "fail"]
    typer.echo(f"{len(failed)} of {len(findings)} need your attention." if failed else "Everything needed is here.")
    raise typer.Exit(1 if failed else 0)
