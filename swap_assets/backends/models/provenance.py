"""Where an artefact came from: hashes of files and weights, versions, the commit; the cards that lie beside weights.

`content_hash` of the domain hashes values; here are the bytes on disk.
"""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import Field

from swap_assets.backends.processes.specs import TrainSpec
from swap_assets.domain.experiment.approaches import LoraSettings, TrainingSettings
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.model import Frozen

_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "safetensors", "swap-assets")
_WEIGHT_PATTERNS = ("*.safetensors", "*.bin", "config.json", "generation_config.json")
_TOKENIZER_PATTERNS = ("tokenizer*", "chat_template*", "special_tokens_map.json")


def file_hash(path: Path) -> str:
    """Return the first 16 hex digits of a file's SHA-256."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


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
    path = folder / "adapter_model.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no adapter_model.safetensors; train the adapter first")
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


class AdapterCard(Frozen):
    """`swap_adapter.json` in an adapter's folder: everything that says how it was made."""

    spec: TrainSpec
    base_hash: str
    dataset_hash: str
    prompt_hash: str
    adapter_hash: str
    versions: dict[str, str]
    git_commit: str = ""


ADAPTER_CARD = "swap_adapter.json"


class MergeCard(Frozen):
    """`swap_merged.json` in a merged model's folder: what was merged, from what, rendered how. It holds no path."""

    candidate_id: str
    answer_format: AnswerFormat
    prompt_style: PromptStyle
    base: str = Field(description="the hub id of the base, or the name of its folder")
    revision: str
    dtype: str
    base_hash: str
    adapter_hash: str
    dataset_hash: str
    prompt_hash: str = Field(description="of the renderer and the chat template")
    merged_hash: str
    lora: LoraSettings
    training: TrainingSettings
    seed: int
    datasets: tuple[str, ...] = ()
    licence: str = Field(default="", description="of the base, where its card is known")
    versions: dict[str, str]
    git_commit: str = ""


MERGE_CARD = "swap_merged.json"
