"""What makes two trainings the same one, and the note that one has ended, so that the same is not trained again.

Settings, data, prompt, base weights, code and library versions: a checkpoint is taken up only by the training that
wrote it. What changes speed alone (rows through the model at once, how often to save, threads, where results go) is no
part of it.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from swap_assets.backends.models import provenance
from swap_assets.backends.processes.specs import TrainResult, TrainSpec
from swap_assets.domain.model import Frozen

_SHAPING_LIBRARIES = ("torch", "transformers", "trl", "peft")
_NOT_THE_RECIPE = {"checkpoint_minutes", "micro_batch"}
_FINISHED_FILE = "finished.json"


class _Finished(Frozen):
    identity: dict[str, str]
    result: TrainResult


def identity(spec: TrainSpec, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return everything that the trained weights depend on as flat texts, `training.epochs` and so on."""
    recipe = {"answer_format", "prompt_style", "method", "lora", "training", "seed"}
    plain = spec.model_dump(mode="json", include=recipe)
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
    part = folder / (_FINISHED_FILE + ".part")
    part.write_text(_Finished(identity=dict(same), result=result).model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(folder / _FINISHED_FILE)


def finished(folder: Path, output: Path, same: Mapping[str, str]) -> TrainResult | None:
    """Return the result of the same training where it has ended and its adapter still lies in `output`, else None."""
    try:
        note = _Finished.model_validate_json((folder / _FINISHED_FILE).read_bytes())
        there = note.result.adapter == output and provenance.adapter_hash(output) == note.result.adapter_hash
    except (OSError, ValidationError):
        return None
    return note.result.model_copy(update={"reused": True}) if there and note.identity == dict(same) else None
