"""Telling weight files apart by name: safetensors, which hold numbers only, and pickles, which can run code."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
_WEIGHT_INDEXES = ("model.safetensors.index.json",)


class PickledWeightsError(ValueError):
    """Weights lie in a format that can run code when it is read; the message names a file."""


def is_safetensors(name: str) -> bool:
    """Say whether a file holds safetensors, or is the index of sharded ones."""
    return name.endswith(".safetensors") or PurePosixPath(name).name in _WEIGHT_INDEXES


def pickles(names: Iterable[str]) -> list[str]:
    """Return the files that are pickles by their names, sorted."""
    return sorted(name for name in names if PurePosixPath(name).suffix.lower() in _PICKLES)


def refuse_pickles(folder: Path) -> None:
    """Make sure that a folder to be kept or given away holds no pickle.

    Raises:
        PickledWeightsError: it does.
    """
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if found := pickles(names):
        raise PickledWeightsError(f"{folder} holds {found[0]}, which can run code when it is read; save safetensors")
