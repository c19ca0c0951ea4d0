"""The entries of the experiment file that name things: the hosted model, the small models, prices."""

from typing import Literal

from pydantic import Field, model_validator

from swap_assets.domain.contracts import Contract
from swap_assets.domain.model import Frozen
from swap_assets.domain.prompts import PromptStyle


class TokenPrice(Frozen):
    """What a hosted model costs, per million tokens, in the experiment's currency."""

    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the price of one answer in the experiment's currency."""
        return (prompt_tokens * self.input_per_million + completion_tokens * self.output_per_million) / 1_000_000


class HostedModel(Frozen):
    """The hosted LLM: the bar.

    `provider` azure and openai speak to the real services. `stand-in` starts a miniature behind an OpenAI-compatible
    server on loopback and is called through the same client.
    """

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*$")
    provider: Literal["azure", "openai", "stand-in"]
    model: str = Field(description="the deployment on Azure, the model name elsewhere, the miniature of a stand-in")
    api_version: str = "2024-10-21"
    endpoint_env: str = "AZURE_OPENAI_ENDPOINT"
    key_env: str = "AZURE_OPENAI_API_KEY"
    base_url: str = ""
    concurrency: int = Field(default=4, ge=1, le=256, description="requests under way at once")
    timeout_s: float = Field(default=60.0, gt=0)
    max_retries: int = Field(default=5, ge=0, le=20)
    accepts_temperature: bool = True
    seed: int | None = 42
    max_answer_tokens: int = Field(default=1024, ge=16)
    price: TokenPrice | None = None
    prompt_style: PromptStyle = PromptStyle.HERMES


class SmallModel(Frozen):
    """A small model, named by its hub id, or a miniature of the package (`miniature: student`)."""

    hub_id: str = ""
    miniature: str = ""
    path: str = Field(default="", description="a folder on this machine")
    revision: str = "main"
    gated: bool = False
    trust_remote_code: bool = False
    parameters_billion: float = Field(default=0.0, ge=0)
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    max_answer_tokens: int = Field(default=1024, ge=16)
    generation_batch: int = Field(default=8, ge=1, le=512)
    prompt_style: PromptStyle = PromptStyle.HERMES
    approaches: dict[str, dict[str, dict[str, object]]] = Field(
        default_factory=dict, description="settings that differ for this model: {paper: {lora: {r: 32}}}"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "SmallModel":
        if sum(map(bool, (self.hub_id, self.miniature, self.path))) != 1:
            raise ValueError("name exactly one of hub_id, miniature, path")
        return self

    @property
    def weights(self) -> str:
        """A short text that says where the weights come from."""
        return self.hub_id or self.path or f"miniature:{self.miniature}"


class Prices(Frozen):
    """What things cost beside tokens; `gpu_hour` is one GPU for one hour."""

    currency: str = "USD"
    gpu_hour: float | None = Field(default=None, ge=0)
    gpu_tokens_per_second: float = Field(default=3000.0, gt=0, description="training throughput assumed by `plan`")


class BaselineContracts(Frozen):
    """In which contract the untrained candidates answer, one for each track."""

    toolcall: Contract = Contract.HERMES
    structured: Contract = Contract.FLEDGLING_STRUCTURED
