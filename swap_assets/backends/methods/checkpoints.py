"""What outlives a training's process: its checkpoints, whole or not at all, and the note that it has ended.

    checkpoints/checkpoint-40/    adapter, optimiser, scheduler, random states, curve; manifest.json with every hash
    checkpoints/writing.part/     what a killed process was writing; never read, removed by the next one
    finished.json                 the result of the training that has ended, so that the same is not trained again

Both are taken up only by the training that wrote them: the same settings, data, prompt, base weights, code and library
versions. What changes speed alone (rows through the model at once, how often to save, threads, where results go) is no
part of that. Not here: what goes into a checkpoint (`trainer`), and when one is written (`callbacks`).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field

from swap_assets.backends.models import provenance
from swap_assets.backends.processes.specs import TrainResult, TrainSpec
from swap_assets.backends.store.whole import UnreadableError, read_json, sha256, sync, write_json
from swap_assets.domain.model import Frozen

_SHAPING_LIBRARIES = ("torch", "transformers", "trl", "peft")
RECIPE = {"answer_format", "prompt_style", "system", "method", "lora", "training", "seed"}
_NOT_THE_RECIPE = {"checkpoint_minutes", "micro_batch"}
_FINISHED_FILE = "finished.json"
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
        self.folder, self._identity = folder, dict(identity)
        self.unfinished = folder / "writing.part"  # where a checkpoint is written before it counts

    def clear(self) -> None:
        """Remove all of them: the training has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, step: int) -> Path:
        """Return where the checkpoint after so many optimiser steps lies."""
        return self.folder / f"{_PREFIX}{step}"

    def last(self) -> Manifest | None:
        """Return the newest whole checkpoint, None for none; CheckpointError where it is another training's."""
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
        """Give a folder for the checkpoint after `step`; a CheckpointError (a full disk) leaves the others whole."""
        try:
            yield self.unfinished
        except Exception as error:
            # Not OSError alone: torch reports a full disk as RuntimeError, safetensors with a class of its own.
            shutil.rmtree(self.unfinished, ignore_errors=True)
            raise CheckpointError(self._failure(step, error)) from error

    def commit(self, progress: Progress) -> None:
        """Make `writing.part/checkpoint-N` count: hash and sync every file, then rename, then drop what is too old."""
        part = self.unfinished / f"{_PREFIX}{progress.step}"
        files = sorted(path for path in part.rglob("*") if path.is_file())
        for path in files:
            sync(path)
        hashes = {path.relative_to(part).as_posix(): sha256(path) for path in files}
        manifest = Manifest(**progress.model_dump(), identity=self._identity, files=hashes)
        write_json(part / MANIFEST, manifest)
        sync(part)
        final = self.path(progress.step)
        _remove(final)
        part.rename(final)
        sync(self.folder)
        shutil.rmtree(self.unfinished, ignore_errors=True)
        for step in self._steps()[KEPT:]:
            if step != progress.best_step:
                _remove(self.path(step))

    def _steps(self) -> list[int]:
        names = [path.name.removeprefix(_PREFIX) for path in self.folder.glob(f"{_PREFIX}*")]
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def _whole(self, step: int) -> Manifest | None:
        found = _read_whole(self.path(step))
        best = found.best_step if found else None
        return found if best in (None, step) or _read_whole(self.path(best)) else None

    def _failure(self, step: int, error: Exception) -> str:
        kept = next((other for other in self._steps() if other != step and _read_whole(self.path(other))), None)
        goes_on = "begins anew" if kept is None else f"goes on from step {kept}"
        free, reason = shutil.disk_usage(self.folder.parent).free // 1_000_000, " ".join(str(error).split())[:200]
        return (
            f"the checkpoint after step {step} cannot be written to {self.folder} ({reason}; {free} MB are free): "
            f"make room and start the training again, it {goes_on}"
        )


def _read_whole(folder: Path) -> Manifest | None:
    try:
        manifest = read_json(folder / MANIFEST, Manifest.model_validate_json, again="")
        intact = all(sha256(folder / name) == expected for name, expected in manifest.files.items())
    except (OSError, UnreadableError):
        return None
    return manifest if intact else None


def _remove(folder: Path) -> None:
    # The manifest first: a removal that is cut short leaves what nobody takes for whole.
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


class _Finished(Frozen):
    identity: dict[str, str]
    result: TrainResult


def identity(spec: TrainSpec, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return everything that the trained weights depend on as flat texts, `training.epochs` and so on."""
    plain = spec.model_dump(mode="json", include=RECIPE)
    plain["training"] = {key: value for key, value in plain["training"].items() if key not in _NOT_THE_RECIPE}
    versions = provenance.versions()
    return {
        **flat(plain),
        "weights": f"{spec.weights.source}, {spec.weights.dtype}",
        **hashes,
        "code_hash": code_hash(),
        **{f"version of {name}": versions[name] for name in _SHAPING_LIBRARIES if name in versions},
    }


def flat(nested: Mapping[str, object]) -> dict[str, str]:
    """Return nested settings as one level of texts, the keys joined by dots."""
    found: dict[str, str] = {}
    for key, value in nested.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        found |= {f"{key}.{name}" if name else key: str(setting) for name, setting in inner}
    return found


def code_hash() -> str:
    """Name the sources of this package: another loop may take another path from the same checkpoint."""
    return provenance.files_hash(Path(__file__).parent.glob("*.py"))


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say what differs between two identities, `training.epochs: 3, now 5` each; empty where they are the same."""
    keys = [key for key in (*now, *(key for key in then if key not in now)) if then.get(key) != now.get(key)]
    return [f"{key}: {then.get(key, 'nothing')}, now {now.get(key, 'nothing')}" for key in keys]


def note_finished(folder: Path, same: Mapping[str, str], result: TrainResult) -> None:
    """Note beside the spec the result of a training that has ended."""
    write_json(folder / _FINISHED_FILE, _Finished(identity=dict(same), result=result))


def finished(folder: Path, output: Path, same: Mapping[str, str]) -> TrainResult | None:
    """Return the result of the same training where it has ended and its adapter still lies in `output`, else None."""
    try:
        note = read_json(folder / _FINISHED_FILE, _Finished.model_validate_json, again="")
        card = provenance.adapter_card(output, again="")
        there = note.result.adapter == output and card.adapter_hash == note.result.adapter_hash
    except (OSError, UnreadableError):
        return None
    return note.result.model_copy(update={"reused": True}) if there and note.identity == dict(same) else None
