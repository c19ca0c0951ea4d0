"""The environment in which Dagster's own commands run: which experiment, which instance, nothing sent anywhere."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from swap_assets.backends.store.experiment_file import CONFIG_VARIABLE, experiment_path, load_experiment, storage_root
from swap_assets.domain.experiment.experiment import Experiment, ExperimentError

MODULE = "swap_assets.definitions"
# What the package carries of the repository's own files, so that every command works outside a clone, too.
TEMPLATES = Path(__file__).parents[1] / "templates"
PROJECT = TEMPLATES / "project"
Config = Annotated[Path | None, typer.Option("--config", help="the experiment file; else SWAP_CONFIG or swap.yaml")]


def experiment_or_exit(config: Path | None = None) -> Experiment:
    """Load the experiment; a file that can't be used ends the command with one sentence and exit code 2."""
    try:
        return load_experiment(config)
    except ExperimentError as error:
        raise fail(str(error)) from None


def fail(sentence: str) -> typer.Exit:
    """Print a sentence on stderr and return the exit to raise."""
    typer.secho(f"swap-assets: {sentence}", fg="red", err=True)
    return typer.Exit(2)


def dagster_command() -> str:
    """Return the path of the `dagster` command of this environment."""
    return str(Path(sys.executable).with_name("dagster"))


def dagster_environment(config: Path | None = None) -> dict[str, str]:
    """Return the environment for Dagster's commands on an experiment; its storage folder is made.

    Dagster reads its settings from DAGSTER_HOME/dagster.yaml only: the current folder's, or where it has none, the
    package's, laid beside what Dagster stores.
    """
    path = (config or experiment_path()).resolve()
    storage = storage_root(experiment_or_exit(path)) / "dagster"
    storage.mkdir(parents=True, exist_ok=True)
    home = Path.cwd()
    if not (home / "dagster.yaml").exists():
        home = storage
        shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
    # DAGSTER_MODULE_NAME beside the workspace that `dagster dev` hands to its web server makes that one refuse both.
    inherited = {name: value for name, value in os.environ.items() if name != "DAGSTER_MODULE_NAME"}
    return {
        **inherited,
        CONFIG_VARIABLE: str(path),
        "DAGSTER_HOME": str(home),
        "SWAP_DAGSTER_STORAGE": str(storage),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONFAULTHANDLER": "1",  # a library that crashes leaves its stack in the step's log
    }
