"""Whether a model fits: its files on the disk, its weights in memory. Estimates, each with what it is made of."""

import json
from typing import NamedTuple

from swap_assets.backends.models.files import ModelFiles
from swap_assets.backends.models.findings import Finding
from swap_assets.backends.processes.hardware import Hardware
from swap_assets.domain.experiment.approaches import Approach
from swap_assets.domain.experiment.entries import SmallModel

_GIB = 1024**3
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
_NF4_BYTES = 0.56  # half a byte and the double-quantised scales of blocks of 64
# Two checkpoints and the adapter, each with the optimiser's two moments, at r 64 on all linear layers of 8B: 4 GB.
_CHECKPOINTS_SHARE = 0.25
# CUDA's context, LoRA's own weights and moments, and one row's activations under checkpointing.
_BESIDE_WEIGHTS_GIB = 2.0


class Parameters(NamedTuple):
    """How many parameters a model has, and where the number comes from."""

    number: float
    basis: str


def parameters(model: SmallModel, files: ModelFiles) -> Parameters:
    """Return a model's parameters: by the size of its weights and their stored type, else as its entry says."""
    if files.weights:
        path = files.read("config.json")
        config = json.loads(path.read_text(encoding="utf-8")) if path else {}
        stored = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
        return Parameters(files.weights / _BYTES.get(stored, 2.0), f"{files.weights / _GIB:.2f} GiB of {stored}")
    return Parameters(model.parameters_billion * 1e9, "parameters_billion")


def disk(model: SmallModel, files: ModelFiles, machine: Hardware, approaches: list[Approach]) -> Finding:
    """Compare what is to be downloaded, checkpointed and merged with the free space."""
    copy = parameters(model, files).number * _BYTES[model.dtype] / _GIB
    merged = copy * max((len(approach.adapters) for approach in approaches), default=1)
    download, checkpoints = files.missing / _GIB, copy * _CHECKPOINTS_SHARE
    total = download + checkpoints + merged
    made_of = (
        f"download {download:.1f}, checkpoints about {checkpoints:.1f}, merged model {merged:.1f} GiB; "
        f"{machine.disk_free_gib} GiB are free"
    )
    if machine.disk_free_gib is None:
        return Finding(what="disk", state="warn", detail=f"{made_of}: the free space could not be read")
    if download + checkpoints > machine.disk_free_gib:
        advice = "free some, or set HF_HOME and the experiment's storage to a larger disk"
        return Finding(what="disk", state="fail", detail=f"{made_of}: {advice}")
    if total > machine.disk_free_gib:
        return Finding(what="disk", state="warn", detail=f"{made_of}: enough to train, not enough to merge")
    return Finding(what="disk", state="ok", detail=made_of)


def memory(model: SmallModel, files: ModelFiles, machine: Hardware, approaches: list[Approach]) -> Finding:
    """Compare the least that answering and training need with the largest card, or the machine where there is none."""
    size, basis = parameters(model, files)
    card = max(machine.gpus, key=lambda gpu: gpu.memory_gib, default=None)
    have, where = (card.memory_gib, card.name) if card else (machine.memory_gib, "this machine's memory")
    answering = size * _BYTES[model.dtype] / _GIB
    training = max((_trained_weights(size, model, approach) for approach in approaches), default=answering)
    least = training + (_BESIDE_WEIGHTS_GIB if size > 1e9 else 0.0)
    made_of = (
        f"{size / 1e9:.3g} billion parameters ({basis}): answering {answering:.1f} GiB, training at least "
        f"{least:.1f} GiB; {where} has {have} GiB"
    )
    if not size or have is None:
        return Finding(what="memory", state="warn", detail="unknown; give the entry its parameters_billion")
    if answering > have:
        return Finding(what="memory", state="fail", detail=f"{made_of}: take a smaller model or a larger card")
    if least > have:
        return Finding(what="memory", state="fail", detail=f"{made_of}: set quantisation: nf4, or take a larger card")
    return Finding(what="memory", state="ok", detail=made_of)


def _trained_weights(size: float, model: SmallModel, approach: Approach) -> float:
    return size * (_NF4_BYTES if approach.training.quantisation == "nf4" else _BYTES[model.dtype]) / _GIB
