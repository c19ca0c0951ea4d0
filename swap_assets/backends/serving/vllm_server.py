"""A vLLM server for a base model: the one that an entry names, or one started here and kept for the specs that follow.

vLLM lives in an environment of its own (it pins other versions of torch and transformers) and is spoken to over HTTP.
What is asked of it lives in `vllm_model`.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from swap_assets.backends.processes.specs import GenerateSpec
from swap_assets.backends.processes.supervision import guarded, start, stop
from swap_assets.backends.serving.local_server import LOOPBACK, ServingError, free_port, wait_until_ready
from swap_assets.domain.experiment.engines import VllmServer

# The only ranks for which vLLM reserves room (`MaxLoRARanks` of its vllm/config/lora.py).
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_STARTED_NAME = "base"
_ENVIRONMENT = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


class Server(NamedTuple):
    """Where a server listens (`.../v1`), the base's name there, and the key that it wants."""

    url: str
    base: str
    key: str = ""


class _Running(NamedTuple):
    command: list[str]
    child: subprocess.Popen[bytes]
    server: Server


# One at a time: a second one would find no memory on the card.
_running: list[_Running] = []


def server_for(spec: GenerateSpec, say: Callable[[str], None]) -> Server:
    """Return the server that answers a spec, started where its entry has a command.

    A started server is kept for later specs of this process that want the same one, and ends with the process.

    Raises:
        ServingError: it cannot be started, was not ready in time, or the variable with its key is not set.
    """
    vllm = spec.engine
    assert isinstance(vllm, VllmServer)
    if vllm.command:
        return _started(spec, say)
    if vllm.key_env and not os.environ.get(vllm.key_env):
        raise ServingError(f"the vLLM server needs {vllm.key_env}: set it in the environment or in .env")
    root = vllm.base_url.rstrip("/").removesuffix("/v1")
    key = os.environ[vllm.key_env] if vllm.key_env else ""
    return Server(f"{root}/v1", vllm.served_name or spec.weights.source, key)


def stop_started() -> None:
    """Stop the server that this process has started, if there is one."""
    while _running:
        stop(_running.pop().child)


def _started(spec: GenerateSpec, say: Callable[[str], None]) -> Server:
    command = _command(spec)
    if _running and _running[0].command == command and _running[0].child.poll() is None:
        return _running[0].server
    stop_started()
    assert isinstance(spec.engine, VllmServer)
    port, log = free_port(), spec.output.parent / "vllm.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"starting a vLLM server; its log is {log}")
    with log.open("wb") as stream:
        child = start(
            guarded([*command, "--host", LOOPBACK, "--port", str(port)]),
            env=_ENVIRONMENT,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    atexit.register(stop, child)
    try:
        ready_s = wait_until_ready(child, port, log=log, within_s=spec.engine.ready_within_s)
    except BaseException:
        stop(child)
        raise
    say(f"the vLLM server was ready after {ready_s:.0f} s")
    server = Server(f"http://{LOOPBACK}:{port}/v1", _STARTED_NAME)
    _running.append(_Running(command, child, server))
    return server


def _command(spec: GenerateSpec) -> list[str]:
    vllm, weights = spec.engine, spec.weights
    assert isinstance(vllm, VllmServer)
    settings = {
        "--served-model-name": _STARTED_NAME,
        "--dtype": weights.dtype,
        "--seed": str(spec.seed),
        # Else the model's own generation settings, with penalties for some models, would hold beside ours.
        "--generation-config": "vllm",
    }
    if weights.revision:
        settings["--revision"] = weights.revision
    if vllm.cards > 1:
        settings["--tensor-parallel-size"] = str(vllm.cards)
    if spec.adapter:
        settings["--max-lora-rank"] = str(room_for_rank(spec.adapter))
    flags = ["--enable-lora"] * bool(spec.adapter) + ["--trust-remote-code"] * weights.trust_remote_code
    given = [part for setting in settings.items() for part in setting]
    return [*vllm.command, weights.source, *given, *flags, *vllm.options]


def room_for_rank(adapter: Path) -> int:
    """Return the least `--max-lora-rank` that holds an adapter.

    Raises:
        ServingError: its rank is beyond what vLLM takes.
    """
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    rank = max([config["r"], *config.get("rank_pattern", {}).values()])
    if rank > _RANKS[-1]:
        raise ServingError(f"vLLM takes adapters of rank {_RANKS[-1]} at most, and {adapter} has {rank}: take vllm out")
    return min(room for room in _RANKS if room >= rank)
