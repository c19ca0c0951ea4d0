"""The folder's `.env`: keys and addresses, and never which experiment a command works on or where that is stored.

Dagster's own commands read `.env` of their working folder and let every line win, the empty ones too. Ours read it
here: it fills in what is not set. They start Dagster in the folder of its records, where no `.env` lies, and name the
folder that they were called in by `SWAP_FOLDER`, to which the definitions go back.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from swap_assets.backends.store.experiment_file import CONFIG_VARIABLE
from swap_assets.domain.experiment.experiment import ExperimentError

FOLDER_VARIABLE = "SWAP_FOLDER"
HOME_VARIABLE = "DAGSTER_HOME"
_OF_THE_COMMAND = (CONFIG_VARIABLE, HOME_VARIABLE)


def env_file() -> dict[str, str]:
    """Return what `.env` of this folder sets, without its empty lines."""
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(Path.cwd() / ".env").items() if value}


def fill_environment() -> None:
    """Set what `.env` sets and the environment does not; what a command works on is left to the command."""
    for name, value in env_file().items():
        if name not in _OF_THE_COMMAND and not os.environ.get(name):
            os.environ[name] = value


def disagreement(ours: Mapping[str, str]) -> str:
    """Say where `.env` names another path than the command for the same variable, "" where it does not."""
    for name, theirs in env_file().items():
        if name in ours and Path(theirs).expanduser().resolve() != Path(ours[name]).resolve():
            return (
                f".env sets {name} to {theirs} and this command works with {ours[name]}; take that line out of .env "
                f"and name the experiment in the command, by --config or {CONFIG_VARIABLE}"
            )
    return ""


def enter_folder() -> None:
    """Go where our command was called, before the definitions read a relative path.

    Raises:
        ExperimentError: Dagster itself took from `.env` what a command is to name, and may have overruled it.
    """
    if folder := os.environ.get(FOLDER_VARIABLE):
        os.chdir(folder)
        return
    for name, value in env_file().items():
        if name in _OF_THE_COMMAND and os.environ.get(name) == value:
            raise ExperimentError(
                f".env sets {name} to {value}, which Dagster lets win over what a command names; take that line out "
                f"of .env and write {name}={value} before the command where you mean it"
            )
