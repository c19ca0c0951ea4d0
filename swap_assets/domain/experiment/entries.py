"""The entries of the experiment file that name things: the hosted model, the small models, prices."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from swap_assets.domain.experiment.engines import WEB_ADDRESS, AnyEngine, Transformers, engine_of_entry
from swap_assets.domain.experiment.gpu_hours import CARDS, card_named
from swap_assets.domain.experiment.sources import repository_of
from swap_assets.domain.formats.base import AnswerFormat, Interface, PromptStyle, Track
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.native import NATIVE
from swap_assets.domain.formats.prompts import KEEP
from swap_assets.domain.keys import Candidate, Decoding
from swap_assets.domain.model import Frozen

_CRON_FIELD = re.compile(r"[0-9a-zA-Z*,/#-]+")


class TokenPrice(Frozen):
    """What a hosted model costs, per million tokens, in the experiment's currency."""

    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the price of one answer in the experiment's currency."""
        return (prompt_tokens * self.input_per_million + completion_tokens * self.output_per_million) / 1_000_000


class Budget(Frozen):
    """What one measurement epoch of the hosted model may take, money in the experiment's currency; None: no limit."""

    money: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)


_KEY_VARIABLES = {"azure": "AZURE_OPENAI_API_KEY", "openai": "OPENAI_API_KEY"}


