"""Reading what trainings and generations left behind in an experiment's folder, tolerantly: what is not there is None.

The texts of answers are looked up by case without parsing every record: a candidate has thousands, a report shows few.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from swap_assets.backends.processes.spec_building import RECORDS_FILE
from swap_assets.backends.processes.specs import RESULT_FILE
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.domain.formats.base import Track, answer_formats, named_format
from swap_assets.domain.keys import Candidate
from swap_assets.domain.report.inputs import AnswerText, GenerationRun, TrainingRun

Run = TypeVar("Run", TrainingRun, GenerationRun)
# `case_id` is the first field that a record is written with.
_CASE = re.compile(rb'^\{"case_id":("(?:[^"\\]|\\.)*")')


def answer_texts(store: ArtefactStore) -> AnswerText:
    """Return what looks up the text that a candidate answered, None where it was not kept; a file is read once."""

    @cache
    def lines(candidate: str, track: Track) -> dict[str, bytes]:
        folder = store.root / "work" / "answers" / candidate
        paths = (folder / one.name / RECORDS_FILE for one in answer_formats().values() if one.track is track)
        # The last record of a case is the one in force: an interrupted run may have left an earlier one.
        return {json.loads(found.group(1)): line for path in paths if path.is_file()
                for line in path.read_bytes().split(b"\n") if (found := _CASE.match(line))}  # fmt: skip

    def text(candidate: str, track: Track, case: str) -> str | None:
        line = lines(candidate, track).get(case)
        return json.loads(line).get("text") if line else None

    return text


def training_runs(store: ArtefactStore, scale: str) -> list[TrainingRun]:
    """Return the scale's trainings whose result is there, by candidate and adapter."""
    return list(_results(store.root / "work" / "trainings", scale, _training))


def generation_runs(store: ArtefactStore, scale: str) -> list[GenerationRun]:
    """Return how fast the scale's local candidates answered, where their results are there."""
    return list(_results(store.root / "work" / "answers", scale, _generation))


def _results(folder: Path, scale: str, read: Callable[[str, str, dict[str, Any]], Run]) -> Iterator[Run]:
    for path in sorted(folder.glob(f"*/*/{RESULT_FILE}")):
        candidate = path.parents[1].name
        try:
            if Candidate.from_id(candidate).scale == scale:
                yield read(candidate, path.parent.name, json.loads(path.read_bytes()))
        except (ValueError, OSError, KeyError, TypeError):
            continue  # half there, of an earlier version, or no candidate's folder: shown as not measured


# Only the fields that are shown are read, so that a result of an earlier version still tells its story.
def _training(candidate: str, adapter: str, data: dict[str, Any]) -> TrainingRun:
    return TrainingRun(
        candidate_id=candidate,
        adapter=adapter,
        rows=data["train_rows"]["used"],
        loss=data["loss_curve"],
        validation=data.get("validation_curve", ()),
        seconds=data["total_seconds"],
        peak_memory_mb=data.get("peak_memory_mb", 0),
        **{name: data[name] for name in ("steps", "tokens_per_second", "device")},
    )


def _generation(candidate: str, answer_format: str, data: dict[str, Any]) -> GenerationRun:
    return GenerationRun(
        candidate_id=candidate,
        track=named_format(answer_format).track,
        answers=data["asked"],
        per_second=data["rows_per_second"],
        seconds=data["total_seconds"],
        device=data["device"],
    )
