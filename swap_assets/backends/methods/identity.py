"""What makes two trainings the same one: settings, data, prompt, base weights, code and library versions.

A checkpoint is taken up only by the training that wrote it. What changes speed alone (rows through the model at once,
how often to save, threads, where results go) is no part of it.
"""

from collections.abc import Mapping
from pathlib import Path

from swap_assets.backends.models import provenance
from swap_assets.backends.processes.specs import TrainSpec

_SHAPING_LIBRARIES = ("torch", "transformers", "trl", "peft")
_NOT_THE_RECIPE = {"checkpoint_minutes", "micro_batch"}


def identity(spec: TrainSpec, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return everything that the trained weights depend on as flat texts, `training.epochs` and so on."""
    plain = spec.model_dump(
        mode="json", include={"answer_format", "prompt_style", "method", "lora", "training", "seed"}
    )
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
