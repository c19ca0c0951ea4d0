"""The stand-in for a hosted LLM: a local model behind a real OpenAI-compatible HTTP server on loopback.

`transformers serve` does the serving, in a worker process of its own; nothing here answers in the model's place.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from swap_assets.backends.processes.specs import ServeSpec, Weights, write_spec
from swap_assets.backends.processes.supervision import start, stop, worker_command
from swap_assets.backends.serving.local_server import LOOPBACK, ServingError, free_port, wait_until_ready
from swap_assets.domain.model import Frozen


class Endpoint(Frozen):
    """Where a served model is reached: give `base_url` and `model` to any OpenAI client."""

    base_url: str
    model: str
    process_id: int
    ready_s: float


@contextlib.contextmanager
def served_model(
    weights: Weights, *, workdir: Path, threads: int = 1, ready_within_s: float = 120.0
) -> Iterator[Endpoint]:
    """Serve a local model folder on a free loopback port for as long as the block runs.

    The server is stopped on the way out for sure, and stops by itself when this process dies.

    Args:
        weights: A folder on this machine, with its dtype.
        workdir: Where the server's spec and `server.log` go.
        threads: CPU threads of the server.
        ready_within_s: How long loading may take, in seconds.

    Raises:
        ServingError: the server ended or was not ready in time.
    """
    folder, port = Path(weights.source).absolute(), free_port()
    spec = ServeSpec(
        weights=weights.model_copy(update={"source": str(folder)}),
        served_name=folder.name,
        port=port,
        threads=threads,
    )
    path = write_spec(spec, workdir).absolute()
    log = workdir / "server.log"
    with log.open("wb") as stream:
        # Beside the model, so that its folder's name alone is the name under which it is served.
        child = start(
            worker_command(path),
            env={"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)},
            cwd=folder.parent,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            ready_s = wait_until_ready(child, port, log=log, within_s=ready_within_s)
            yield Endpoint(
                base_url=f"http://{LOOPBACK}:{port}/v1", model=folder.name, process_id=child.pid, ready_s=ready_s
            )
        finally:
            stop(child, grace_s=3.0)


def serve_forever(spec: ServeSpec) -> None:
    """Serve a model in this process until it is stopped: the worker's side of `served_model`.

    Raises:
        ServingError: the folder has no chat template.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers.cli.serve import Serve

    if not Path(spec.served_name).is_dir():
        raise ServingError(f"there is no model folder {Path(spec.served_name).absolute()}; correct the model's path")
    Serve(
        force_model=spec.served_name,
        host=LOOPBACK,
        port=spec.port,
        device="auto",
        dtype=spec.weights.dtype,
        trust_remote_code=spec.weights.trust_remote_code,
        log_level="error",
        default_seed=0,
    )
