"""What answers for a candidate, and the record that a training leaves: where its adapter lies, or why there is none."""

from pathlib import Path
from typing import Literal, NamedTuple

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.model import Frozen


class Artefact(NamedTuple):
    """What answers for a candidate in one format: an adapter's folder, a merged model's, or None for the base itself.

    The name is the adapter's, or the track's of a base.
    """

    name: str
    answer_format: AnswerFormat
    path: Path | None


class LoraAdapter(Frozen):
    """One LoRA adapter. `skipped` means that a decision said no training was needed; it is not a failure.

    `folder` is an absolute path; the hashes name the exact weights, training rows, and prompt renderer.
    """

    candidate_id: str
    name: str
    answer_format: AnswerFormat
    status: Literal["trained", "skipped"]
    reason: str = ""
    folder: str = ""
    adapter_hash: str = ""
    dataset_hash: str = ""
    prompt_hash: str = ""
    mlflow_run_id: str = ""

    @property
    def artefact(self) -> Artefact:
        """What answers with it."""
        return Artefact(self.name, self.answer_format, Path(self.folder))