class HostedModel(Frozen):
    """The hosted LLM: the bar.

    `provider` azure speaks to Azure OpenAI; `openai` to OpenAI, or with `base_url` to any server that speaks its
    language (vLLM, Ollama, llama.cpp, `transformers serve`, Azure's v1 address). `stand-in` starts a miniature behind
    an OpenAI-compatible server on loopback and is called through the same client.
    """

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*$")
    provider: Literal["azure", "openai", "stand-in"]
    model: str = Field(description="the deployment on Azure, the model name elsewhere, the miniature of a stand-in")
    api_version: str = "2024-10-21"
    endpoint_env: str = "AZURE_OPENAI_ENDPOINT"
    key_env: str = Field(default="", description="the variable that holds the key; an empty text where none is needed")
    auth: Literal["key", "entra"] = Field(default="key", description="entra: a token of Azure's identity, no key")
    base_url: str = ""
    concurrency: int = Field(default=4, ge=1, le=256, description="the most requests under way at once")
    timeout_s: float = Field(default=60.0, gt=0, description="how long one attempt may take, in seconds")
    max_retries: int = Field(default=5, ge=0, le=20)
    backoff_s: float = Field(default=0.5, gt=0, description="the first wait before a retry; it doubles, with jitter")
    longest_wait_s: float = Field(default=120.0, gt=0, description="a server that asks for more ends the run")
    interfaces: tuple[Interface, ...] = Field(default=(Interface.TEXT,), min_length=1)
    tool_role: Literal["tool", "user"] = Field(
        default="tool", description="who tells a tool's response in the text interface; user on Azure and OpenAI"
    )
    accepts_temperature: bool = True
    accepts_strict_schemas: bool = True
    streams: bool = Field(default=False, description="answers in pieces, which shows the time to the first token")
    seed: int | None = 42
    extra_body: dict[str, Any] = Field(default_factory=dict, description="more settings: {reasoning_effort: low}")
    max_answer_tokens: int = Field(default=1024, ge=16)
    price: TokenPrice | None = None
    budget: Budget = Budget()
    prompt_style: PromptStyle = PromptStyle.HERMES

    @model_validator(mode="before")
    @classmethod
    def _as_the_provider_has_it(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        provider = data.get("provider", "")
        # A compatible server named by base_url may need no key at all, and renders roles by its own chat template.
        compatible = provider == "stand-in" or (provider == "openai" and bool(data.get("base_url")))
        key_env = "" if compatible else _KEY_VARIABLES.get(provider, "")
        return {"key_env": key_env, "tool_role": "tool" if compatible else "user", **data}

    @model_validator(mode="after")
    def _fits_together(self) -> "HostedModel":
        if self.base_url and not WEB_ADDRESS.fullmatch(self.base_url):
            raise ValueError("base_url must begin with https://, or http:// for a server of your own")
        if len(set(self.interfaces)) < len(self.interfaces):
            raise ValueError("interfaces names one of them twice")
        if self.provider == "stand-in" and Interface.NATIVE in self.interfaces:
            raise ValueError("a stand-in takes the text interface only: its server ignores response_format")
        if self.auth == "entra" and self.provider != "azure":
            raise ValueError("auth: entra is for provider azure; give a key_env to others")
        if self.auth == "key" and self.provider == "azure" and not self.key_env:
            raise ValueError("provider azure needs a key_env, or auth: entra")
        if self.budget.money is not None and self.price is None:
            raise ValueError("a budget in money needs the entry's price; give one or a budget in tokens")
        return self


class Prompt(Frozen):
    """What small models are told beside tools and requests; another value makes other candidates of them.

    The hosted LLM always gets the agent's own system text as it was logged, dates and names included.
    """

    system: str = Field(default=KEEP, min_length=1, description="keep, drop, or a text in place of the agent's own")


class Thinking(Frozen):
    """How a small model thinks before it answers; adapters are trained and asked without."""

    budget: int = Field(ge=1, description="tokens of the thought, beside those of the answer")


class SmallModel(Frozen):
    """A small model, named by its hub id, or a miniature of the package (`miniature: student`)."""

    hub_id: str = ""
    miniature: str = ""
    path: str = Field(default="", description="a folder on this machine")
    revision: str = "main"
    gated: bool = False
    trust_remote_code: bool = False
    gpus: int = Field(default=1, ge=1, le=64, description="cards that one training of this model shares")
    context: int = Field(default=0, ge=0, description="the most tokens it takes; 0: as a local config.json says")
    parameters_billion: float = Field(default=0.0, ge=0)
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    max_answer_tokens: int = Field(default=1024, ge=16)
    generation_tokens: int = Field(default=16_384, ge=256, description="tokens of all rows at once, prompts and limits")
    decoding: tuple[Decoding, ...] = Field(
        default=(Decoding.GREEDY,), description="[greedy, constrained] also measures calls held to their schemas"
    )
    thinking: Thinking | None = Field(default=None, description="off, or {budget: 512} for the untouched base")
    ends_early: Literal["base", "all", "none"] = Field(
        default="base", description="whose answers are cut where they repeat themselves or begin another turn"
    )
    engine: AnyEngine = Field(default=Transformers(), description="who answers; written as vllm: {...} too")
    prompt_style: PromptStyle = PromptStyle.HERMES
    approaches: dict[str, dict[str, dict[str, object]]] = Field(
        default_factory=dict, description="settings that differ for this model: {paper: {lora: {r: 32}}}"
    )

    @field_validator("thinking", mode="before")
    @classmethod
    def _off_is_none(cls, value: Any) -> Any:
        return None if value in (False, "off") else value  # YAML reads off as false

    @model_validator(mode="before")
    @classmethod
    def _engine_by_name(cls, data: Any) -> Any:
        return engine_of_entry(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _one_source(self) -> "SmallModel":
        if sum(map(bool, (self.hub_id, self.miniature, self.path))) != 1:
            raise ValueError("name exactly one of hub_id, miniature, path")
        if self.hub_id:
            repository_of(self.hub_id, "hub_id")
        if Decoding.GREEDY not in self.decoding or len(set(self.decoding)) < len(self.decoding):
            raise ValueError("decoding is [greedy] or [greedy, constrained]: the constrained variant stands beside it")
        if self.thinking and Decoding.CONSTRAINED in self.decoding:
            raise ValueError("a constrained answer has no room for a thought: take thinking or constrained out")
        if Decoding.CONSTRAINED in self.decoding and not self.engine.constrains:
            told = f"take it out of decoding, or take {self.engine.kind} out"
            raise ValueError(f"constrained decoding is done by transformers: {told}")
        return self

    @property
    def weights(self) -> str:
        """A short text that says where the weights come from."""
        return self.hub_id or self.path or f"miniature:{self.miniature}"


class Prices(Frozen):
    """What things cost beside tokens; `gpu_hour` is one GPU for one hour."""

    currency: str = "USD"
    gpu_hour: float | None = Field(default=None, ge=0)
    card: str = Field(default="A100", description="what `plan` counts with on a machine without a card that it knows")

    @field_validator("card")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if not card_named(value):
            raise ValueError(f"no such card in the table: expected {', '.join(card.name for card in CARDS)}")
        return value


class BaselineFormats(Frozen):
    """In which answer format the untrained candidates answer, one for each track."""

    toolcall: AnswerFormat = HERMES
    structured: AnswerFormat = FLEDGLING_STRUCTURED
    small: AnswerFormat = Field(default=NATIVE, description="tool calls of untouched small models but miniatures")

    @field_validator("toolcall")
    @classmethod
    def _is_a_text(cls, value: AnswerFormat) -> AnswerFormat:
        if value is NATIVE:
            raise ValueError("native is for small models (small: native); the hosted one has interfaces: [native]")
        return value

    def of(self, track: Track) -> AnswerFormat:
        """Return the format of a track."""
        return self.toolcall if track is Track.TOOLCALL else self.structured


class Automation(Frozen):
    """Who starts the next step. Off until asked for: a sensor that runs spends money and GPU time.

    `nightly` is a cron expression for the re-measurement of the hosted and the released model, "" for none.
    """

    sensors: Literal["stopped", "running"] = "stopped"
    every_s: int = Field(default=30, ge=1, description="seconds between two looks of a sensor; Dagster takes 5 or more")
    nightly: str = ""

    @field_validator("nightly")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        fields = value.split()
        if value and (len(fields) != 5 or any(_CRON_FIELD.fullmatch(field) is None for field in fields)):
            raise ValueError('give the five fields of a cron expression, for example "0 3 * * *" for three at night')
        return value


class Publishing(Frozen):
    """Where released models go on the hub: `org/{model}-{scale}` names a repository for each of them."""

    repo_id: str = Field(description="org/name; {model}, {scale} and {approach} stand for the candidate's own")
    private: bool = True

    @field_validator("repo_id")
    @classmethod
    def _is_a_repository(cls, value: str) -> str:
        try:
            name = value.format(model="m", scale="s", approach="a")
        except (KeyError, IndexError, ValueError):
            raise ValueError("in braces only {model}, {scale} and {approach} are known") from None
        if "/" not in repository_of(name, "repo_id"):
            raise ValueError("expected org/name, such as my-org/agent-{model}")
        return value

    def repository(self, candidate: Candidate) -> str:
        """Return the repository of a candidate."""
        return self.repo_id.format(model=candidate.model, scale=candidate.scale, approach=candidate.approach)
