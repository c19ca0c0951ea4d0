"""A model's files, wherever they are, and where they came from: hashes, versions, the commit, cards beside weights.

`content_hash` of the domain hashes values; here are the bytes on disk. Also one line of a preflight check, which tells
what was found of the files; the checks themselves live in `checks`.
"""

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from pydantic import Field

from swap_assets.backends.hub.access import HubModel, cached_folder, fetch_small
from swap_assets.backends.processes.specs import TrainSpec, Weights
from swap_assets.backends.store.whole import DamagedError, read_json, sha256
from swap_assets.domain.experiment.recipes import LoraSettings, TrainingSettings
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.formats.prompts import KEEP
from swap_assets.domain.model import Frozen

ADAPTER_CARD, MERGE_CARD = "swap_adapter.json", "swap_merged.json"
_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "safetensors", "swap-assets")
_WEIGHT_PATTERNS = ("*.safetensors", "*.bin", "config.json", "generation_config.json")
_TOKENIZER_PATTERNS = ("tokenizer*", "chat_template*", "special_tokens_map.json")
_LOADED = (".safetensors", ".json", ".txt", ".jinja", ".model")
_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
_WEIGHT_INDEX = "model.safetensors.index.json"
_MINIATURES = Path(__file__).parents[2] / "miniatures"
State = Literal["ok", "warn", "fail"]


def file_hash(path: Path) -> str:
    """Return the first 16 hex digits of a file's SHA-256; a process reads the same file once."""
    known = path.stat()
    return _hash_of(str(path), (known.st_ino, known.st_mtime_ns, known.st_size))


@lru_cache(maxsize=1024)
def _hash_of(path: str, _version: tuple[int, int, int]) -> str:
    return sha256(Path(path))[:16]


def files_hash(paths: Iterable[Path]) -> str:
    """Return one hash over files' names and bytes, whatever the order and the folders they lie in."""
    listed = sorted(f"{path.name}:{file_hash(path)}" for path in paths)
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()[:16]


def weights_hash(source: str, revision: str = "") -> str:
    """Name a base model's weights: by the bytes of a local folder, by id and revision for the hub."""
    folder = Path(source)
    if not folder.is_dir():
        return hashlib.sha256(f"{source}@{revision}".encode()).hexdigest()[:16]
    return files_hash(path for pattern in (*_WEIGHT_PATTERNS, *_TOKENIZER_PATTERNS) for path in folder.glob(pattern))


def adapter_hash(folder: Path) -> str:
    """Name an adapter by the bytes of its weights; FileNotFoundError where there is none in the folder."""
    path = folder / _ADAPTER_WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {_ADAPTER_WEIGHTS}; train the adapter first")
    return file_hash(path)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that shape an artefact."""
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def git_commit() -> str:
    """Return the project's commit, with `-dirty` where files differ from it; empty outside a checkout.

    SWAP_GIT_COMMIT says it where there is no git, as in a container.
    """
    if given := os.environ.get("SWAP_GIT_COMMIT"):
        return given
    here = Path(__file__).parent
    commit = _git(here, "rev-parse", "HEAD")
    dirty = commit and _git(here, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if dirty else commit


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


class Made(Frozen):
    """What names exactly from what an adapter was made; `prompt_hash` is of the renderer and the chat template."""

    base_hash: str
    dataset_hash: str
    prompt_hash: str
    adapter_hash: str
    versions: dict[str, str]
    git_commit: str = ""


class AdapterCard(Made):
    """`swap_adapter.json` in an adapter's folder: everything that says how it was made, and its `files` by hash."""

    spec: TrainSpec
    files: dict[str, str] = {}  # noqa: RUF012 - never changed


def adapter_card(folder: Path, *, again: str) -> AdapterCard:
    """Return an adapter's card when its folder holds what was saved there.

    DamagedError where it does not, which ends with how to make it `again`; an OSError where there is no card.
    """
    card = read_json(folder / ADAPTER_CARD, AdapterCard.model_validate_json, again=again)
    # Cards of earlier versions name the weights alone.
    for name, expected in ({_ADAPTER_WEIGHTS: card.adapter_hash} | card.files).items():
        if not (folder / name).is_file() or file_hash(folder / name) != expected:
            raise DamagedError(f"{folder / name} does not hold what {ADAPTER_CARD} names; {again}")
    return card


class MergeCard(Made):
    """`swap_merged.json` in a merged model's folder: what was merged, from what, rendered how. It holds no path."""

    candidate_id: str
    answer_format: AnswerFormat
    prompt_style: PromptStyle
    system: str = Field(default=KEEP, description="what it was told of the agent's own system text")
    base: str = Field(description="the hub id of the base, or the name of its folder")
    revision: str
    dtype: str
    merged_hash: str
    lora: LoraSettings
    training: TrainingSettings
    seed: int
    datasets: tuple[str, ...] = ()
    licence: str = Field(default="", description="of the base, where its card is known")


def require_base(card: AdapterCard, weights: Weights) -> None:
    """Make sure that the base is the one that an adapter was trained on; DamagedError where it is not."""
    if card.base_hash != weights_hash(weights.source, weights.revision):
        raise DamagedError(
            f"the adapter was trained on {card.spec.weights.source} as it was then, and {weights.source} holds "
            "other weights now; restore those, or train the adapter again"
        )


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
    """One line of `swap-assets doctor`; `rows` are whole ones, for who asks to see them."""

    what: str
    state: State
    detail: str
    rows: str = ""


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
