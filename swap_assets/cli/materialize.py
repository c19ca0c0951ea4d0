"""`swap-assets materialize`: Dagster's command on an experiment's records, refused in a sentence where it can't go."""

import json
from typing import Annotated

import typer
from rich.console import Console

from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.environment import Config, dagster_environment, experiment_or_exit, fail
from swap_assets.cli.segments import Segment, SegmentError, log_of, run_segment
from swap_assets.domain.selection import selection_problem


def materialize(
    assets: Annotated[str, typer.Argument(help="ASSET or ASSET,ASSET, all of one kind of partition")],
    partition: Annotated[str, typer.Option(help="SCALE, or 'MODEL|SCALE' in quotes")] = "",
    config_json: Annotated[str, typer.Option(help="run config, as Dagster takes it")] = "",
    config: Config = None,
) -> None:
    """Materialise assets with Dagster, recorded where `ui` and the sensors see it."""
    experiment = experiment_or_exit(config)
    names = [name.strip() for name in assets.split(",")]
    if problem := selection_problem(experiment, names, partition):
        raise fail(problem)
    try:
        run_config = json.loads(config_json or "null")
    except ValueError as error:
        raise fail(f"--config-json is not JSON ({error})") from None
    segment = Segment(assets[:60], tuple(names), partition, run_config)
    environment, log = dagster_environment(config), log_of(storage_root(experiment), segment)
    try:
        run_segment(segment, environment=environment, log=log, console=Console())
    except SegmentError as error:
        raise fail(str(error)) from None
