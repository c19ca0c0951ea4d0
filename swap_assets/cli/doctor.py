"""`swap-assets doctor`: is everything here that the experiment needs?"""

import typer
from rich.console import Console
from rich.table import Table

from swap_assets.backends.models.preflight import examine
from swap_assets.backends.store.experiment_file import experiment_path
from swap_assets.cli.environment import Config, experiment_or_exit

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


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
