"""`swap-assets ui` and `swap-assets validate`: Dagster's own commands in the experiment's environment."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from swap_assets.cli.environment import MODULE, Config, dagster_environment


def dagster_command() -> str:
    """Return the path of the `dagster` command of this environment."""
    return str(Path(sys.executable).with_name("dagster"))


def ui(config: Config = None, port: Annotated[int, typer.Option(help="port on loopback")] = 3000) -> None:
    """Open Dagster's web server and daemon on loopback; stop them with Ctrl-C."""
    environment = dagster_environment(config)
    typer.echo(f"http://127.0.0.1:{port}  (experiment: {environment['SWAP_CONFIG']})")
    command = [dagster_command(), "dev", "-m", MODULE, "-h", "127.0.0.1", "-p", str(port)]
    os.execve(command[0], command, environment)


def validate(config: Config = None) -> None:
    """Check that Dagster can load the definitions for an experiment file."""
    done = subprocess.run([dagster_command(), "definitions", "validate", "-m", MODULE], env=dagster_environment(config))
    raise typer.Exit(done.returncode)
