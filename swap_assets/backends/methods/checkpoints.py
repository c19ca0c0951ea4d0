"""Checkpoints on disk: written whole or not at all, recognised when torn, refused when of another training.

    checkpoints/checkpoint-40/    adapter, optimiser, scheduler, random states, curve; manifest.json with every hash
    checkpoints/writing.part/     what a killed process was writing; never read, removed by the next one

Not here: what goes into a checkpoint (`trainer`), and when one is written (`callback`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from swap_assets.backends.methods.identity import differences
from swap_assets.domain.model import Frozen

MANIFEST = "manifest.json"
KEPT = 2
_PREFIX = "checkpoint-"


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, or may not be used; the message is one sentence that says what to do."""


class Progress(Frozen):
    """How far a training has come."""

    step: int = Field(description="optimiser steps done")
    best_step: int | None = Field(default=None, description="that of the lowest validation loss, kept as a checkpoint")
    finished: bool = Field(default=False, description="nothing is left to train")
    seconds: float = Field(default=0.0, description="of training, over all the processes that took part")
    resumed_from: tuple[int, ...] = ()


class Manifest(Progress):
    """What a checkpoint is; written last, so that a folder with a manifest once was whole."""

    identity: dict[str, str]
    files: dict[str, str] = Field(description="SHA-256 of every file by its name")


class Checkpoints:
    """The checkpoints of one training in a folder of their own."""

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        self.folder = folder
        self._identity = dict(identity)

    @property
    def unfinished(self) -> Path:
        """Where a checkpoint is written before it counts."""
        return self.folder / "writing.part"

    def clear(self) -> None:
        """Remove all of them: the training has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, step: int) -> Path:
        """Return where the checkpoint after so many optimiser steps lies."""
        return self.folder / f"{_PREFIX}{step}"

    def last(self) -> Manifest | None:
        """Return the newest whole checkpoint, None where there is none.

        Raises:
            CheckpointError: it belongs to a training with other settings, data, prompt, base or code.
        """
        found = next((manifest for step in self._steps() if (manifest := self._whole(step))), None)
        if found and (changed := differences(found.identity, self._identity)):
            raise CheckpointError(
                f"the unfinished training in {self.folder} (step {found.step}) was begun with {'; '.join(changed)}: "
                "restore that to go on with it, or delete the folder to begin anew"
            )
        return found

    def tidy(self, last: Progress | None) -> None:
        """Remove what a killed process left half written beside (and after) the last whole checkpoint."""
        shutil.rmtree(self.unfinished, ignore_errors=True)
        for step in self._steps():
            if last is None or step > last.step:
                _remove(self.path(step))

    @contextlib.contextmanager
    def writing(self, step: int) -> Iterator[Path]:
        """Give the folder into which the checkpoint after `step` is written; what fails leaves the others whole.

        Raises:
            CheckpointError: the disk is full or cannot be written.
        """
        try:
            yield self.unfinished
        except Exception as error:
            # Not OSError alone: torch reports a full disk as RuntimeError, safetensors with a class of its own.
            shutil.rmtree(self.unfinished, ignore_errors=True)
            raise CheckpointError(self._failure(step, error)) from error

    def commit(self, progress: Progress) -> None:
        """Make `writing.part/checkpoint-N` count: hash and sync every file, then rename, then drop what is too old."""
        part = self.unfinished / f"{_PREFIX}{progress.step}"
        hashes = {path.relative_to(part).as_posix(): _synced_hash(path) for path in _files(part)}
        manifest = Manifest(**progress.model_dump(), identity=self._identity, files=hashes)
        (part / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        _synced_hash(part / MANIFEST)
        _sync_folder(part)
        final = self.path(progress.step)
        _remove(final)
        part.rename(final)
        _sync_folder(self.folder)
        shutil.rmtree(self.unfinished, ignore_errors=True)
        self._prune(progress.best_step)

    def _prune(self, best_step: int | None) -> None:
        for step in self._steps()[KEPT:]:
            if step != best_step:
                _remove(self.path(step))

    def _steps(self) -> list[int]:
        names = [path.name.removeprefix(_PREFIX) for path in self.folder.glob(f"{_PREFIX}*")]
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def _whole(self, step: int) -> Manifest | None:
        manifest = _read_whole(self.path(step))
        if manifest is None or manifest.best_step in (None, step):
            return manifest
        return manifest if _read_whole(self.path(manifest.best_step)) else None

    def _failure(self, step: int, error: Exception) -> str:
        kept = [other for other in self._steps() if other != step and _read_whole(self.path(other))]
        free = shutil.disk_usage(self.folder.parent).free // 1_000_000
        goes_on = f"goes on from step {kept[0]}" if kept else "begins anew"
        reason = " ".join(str(error).split())[:200]
        return (
            f"the checkpoint after step {step} cannot be written to {self.folder} ({reason}; {free} MB are free): "
            f"make room and start the training again, it {goes_on}"
        )


def _read_whole(folder: Path) -> Manifest | None:
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        intact = all(_hash(folder / name) == expected for name, expected in manifest.files.items())
    except (OSError, ValidationError):
        return None
    return manifest if intact else None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _synced_hash(path: Path) -> str:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return _hash(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    # The manifest first: a removal that is cut short leaves what nobody takes for whole.
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
