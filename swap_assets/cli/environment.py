"""The environment in which Dagster's own commands run (which experiment, which instance), and its services on loopback.

`swap-assets ui` is its web server and daemon; for the demo they are started in the background, waited for, and stopped
with everything that they started. `swap-assets validate` is here, too.
"""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import psutil
import typer

from swap_assets.backends.processes.hardware import cpu_count
from swap_assets.backends.processes.locks import any_left
from swap_assets.backends.serving.servers import free_port
from swap_assets.backends.store import experiment_file as files
from swap_assets.backends.store.whole import private_folder, require_room
from swap_assets.cli.web_guard import READ_ONLY_VARIABLE, TOKEN, TOKEN_VARIABLE
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.keys import MODEL_PROCESS_POOL

MODULE = "swap_assets.definitions"
DAGSTER = str(Path(sys.executable).with_name("dagster"))  # its command in this Python
GUARDED = [sys.executable, "-m", "swap_assets.cli.web_guard"]
# What the package carries of the repository's own files, so that every command works outside a clone, too.
TEMPLATES = Path(__file__).parents[1] / "templates"
PROJECT = TEMPLATES / "project"
Config = Annotated[Path | None, typer.Option("--config", help="the experiment file; else SWAP_CONFIG or swap.yaml")]
PID_FILE = "logs/dagster.pid"  # in the experiment's folder, of a service that was started for a demo
_READY_S, _STOP_S = 90.0, 25.0
_PORT_TAKEN = "address already in use"
_TELL_CHILD_OF_DEATH = 1  # Linux's PR_SET_PDEATHSIG
_C_LIBRARY = ctypes.CDLL(None)  # loaded here, since a child may wait for ever for a lock that was held as it was made


def experiment_or_exit(config: Path | None = None) -> Experiment:
    """Load the experiment; a file that can't be used ends the command with one sentence and exit code 2."""
    if problem := files.disagreement({files.CONFIG_VARIABLE: str(config or files.experiment_path())}):
        raise fail(problem)
    experiment = files.load_experiment(config)
    _fail_lost_runs(files.storage_root(experiment) / "dagster")
    return experiment


def _fail_lost_runs(home: Path) -> None:
    if not any_left(home):  # without Dagster, which takes half a second
        return
    import dagster as dg

    from swap_assets.defs.lost_runs import fail_lost_runs

    with dg.DagsterInstance.from_config(str(home)) as instance:
        for lost in fail_lost_runs(instance):
            typer.secho(f"swap-assets: {lost}.", fg="yellow", err=True)


def fail(sentence: str) -> typer.Exit:
    """Print a sentence on stderr and return the exit to raise."""
    typer.secho(f"swap-assets: {sentence}", fg="red", err=True)
    return typer.Exit(2)


def dagster_environment(config: Path | None = None) -> dict[str, str]:
    """Return the environment for Dagster's commands on an experiment; the folder of its records is made.

    Dagster reads its settings from DAGSTER_HOME only, so the current folder's (or the package's) are copied there.
    """
    path = (config or files.experiment_path()).resolve()
    experiment = experiment_or_exit(path)
    home, own = files.storage_root(experiment) / "dagster", Path("dagster.yaml")
    if problem := files.disagreement({files.HOME_VARIABLE: str(home)}):
        raise fail(problem)
    require_room(private_folder(home))
    settings, there = (own if own.exists() else PROJECT / "dagster.yaml").read_bytes(), home / "dagster.yaml"
    if not there.exists() or there.read_bytes() != settings:
        there.write_bytes(settings)
    _set_pool(home, experiment)
    # DAGSTER_MODULE_NAME beside the workspace that `dagster dev` hands to its web server makes that one refuse both.
    inherited = {name: value for name, value in os.environ.items() if name != "DAGSTER_MODULE_NAME"}
    ours = {files.CONFIG_VARIABLE: str(path), files.HOME_VARIABLE: str(home), "MLFLOW_DISABLE_TELEMETRY": "true"}
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
    own = {files.FOLDER_VARIABLE: str(Path.cwd()), "PYTHONPATH": os.pathsep.join(paths)}
    return {"env": {**environment, **own}, "cwd": environment.get(files.HOME_VARIABLE)}


class Service(NamedTuple):
    """A running web server and daemon; `pid` leads their session."""

    address: str
    pid: int


class ServiceError(RuntimeError):
    """Dagster did not come up; the message says where its log lies."""


