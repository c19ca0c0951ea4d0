"""`swap-assets ui` and `swap-assets validate`: Dagster's own commands in the experiment's environment."""

import contextlib
import os
import socket
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from swap_assets.backends.store.experiment_file import CONFIG_VARIABLE, DEFAULT_FILE
from swap_assets.cli.environment import MODULE, TEMPLATES, Config, dagster_command, dagster_environment, fail


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server binds it
        with contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return True
    return False


def ui(config: Config = None, port: Annotated[int, typer.Option(help="port on loopback")] = 3000) -> None:
    """Open Dagster's web server and daemon on loopback; stop them with Ctrl-C."""
    if config is None and not os.environ.get(CONFIG_VARIABLE) and not Path(DEFAULT_FILE).exists():
        typer.echo(f"No {DEFAULT_FILE} in this folder, so this shows the demo; for another file give --config FILE.")
        config = TEMPLATES / "demo" / "swap.yaml"
    environment = dagster_environment(config)
    if not is_free(port):
        raise fail(f"another program listens on port {port}; stop it, or give another one with --port {port + 1}")
    typer.echo(f"http://127.0.0.1:{port}  (experiment: {environment['SWAP_CONFIG']})")
    command = [dagster_command(), "dev", "-m", MODULE, "-h", "127.0.0.1", "-p", str(port)]
    os.execve(command[0], command, environment)


def validate(config: Config = None) -> None:
    """Check that Dagster can load the definitions for an experiment file."""
    done = subprocess.run([dagster_command(), "definitions", "validate", "-m", MODULE], env=dagster_environment(config))
    raise typer.Exit(done.returncode)
