"""Reading what trainings and generations left behind in an experiment's folder, tolerantly: what is not there is None.

The texts of answers are looked up by case without parsing every record: a candidate has thousands, a report shows few.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from swap_assets.backends.artefacts import ArtefactStore
from swap_assets.backends.specs import RESULT, RESULT_FILE, TrainResult
from swap_assets.backends.workbench import RECORDS_FILE
from swap_assets.domain.candidates import Candidate
from swap_assets.domain.contracts import Contract, Track
from swap_assets.domain.report.inputs import GenerationRun, LossPoint, TrainingRun

# `case_id` is the first field that a record is written with.
_CASE = re.compile(rb'^\{"case_id":("(?:[^"\\]|\\.)*")')


class AnswerTexts:
    """The texts that candidates answered, by candidate, track and case; each file is read once."""

    def __init__(self, store: ArtefactStore) -> None:
        self._answers = store.root / "work" / "answers"
        self._lines: dict[tuple[str, Track], dict[str, bytes]] = {}

    def __call__(self, candidate: str, track: Track, case: str) -> str | None:
        """Return a text, None where it was not kept."""
        key = (candidate, track)
        if key not in self._lines:
            self._lines[key] = self._index(candidate, track)
        line = self._lines[key].get(case)
        return json.loads(line).get("text") if line else None

    def _index(self, candidate: str, track: Track) -> dict[str, bytes]:
        lines: dict[str, bytes] = {}
        for contract in Contract:
            path = self._answers / candidate / contract.value / RECORDS_FILE
            if contract.track is track and path.is_file():
                # The last record of a case is the one in force: an interrupted run may have left an earlier one.
                lines.update(_by_case(path))
        return lines


def training_runs(store: ArtefactStore, scale: str) -> list[TrainingRun]:
    """Return the scale's trainings whose result is there, by candidate and adapter."""
    return [
        TrainingRun(
            candidate_id=candidate,
            adapter=adapter,
            rows=result.train_rows.used,
            steps=result.steps,
            loss=tuple(LossPoint(**point.model_dump()) for point in result.loss_curve),
            validation=tuple(LossPoint(**point.model_dump()) for point in result.validation_curve),
            seconds=result.total_seconds,
            tokens_per_second=result.tokens_per_second,
            device=result.device,
            peak_memory_mb=result.peak_memory_mb,
        )
        for candidate, adapter, result in _results(store.root / "work" / "trainings", scale)
        if isinstance(result, TrainResult)
    ]


def generation_runs(store: ArtefactStore, scale: str) -> list[GenerationRun]:
    """Return how fast the scale's local candidates answered, where their results are there."""
    return [
        GenerationRun(
            candidate_id=candidate,
            track=Contract(contract).track,
            answers=result.asked,
            per_second=result.rows_per_second,
            seconds=result.total_seconds,
            device=result.device,
        )
        for candidate, contract, result in _results(store.root / "work" / "answers", scale)
        if result.kind == "generate" and contract in set(Contract)
    ]


def _results(folder: Path, scale: str) -> Iterator[tuple[str, str, Any]]:
    for path in sorted(folder.glob(f"*/*/{RESULT_FILE}")):
        candidate = path.parents[1].name
        try:
            if Candidate.from_id(candidate).scale == scale:
                yield candidate, path.parent.name, RESULT.validate_json(path.read_bytes())
        except (ValueError, ValidationError, OSError):
            continue  # written by another version, or half there: shown as not measured


def _by_case(path: Path) -> Iterator[tuple[str, bytes]]:
    for line in path.read_bytes().split(b"\n"):
        if found := _CASE.match(line):
            yield json.loads(found.group(1)), line
