"""The note that a training has ended, so that the same one is not trained again: `finished.json` beside the spec."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from swap_assets.backends.models import provenance
from swap_assets.backends.processes.specs import TrainResult
from swap_assets.domain.model import Frozen

_FILE = "finished.json"


class _Note(Frozen):
    identity: dict[str, str]
    result: TrainResult


def write(folder: Path, identity: Mapping[str, str], result: TrainResult) -> None:
    """Note the result of a training that has ended."""
    part = folder / (_FILE + ".part")
    part.write_text(_Note(identity=dict(identity), result=result).model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(folder / _FILE)


def read(folder: Path, output: Path, identity: Mapping[str, str]) -> TrainResult | None:
    """Return the result of the same training where it has ended and its adapter still lies in `output`, else None."""
    try:
        note = _Note.model_validate_json((folder / _FILE).read_bytes())
        there = note.result.adapter == output and provenance.adapter_hash(output) == note.result.adapter_hash
    except (OSError, ValidationError):
        return None
    if not there or note.identity != dict(identity):
        return None
    return note.result.model_copy(update={"reused": True})
