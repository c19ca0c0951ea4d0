"""What lies beside weights and says how they were made: of an adapter, and of a merged model."""

from pydantic import Field

from swap_assets.backends.processes.specs import TrainSpec
from swap_assets.domain.experiment.recipe import LoraSettings, TrainingSettings
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.model import Frozen


class AdapterCard(Frozen):
    """`swap_adapter.json` in an adapter's folder: everything that says how it was made."""

    spec: TrainSpec
    base_hash: str
    dataset_hash: str
    prompt_hash: str
    adapter_hash: str
    versions: dict[str, str]
    git_commit: str = ""


ADAPTER_CARD = "swap_adapter.json"


class MergeCard(Frozen):
    """`swap_merged.json` in a merged model's folder: what was merged, from what, rendered how. It holds no path."""

    candidate_id: str
    answer_format: AnswerFormat
    prompt_style: PromptStyle
    base: str = Field(description="the hub id of the base, or the name of its folder")
    revision: str
    dtype: str
    base_hash: str
    adapter_hash: str
    dataset_hash: str
    prompt_hash: str = Field(description="of the renderer and the chat template")
    merged_hash: str
    lora: LoraSettings
    training: TrainingSettings
    seed: int
    datasets: tuple[str, ...] = ()
    licence: str = Field(default="", description="of the base, where its card is known")
    versions: dict[str, str]
    git_commit: str = ""


MERGE_CARD = "swap_merged.json"
