"""`swap-assets materialize`: Dagster's command on an experiment's records, refused in a sentence where it can't go.

Dagster answers a wrong partition or assets of several kinds of partition with the whole of its stack.
"""

import difflib
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.environment import Config, dagster_environment, experiment_or_exit, fail
from swap_assets.cli.segments import Segment, SegmentError, log_of, run_segment
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.gates.registry import decisions
from swap_assets.domain.keys import RELEASE_APPROVAL, ROOT_ASSETS, SCALE_ASSETS, SHARED_ASSETS, partition_key


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


def selection_problem(experiment: Experiment, names: Sequence[str], partition: str) -> str:
    """Say why assets can't be materialised at a partition, "" where they can; Dagster's `group:NAME` is left to it."""
    scales = list(experiment.scales)
    pairs = [partition_key(model, scale) for model in experiment.models for scale in scales]
    keys: dict[str, list[str]] = dict.fromkeys(_assets(experiment), pairs)
    keys |= dict.fromkeys((*SCALE_ASSETS, *(name for name, one in decisions().items() if one.per == "scale")), scales)
    keys |= {name: [] for name in ROOT_ASSETS}
    named = [name for name in names if ":" not in name]
    for name in named:
        if name not in keys:
            close = difflib.get_close_matches(name, keys, n=1)
            return f"there is no asset '{name}'; {f'did you mean {close[0]}?' if close else ', '.join(sorted(keys))}"
    if other := next((name for name in named if keys[name] != keys[named[0]]), ""):
        return f"{named[0]} and {other} have not the same partitions; materialise one after the other"
    accepted = keys[named[0]] if named else pairs
    if partition in accepted or not (partition or accepted):
        return ""
    if not accepted:
        return f"{named[0]} has no partitions; leave --partition out"
    given = f"there is no partition '{partition}'" if partition else "no partition is given"
    return f"{given}; {names[0]} takes --partition {' or '.join(repr(key) for key in accepted)}"


def _assets(experiment: Experiment) -> list[str]:
    approaches = (*experiment.adapter_assets(), *experiment.evaluation_assets())
    return [name for name in (*SHARED_ASSETS, *decisions(), *approaches) if name != RELEASE_APPROVAL]