@contextlib.contextmanager
def dagster_service(
    environment: Mapping[str, str], *, log: Path, keep: bool = False, module: str = MODULE
) -> Iterator[Service]:
    """Run `dagster dev` on loopback, yield where it is, and stop it at the end unless it is to be kept.

    It gets a session of its own, so that what it starts can be found. However this process ends, by Ctrl-C, a closed
    terminal, SIGTERM or (on Linux) SIGKILL, Dagster ends too: a daemon left alone would go on starting runs.
    A ServiceError says that it did not answer within 90 seconds, ended, or found its port taken.
    """
    port = free_port()
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            _dev(module, port), **beside_env_file(environment), stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=lambda: obey_signals(ends_with_parent=not keep),
        )  # fmt: skip
    kept = False
    try:
        _wait_until_it_answers(process, port, log)
        yield Service(f"http://127.0.0.1:{port}", process.pid)
        kept = keep
    finally:
        if not kept:
            # A second Ctrl-C is ignored while Dagster is being stopped; that takes 35 seconds at most.
            with _handling(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                stop_session(process)


def _dev(module: str, port: int) -> list[str]:
    return [*GUARDED, "dev", "-m", module, "-h", "127.0.0.1", "-p", str(port)]


def obey_signals(*, ends_with_parent: bool = True) -> None:
    """Run in the child before it becomes Dagster: obey SIGINT, and have Linux send it when the parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell starts background commands with SIGINT ignored
    if ends_with_parent and sys.platform == "linux":
        _C_LIBRARY.prctl(_TELL_CHILD_OF_DEATH, signal.SIGINT)


@contextlib.contextmanager
def _handling(handler: Any, *signals: signal.Signals) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python lets only the main thread set handlers
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def stop_session(process: subprocess.Popen) -> None:
    """Stop a process that leads a session, and everything in that session: gently first, then for sure."""
    for sign, patience in ((signal.SIGINT, _STOP_S), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        # Only the leader is asked first: it ends its children in order.
        alive = session_members(process.pid)
        for member in [one for one in alive if sign != signal.SIGINT or one.pid == process.pid]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(sign)
        deadline = time.monotonic() + patience
        while session_members(process.pid) and time.monotonic() < deadline:
            process.poll()  # takes the leader's exit, so that it is no zombie
            time.sleep(0.2)
    process.wait(timeout=5)


def session_members(session: int) -> list[psutil.Process]:
    """Return the processes of a session that are alive."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _wait_until_it_answers(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServiceError(f"Dagster ended before its web server answered; its log: {log}")
        if _PORT_TAKEN in log.read_text(encoding="utf-8", errors="replace"):
            raise ServiceError(f"port {port} was taken by another program while Dagster came up; try again")
        if _listens(process.pid, port):
            return
        time.sleep(0.3)
    raise ServiceError(f"Dagster's web server did not come up within {_READY_S:.0f} s; its log: {log}")


def _listens(session: int, port: int) -> bool:
    """Whether a process of a session listens on a port: another program that does is not mistaken for it."""
    for process in session_members(session):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            held = process.net_connections("tcp4")
            if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in held):
                return True
    return False


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server binds it
        with contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return True
    return False


def ui(
    config: Config = None,
    port: Annotated[int, typer.Option(help="port on loopback")] = 3000,
    token: Annotated[bool, typer.Option(help="let in whoever opens the printed link first; else all here")] = True,
    read_only: Annotated[bool, typer.Option("--read-only", help="nothing can be started or approved there")] = False,
) -> None:
    """Open Dagster's web server and daemon on loopback; stop them with Ctrl-C."""
    if config is None and not os.environ.get(files.CONFIG_VARIABLE) and not (own := files.experiment_path()).exists():
        typer.echo(f"No {own.name} in this folder, so this shows the demo; for another file give --config FILE.")
        config = TEMPLATES / "demo" / "swap.yaml"
    place = beside_env_file(environment := dagster_environment(config))
    if not is_free(port):
        raise fail(f"another program listens on port {port}; stop it, or give another one with --port {port + 1}")
    secret = secrets.token_urlsafe(16) if token else ""
    link = f"http://127.0.0.1:{port}" + f"/?{TOKEN}={secret}" * token
    typer.echo(f"{link}  (experiment: {environment['SWAP_CONFIG']})")
    os.chdir(place["cwd"])
    told = {TOKEN_VARIABLE: secret, READ_ONLY_VARIABLE: "1" * read_only}
    os.execve(GUARDED[0], _dev(MODULE, port), {**place["env"], **told})


def validate(config: Config = None) -> None:
    """Check that Dagster can load the definitions for an experiment file."""
    command = [DAGSTER, "definitions", "validate", "-m", MODULE]
    done = subprocess.run(command, **beside_env_file(dagster_environment(config)))
    raise typer.Exit(done.returncode)
