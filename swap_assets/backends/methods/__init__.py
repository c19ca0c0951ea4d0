"""Training methods: a file each, beside the parts that they share.

A method is a module of this folder, named as in `domain.experiment.approaches.METHODS`, that keeps the protocol below.
Its chapters are its own (`sft`); rows, batches, memory, checkpoints and tracking are there for all.
"""

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import TrainResult, TrainSpec


class Method(Protocol):
    """What a module of a training method offers."""

    LIBRARIES: tuple[str, ...]  # the slow ones, which the worker imports beforehand

    def train(self, spec: TrainSpec, *, folder: Path, reporter: Reporter) -> TrainResult:
        """Train the adapter that a spec describes into `spec.output`; what outlives an interruption is in `folder`."""
        ...


def method(name: str) -> Method:
    """Return the training method of a name."""
    return cast(Method, import_module(f"{__name__}.{name}"))
