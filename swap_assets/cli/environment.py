"""The environment in which Dagster's own commands run: which experiment, which instance, nothing sent anywhere."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from swap_assets.backends.processes.hardware import cpu_count
from swap_assets.backends.store.env_file import FOLDER_VARIABLE, HOME_VARIABLE, disagreement
from swap_assets.backends.store.experiment_file import CONFIG_VARIABLE, experiment_path, load_experiment, storage_root
from swap_assets.domain.experiment.experiment import Experiment, ExperimentError
from swap_assets.domain.keys import MODEL_PROCESS_POOL

MODULE = "swap_assets.definitions"
DAGSTER = str(Path(sys.executable).with_name("dagster"))  # its command in this Python
# What the package carries of the repository's own files, so that every command works outside a clone, too.
TEMPLATES = Path(__file__).parents[1] / "templates"
PROJECT = TEMPLATES / "project"
Config = Annotated[Path | None, typer.Option("--config", help="the experiment file; else SWAP_CONFIG or swap.yaml")]


def experiment_or_exit(config: Path | None = None) -> Experiment:
    """Load the experiment; a file that can't be used ends the command with one sentence and exit code 2."""
    if problem := disagreement({CONFIG_VARIABLE: str(config or experiment_path())}):
        raise fail(problem)
    try:
        return load_experiment(config)
    except ExperimentError as error:
        raise fail(str(error)) from None


def fail(sentence: str) -> typer.Exit:
    """Print a sentence on stderr and return the exit to raise."""
    typer.secho(f"swap-assets: {sentence}", fg="red", err=True)
    return typer.Exit(2)


def dagster_environment(config: Path | None = None) -> dict[str, str]:
    """Return the environment for Dagster's commands on an experiment; the folder of its records is made.

    Dagster reads its settings from DAGSTER_HOME/dagster.yaml only, so they are copied there: the current folder's, or
    where it has none, the package's. The experiment says how many model processes there may be at once.
    """
    path = (config or experiment_path()).resolve()
    experiment = experiment_or_exit(path)
    home, own = storage_root(experiment) / "dagster", Path("dagster.yaml")
    if problem := disagreement({HOME_VARIABLE: str(home)}):
        raise fail(problem)
    home.mkdir(parents=True, exist_ok=True)
    settings, there = (own if own.exists() else PROJECT / "dagster.yaml").read_bytes(), home / "dagster.yaml"
    if not there.exists() or there.read_bytes() != settings:
        there.write_bytes(settings)
    _set_pool(home, experiment)
    # DAGSTER_MODULE_NAME beside the workspace that `dagster dev` hands to its web server makes that one refuse both.
    inherited = {name: value for name, value in os.environ.items() if name != "DAGSTER_MODULE_NAME"}
    ours = {CONFIG_VARIABLE: str(path), HOME_VARIABLE: str(home), "MLFLOW_DISABLE_TELEMETRY": "true"}
    ours |= {"PYTHONFAULTHANDLER": "1"}  # a library that crashes leaves its stack in the step's log
    return {**inherited, **ours}


def _set_pool(home: Path, experiment: Experiment) -> None:
    """Let as many model processes work at once as the experiment says; Dagster keeps the number in its records."""
    import dagster as dg

    many = experiment.model_processes or 1
    if not experiment.model_processes and all(model.miniature for model in experiment.models.values()):
        many = max(1, cpu_count() // max(1, experiment.threads))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.event_log_storage.set_concurrency_slots(MODEL_PROCESS_POOL, many)


def beside_env_file(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return `env` and `cwd` of a process of Dagster's: in the folder of its records, where it finds no `.env`."""
    paths = [str(Path(path).resolve()) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    own = {FOLDER_VARIABLE: str(Path.cwd()), "PYTHONPATH": os.pathsep.join(paths)}
    return {"env": {**environment, **own}, "cwd": environment.get(HOME_VARIABLE)}
