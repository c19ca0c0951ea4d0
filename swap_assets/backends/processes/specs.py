"""What a model process is told and what it answers: a spec file goes in, `result.json` comes out beside it.

Anyone can re-run a spec by hand, without Dagster: `python -m swap_assets.backends.processes.worker SPEC.json`.
No secret is ever a field of a spec: keys and tokens come from the environment alone.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from swap_assets.backends.store.whole import write_text
from swap_assets.domain.experiment.engines import AnyEngine, Transformers
from swap_assets.domain.experiment.recipes import Recipe
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.formats.prompts import KEEP
from swap_assets.domain.model import Frozen
from swap_assets.domain.weights import LossPoint, MergedAdapter

RESULT_FILE = "result.json"


class Weights(Frozen):
    """Where a base model comes from: a folder on this machine or a hub id."""

    source: str = Field(min_length=1, description="a folder, or a hub id such as microsoft/Phi-4-mini-instruct")
    revision: str = Field(default="", description="a commit or branch of the hub; empty is the newest")
    trust_remote_code: bool = False
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"

    @property
    def named(self) -> str:
        """The source with its revision, in one text."""
        return f"{self.source}@{self.revision}" if self.revision else self.source


class Tracking(Frozen):
    """Which MLflow run a piece of work becomes; `uri` may not hold a password."""

    uri: str = Field(min_length=1)
    experiment: str = Field(min_length=1)
    run_name: str
    tags: dict[str, str] = Field(default_factory=dict)


class TrainSpec(Recipe):
    """One adapter to train by a recipe, on the rows of a track; they are rendered when they are read."""

    kind: Literal["train"] = "train"
    candidate_id: str
    partition: str = ""
    weights: Weights
    datasets: tuple[str, ...] = Field(default=(), description="hub ids of where the rows come from, for the card")
    data_file: Path = Field(description="the track's `TrackData` as JSON, as its asset has stored it")
    answer_format: AnswerFormat
    prompt_style: PromptStyle
    system: str = KEEP
    seed: int = Field(default=42, ge=0)
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 leaves it to torch")
    processes: int = Field(default=1, ge=1, description="they share each step's rows, each on its own card")
    output: Path = Field(description="the folder that becomes the adapter")
    tracking: Tracking | None = None


class GenerateSpec(Frozen):
    """Questions for a local model: the base, the base under an adapter, or a merged model as `weights`.

    `artefact_hash` names the exact weights in each request's hash; left empty, the worker computes it. A record that
    is already in `output` for the same request is kept and not asked for again.
    """

    kind: Literal["generate"] = "generate"
    candidate_id: str
    partition: str = ""
    weights: Weights
    adapter: Path | None = None
    cases_files: tuple[Path, ...] = Field(description="stored test splits; each case is asked once, whatever it serves")
    answer_format: AnswerFormat
    prompt_style: PromptStyle
    system: str = KEEP
    token_budget: int = Field(default=16_384, ge=1, description="tokens of all rows under way: prompts and limits")
    max_new_tokens: int = Field(default=1024, ge=1)
    constrained: bool = Field(default=False, description="only calls that fit the tools' schemas, or words")
    thinking: int = Field(default=0, ge=0, description="tokens that may be thought before an answer; 0: none")
    ends_early: bool = Field(default=False, description="answers that repeat themselves or begin a turn are cut")
    engine: AnyEngine = Field(default=Transformers(), description="who answers, with its settings")
    gpu_hour: float | None = Field(default=None, description="the price of one card for an hour, None where not given")
    epoch: str = "first"
    artefact_hash: str = ""
    seed: int = Field(default=42, ge=0)
    threads: int = Field(default=0, ge=0)
    reuse: tuple[Path, ...] = Field(default=(), description="other files of records that may hold the same answers")
    output: Path = Field(description="JSONL, one PredictionRecord a line")


class MergeSpec(Frozen):
    """An adapter to merge into its 16-bit base; a few cases check that the merged model answers as the adapter.

    Weights are saved as safetensors in shards of at most `shard_size`.
    """

    kind: Literal["merge"] = "merge"
    candidate_id: str
    partition: str = ""
    weights: Weights
    adapter: Path
    cases_files: tuple[Path, ...] = ()
    parity_rows: int = Field(default=4, ge=0)
    max_new_tokens: int = Field(default=256, ge=1)
    shard_size: str = Field(default="5GB", pattern=r"^\d+(KB|MB|GB)$")
    threads: int = Field(default=0, ge=0)
    output: Path = Field(description="the folder that becomes the merged model")


class ServeSpec(Frozen):
    """A model to serve over OpenAI's chat completions protocol, on loopback only."""

    kind: Literal["serve"] = "serve"
    weights: Weights
    served_name: str
    port: int = Field(ge=1, le=65535)
    threads: int = Field(default=0, ge=0)


