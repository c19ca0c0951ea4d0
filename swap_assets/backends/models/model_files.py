"""A model's files, wherever they are: names and sizes of all, the small ones to read, and which of them can run code.

Also one line of a preflight check, which tells what was found of them; the checks themselves live in `checks`.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from swap_assets.backends.hub.access import HubModel, cached_folder, fetch_small

_LOADED = (".safetensors", ".json", ".txt", ".jinja", ".model")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
_WEIGHT_INDEX = "model.safetensors.index.json"
_MINIATURES = Path(__file__).parents[2] / "miniatures"
State = Literal["ok", "warn", "fail"]


def miniature_folder(name: str) -> Path:
    """Return the absolute folder of a miniature of the package; a name with a slash is a folder of one's own."""
    return Path(name).expanduser().absolute() if "/" in name else _MINIATURES / name


def miniature_problem(name: str) -> str:
    """Return what is wrong with a miniature's name, an empty text where there is one."""
    if (miniature_folder(name) / "config.json").exists():
        return ""
    carried = ", ".join(sorted(entry.parent.name for entry in _MINIATURES.glob("*/config.json"))) or "none"
    return f"there is no miniature '{name}'; the package carries {carried}"


class ModelFiles(NamedTuple):
    """Files of one model; `read` returns a small one on this machine, None where there is none.

    `missing` are the bytes that loading it would download.
    """

    named: str
    sizes: dict[str, int]
    missing: int
    read: Callable[[str], Path | None]

    @property
    def weights(self) -> int:
        """Bytes of the weights that would be loaded."""
        return sum(size for name, size in self.sizes.items() if "/" not in name and name.endswith(".safetensors"))

    def json(self, name: str) -> dict[str, Any]:
        """Return what a small file of JSON holds, empty where there is none."""
        path = self.read(name)
        return json.loads(path.read_text(encoding="utf-8")) if path else {}


def files_of_folder(folder: Path, *, named: str = "") -> ModelFiles:
    """Return the files of a folder on this machine, which need no network."""
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    return ModelFiles(named or str(folder), sizes, 0, lambda name: folder / name if name in sizes else None)


def files_of_hub(model: HubModel, *, token: str | None) -> ModelFiles:
    """Return the files of a model on the hub; what its cache already holds is not missing."""
    cached = cached_folder(model.repo_id, model.commit)
    wanted = {name: size for name, size in model.files.items() if "/" not in name and name.endswith(_LOADED)}
    missing = sum(size for name, size in wanted.items() if not (cached and (cached / name).exists()))
    return ModelFiles(model.repo_id, model.files, missing, lambda name: fetch_small(model, name, token=token))


class Finding(NamedTuple):
    """One line of `swap-assets doctor`."""

    what: str
    state: State
    detail: str


class PickledWeightsError(ValueError):
    """Weights lie in a format that can run code when it is read; the message names a file."""


def is_safetensors(name: str) -> bool:
    """Say whether a file holds safetensors, or is the index of sharded ones."""
    return name.endswith(".safetensors") or PurePosixPath(name).name == _WEIGHT_INDEX


def pickles(names: Iterable[str]) -> list[str]:
    """Return the files that are pickles by their names, sorted."""
    return sorted(name for name in names if PurePosixPath(name).suffix.lower() in _PICKLES)


def refuse_pickles(folder: Path) -> None:
    """Make sure that a folder to be kept or given away holds no pickle; PickledWeightsError where it does."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if found := pickles(names):
        raise PickledWeightsError(f"{folder} holds {found[0]}, which can run code when it is read; save safetensors")
