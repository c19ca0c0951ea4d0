"""Model servers of this machine, started and waited for: a vLLM server for a base, and the stand-in for a hosted LLM.

vLLM lives in an environment of its own (it pins other versions of torch and transformers) and is spoken to over HTTP.
The stand-in is `transformers serve` in a worker process; nothing here answers in a model's place. What servers are
asked lives in `engines`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from swap_assets.backends.processes.specs import GenerateSpec, ServeSpec, Weights, write_spec
from swap_assets.backends.processes.supervision import guarded, start, stop, worker_command
from swap_assets.domain.experiment.engines import VllmServer

_LOOPBACK = "127.0.0.1"
_TAIL_CHARACTERS = 2000
_STAND_IN_READY_S = 120.0
# The only ranks for which vLLM reserves room (`MaxLoRARanks` of its vllm/config/lora.py).
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_STARTED_NAME = "base"
_ENVIRONMENT = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


class ServingError(RuntimeError):
    """A server did not come up or cannot be used; where it was started, the message ends with its log's last lines."""


class Server(NamedTuple):
    """Where a server listens (`.../v1`), the model's name there, the key that it wants, and what is known of it."""

    url: str = ""
    model: str = ""
    key: str = ""
    artefact_hash: str = ""
    process_id: int = 0


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return probe.getsockname()[1]


def _come_up(command: list[str], port: int, *, log: Path, within_s: float, **how: Any) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers at `/health`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        child = start(command, stdout=stream, stderr=subprocess.STDOUT, **how)
    try:
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if child.poll() is not None:
                raise ServingError(f"the model server ended with code {child.returncode}:\n{_tail(log)}")
            if _healthy(port):
                return child
            time.sleep(0.1)
        raise ServingError(f"the model server was not ready within {within_s:.0f} s:\n{_tail(log)}")
    except BaseException:
        stop(child)
        raise


def _healthy(port: int) -> bool:
    # No proxy: an environment's HTTP_PROXY must not be asked for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{_LOOPBACK}:{port}/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:  # URLError is one
        return False


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:].strip() or "(its log is empty)"


@contextlib.contextmanager
def served_model(weights: Weights, *, workdir: Path, threads: int = 1) -> Iterator[Server]:
    """Serve a local model folder over OpenAI's protocol on a free loopback port for as long as the block runs.

    The server is stopped on the way out for sure, and stops by itself when this process dies. Its spec and `server.log`
    go into `workdir`. ServingError where the server ended or was not ready in time.
    """
    folder, port = Path(weights.source).absolute(), free_port()
    weights = weights.model_copy(update={"source": str(folder)})
    path = write_spec(ServeSpec(weights=weights, served_name=folder.name, port=port, threads=threads), workdir)
    # Beside the model, so that its folder's name alone is the name under which it is served.
    command, how = worker_command(path.absolute()), {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)}
    log = workdir / "server.log"
    child = _come_up(command, port, log=log, within_s=_STAND_IN_READY_S, env=how, cwd=folder.parent)
    try:
        yield Server(f"http://{_LOOPBACK}:{port}/v1", folder.name, process_id=child.pid)
    finally:
        stop(child, grace_s=3.0)


def serve_forever(spec: ServeSpec) -> None:
    """Serve a model in this process until it is stopped: the worker's part of `served_model`."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers.cli.serve import Serve

    if not Path(spec.served_name).is_dir():
        raise ServingError(f"there is no model folder {Path(spec.served_name).absolute()}; correct the model's path")
    how: dict[str, Any] = spec.weights.model_dump(include={"dtype", "trust_remote_code"})
    where: dict[str, Any] = {"host": _LOOPBACK, "port": spec.port, "device": "auto"}
    Serve(force_model=spec.served_name, **where, **how, log_level="error", default_seed=0)


# The command, the process and the server of what runs. One at a time: a second one would find no memory on the card.
_running: list[tuple[list[str], subprocess.Popen[bytes], Server]] = []


def server_for(spec: GenerateSpec, vllm: VllmServer, say: Callable[[str], None]) -> Server:
    """Return the vLLM server that answers a spec, started where its entry has a command.

    A started server is kept for later specs of this process that want the same one, and ends with the process.
    ServingError where it cannot be started, was not ready in time, or the variable with its key is not set.
    """
    if vllm.command:
        return _started(spec, vllm, say)
    key = os.environ.get(vllm.key_env, "") if vllm.key_env else ""
    if vllm.key_env and not key:
        raise ServingError(f"the vLLM server needs {vllm.key_env}: set it in the environment or in .env")
    return Server(f"{vllm.root}/v1", vllm.served_name or spec.weights.source, key)


def _started(spec: GenerateSpec, vllm: VllmServer, say: Callable[[str], None]) -> Server:
    command = _command(spec, vllm)
    for known, child, server in _running:
        if known == command and child.poll() is None:
            return server
    while _running:
        stop(_running.pop()[1])
    port, log, began = free_port(), spec.output.parent / "vllm.log", time.monotonic()
    say(f"starting a vLLM server; its log is {log}")
    whole = guarded([*command, "--host", _LOOPBACK, "--port", str(port)])
    child = _come_up(whole, port, log=log, within_s=vllm.ready_within_s, env=_ENVIRONMENT)
    atexit.register(stop, child)
    say(f"the vLLM server was ready after {time.monotonic() - began:.0f} s")
    _running.append((command, child, Server(f"http://{_LOOPBACK}:{port}/v1", _STARTED_NAME)))
    return _running[0][2]


def _command(spec: GenerateSpec, vllm: VllmServer) -> list[str]:
    weights = spec.weights
    settings = {
        "--served-model-name": _STARTED_NAME,
        "--dtype": weights.dtype,
        "--seed": str(spec.seed),
        # Else the model's own generation settings, with penalties for some models, would hold beside ours.
        "--generation-config": "vllm",
        "--revision": weights.revision,
        "--tensor-parallel-size": str(vllm.cards) if vllm.cards > 1 else "",
        "--max-lora-rank": str(room_for_rank(spec.adapter)) if spec.adapter else "",
    }
    flags = ["--enable-lora"] * bool(spec.adapter) + ["--trust-remote-code"] * weights.trust_remote_code
    given = [part for setting in settings.items() if setting[1] for part in setting]
    return [*vllm.command, weights.source, *given, *flags, *vllm.options]


def room_for_rank(adapter: Path) -> int:
    """Return the least `--max-lora-rank` that holds an adapter; ServingError beyond what vLLM takes."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    rank = max([config["r"], *config.get("rank_pattern", {}).values()])
    if rank > _RANKS[-1]:
        raise ServingError(f"vLLM takes adapters of rank {_RANKS[-1]} at most, and {adapter} has {rank}: take vllm out")
    return min(room for room in _RANKS if room >= rank)