Spec = Annotated[TrainSpec | GenerateSpec | MergeSpec | ServeSpec, Field(discriminator="kind")]
SPEC: TypeAdapter[Spec] = TypeAdapter(Spec)


class RowCounts(Frozen):
    """What became of the rows: `cut` lost their end to `max_length`, `lost` had no trained token left."""

    read: int
    used: int
    cut: int = 0
    lost: int = 0
    tokens: int = Field(default=0, description="tokens of the used rows, without padding")
    trained_tokens: int = Field(default=0, description="tokens that carry loss")
    longest: int = Field(default=0, description="tokens of the longest row before cutting")


class MemoryEstimate(Frozen):
    """The peak memory that a training is expected to need, and what was free before it began; in MB (10^6 bytes)."""

    weights_mb: float
    adapter_mb: float = Field(description="adapter, gradients and optimiser")
    activations_mb: float
    logits_mb: float
    available_mb: float | None

    @property
    def total_mb(self) -> float:
        """The sum of the parts."""
        return round(self.weights_mb + self.adapter_mb + self.activations_mb + self.logits_mb, 1)


class TrainResult(Frozen):
    """What a training left behind; `seconds` is the training alone, `total_seconds` the process."""

    kind: Literal["train"] = "train"
    adapter: Path
    adapter_hash: str
    dataset_hash: str
    prompt_hash: str
    train_rows: RowCounts
    validation_rows: RowCounts | None = None
    mask_preview: str = Field(description="the first row; the trained text stands between ⟦ and ⟧")
    trainable_parameters: int
    parameters: int
    steps: int
    kept_step: int = Field(description="the step whose weights the adapter holds: of the best epoch, or the last")
    resumed_from: tuple[int, ...] = Field(default=(), description="steps from which interrupted runs were taken up")
    reused: bool = Field(default=False, description="this very training had been finished before")
    rows_per_step: int
    micro_batch: int
    gradient_checkpointing: bool = False
    rungs: tuple[str, ...] = Field(default=(), description="what was changed for want of memory, in order")
    untrained_tokens: tuple[str, ...] = Field(default=(), description="turn tokens whose rows were trained beside LoRA")
    memory: MemoryEstimate
    train_loss: float = Field(description="mean over the steps")
    loss_curve: tuple[LossPoint, ...]
    validation_curve: tuple[LossPoint, ...] = ()
    tokens_per_second: float
    seconds: float
    total_seconds: float
    peak_memory_mb: int
    device: str
    versions: dict[str, str]
    git_commit: str = ""
    mlflow_run_id: str = ""


class GenerateResult(Frozen):
    """What a generation left behind; `reused` records were there already.

    `seconds` are those of answering, `total_seconds` those of the process, with loading the model.
    """

    kind: Literal["generate"] = "generate"
    output: Path
    engine: str = ""
    artefact_hash: str
    prompt_hash: str
    cases: int
    asked: int
    reused: int
    longest_gold: int = Field(default=0, description="tokens of the longest expected answer")
    method: str = Field(default="", description="how the rows were computed, and why where it was not the fast way")
    token_budget: int = Field(default=0, description="the budget at the end: less than asked for where memory ran out")
    loose_tools: int = Field(default=0, description="constrained: offered tools, over all cases, that take any object")
    given_up: int = Field(default=0, description="constrained: rows that grew beyond the grammar's limits")
    prompt_tokens: int
    completion_tokens: int
    rows_per_second: float = Field(description="of one card, from when the model was ready")
    seconds: float
    total_seconds: float
    device: str


class MergeResult(MergedAdapter):
    """A merged model and how it compares with its adapter on the parity rows."""

    kind: Literal["merge"] = "merge"
    total_seconds: float


WorkerResult = Annotated[TrainResult | GenerateResult | MergeResult, Field(discriminator="kind")]
RESULT: TypeAdapter[WorkerResult] = TypeAdapter(WorkerResult)


class SpecError(ValueError):
    """A spec file cannot be used; the message is one sentence that names the file and the problem."""


def write_spec(spec: Spec, folder: Path) -> Path:
    """Write `spec.json` into a folder (made where it is missing) and return its path."""
    return write_text(folder / "spec.json", spec.model_dump_json(indent=2) + "\n")


def read_spec(path: Path) -> Spec:
    """Read a spec file; SpecError where it is missing or does not hold a spec."""
    try:
        return SPEC.validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"the spec {path} cannot be read: {error.strerror}; give the path of a spec.json") from None
    except ValueError as error:
        why = " ".join(str(error).split())[:200]
        raise SpecError(f"{path} does not hold a spec ({why}); correct it, or start what wrote it again") from None
