"""A model's files, wherever they are: names and sizes of all, and the small ones to read."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from swap_assets.backends.hub.model_access import HubModel, cached_folder, fetch_small

_LOADED = (".safetensors", ".json", ".txt", ".jinja", ".model")


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
        return sum(size for name, size in self.sizes.items() if _at_root(name) and name.endswith(".safetensors"))


def files_of_folder(folder: Path, *, named: str = "") -> ModelFiles:
    """Return the files of a folder on this machine, which need no network."""
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}

    def read(name: str) -> Path | None:
        return folder / name if name in sizes else None

    return ModelFiles(named or str(folder), sizes, 0, read)


def files_of_hub(model: HubModel, *, token: str | None) -> ModelFiles:
    """Return the files of a model on the hub; what its cache already holds is not missing."""
    cached = cached_folder(model.repo_id, model.commit)
    wanted = {name: size for name, size in model.files.items() if _at_root(name) and name.endswith(_LOADED)}
    missing = sum(size for name, size in wanted.items() if not (cached and (cached / name).exists()))
    return ModelFiles(model.repo_id, model.files, missing, lambda name: fetch_small(model, name, token=token))


def _at_root(name: str) -> bool:
    return "/" not in name
