"""One training in several processes: `accelerate launch` with the worker's own entry point, a process for each card.

The launching process holds the cards' leases and starts nothing else; its processes find their part in RANK and
WORLD_SIZE. The first of them alone writes files and reports. Without cards they run on the processor, over gloo.
"""

import logging
import os
from pathlib import Path


class LaunchError(RuntimeError):
    """One of several processes failed; the message is one sentence, the process's own stands above it in stderr."""


def is_launched() -> bool:
    """Whether this is one of several processes that `launch` started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def is_first_process() -> bool:
    """Whether this is the one of several processes, or the only one, that reports and writes."""
    return os.environ.get("RANK", "0") == "0"


def launch(spec_file: Path, *, processes: int) -> None:
    """Run a spec in several processes (at least 2) on this machine and wait for their end.

    Each reads the spec for itself and takes its own of the cards in CUDA_VISIBLE_DEVICES.

    Raises:
        LaunchError: a process failed; the others have been stopped.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # Its report of a failed process would bury what that process itself has said.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    # Every setting is given: what is left out would come from the user's own accelerate configuration. Port 0 is a free
    # one. `--multi_gpu` starts processes on the processor too, which accelerate's `--cpu` leaves to MPI.
    settings = {
        "num_processes": processes, "num_machines": 1, "machine_rank": 0, "main_process_port": 0, "gpu_ids": "all",
        "mixed_precision": "no", "dynamo_backend": "no",
    }  # fmt: skip
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = ["--multi_gpu", *options, "--module", "swap_assets.backends.processes.worker", str(spec_file)]
    arguments = launch_command_parser().parse_args(command)
    # Processes that each took every core would wait for each other; a spec's `threads` says more where it is set.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        launch_command(arguments)
    except ChildFailedError as error:
        number, failure = next(iter(error.failures.items()))
        raise LaunchError(
            f"process {number} of {processes} ended with code {failure.exitcode}; its own error stands above"
        ) from None
