"""The record that a training asset leaves: where its LoRA adapter lies, or why there is none."""

from typing import Literal

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.model import Frozen


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
