"""Which engine answers for a small model, and its settings: one class for each engine, named in `ENGINE_SETTINGS`.

The engines themselves live in `backends/engines`, under the same names. An entry of the experiment file gives one by
its name, `vllm: {command: [vllm, serve]}`; without any, transformers answers.
"""

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from swap_assets.domain.model import Frozen

WEB_ADDRESS = re.compile(r"https?://[^\s/]+\S*")


class EngineSettings(Frozen):
    """What the settings of every engine say."""

    kind: str
    constrains: ClassVar[bool] = False  # whether it can hold calls to the tools' schemas

    @property
    def leased_cards(self) -> int:
        """How many cards the model process has to hold for it."""
        return 1

    @property
    def paid_cards(self) -> int:
        """How many cards' time an answer costs."""
        return 1

    def for_merged(self) -> "EngineSettings":
        """Return what answers for a merged model of the same entry."""
        return self


class Transformers(EngineSettings):
    """The model is loaded by transformers in the model process itself."""

    kind: str = "transformers"
    constrains: ClassVar[bool] = True


class VllmServer(EngineSettings):
    """A vLLM server, running or started, that answers in place of transformers, which train, merge and constrain."""

    kind: str = "vllm"
    base_url: str = Field(default="", description="a server that runs and serves the base: http://HOST:8000/v1")
    command: tuple[str, ...] = Field(default=(), description="how to start one: [vllm, serve], or with an own path")
    options: tuple[str, ...] = Field(default=(), description="further arguments: [--max-model-len, '8192']")
    served_name: str = Field(default="", description="the base's name at a server that runs; else its hub id or folder")
    key_env: str = Field(default="", description="the variable that holds a running server's key, where it wants one")
    cards: int = Field(default=1, ge=1, le=64, description="cards that a started server shares (tensor parallel)")
    concurrency: int = Field(default=64, ge=1, le=1024, description="the most requests under way at once")
    timeout_s: float = Field(default=600.0, gt=0, description="how long one request may take, in seconds")
    ready_within_s: float = Field(default=900.0, gt=0, description="how long a started server may load, in seconds")

    @model_validator(mode="after")
    def _one_server(self) -> "VllmServer":
        if bool(self.base_url) == bool(self.command):
            raise ValueError("vllm takes a base_url (a server that runs) or a command (one to start), not both")
        if self.base_url and not WEB_ADDRESS.fullmatch(self.base_url):
            raise ValueError("vllm.base_url must begin with http:// or https://")
        if self.command and (self.served_name or self.key_env):
            raise ValueError("vllm.served_name and key_env are for a server that runs, named by base_url")
        if self.base_url and self.options:
            raise ValueError("vllm.options are for a server that is started, named by command")
        return self

    @property
    def root(self) -> str:
        """The address of a server that runs, without `/v1`."""
        return self.base_url.rstrip("/").removesuffix("/v1")

    @property
    def leased_cards(self) -> int:
        """A server that runs holds its cards itself."""
        return self.cards if self.command else 0

    @property
    def paid_cards(self) -> int:
        """How many cards' time an answer costs."""
        return self.cards

    def for_merged(self) -> EngineSettings:
        """A server that runs serves the base; nobody can make it load another model."""
        return self if self.command else Transformers()


ENGINE_SETTINGS: dict[str, type[EngineSettings]] = {"transformers": Transformers, "vllm": VllmServer}


def _by_kind(value: Any) -> EngineSettings:
    if isinstance(value, EngineSettings):
        return value
    given = {"kind": value} if isinstance(value, str) else dict(value)
    kind = given.get("kind", "")
    if kind not in ENGINE_SETTINGS:
        raise ValueError(f"there is no engine '{kind}'; name one of {', '.join(sorted(ENGINE_SETTINGS))}")
    try:
        return ENGINE_SETTINGS[kind].model_validate(given)
    except ValidationError as error:  # an error inside an error would be shown whole, over several lines
        first = error.errors()[0]
        message, where = first["msg"].removeprefix("Value error, "), ".".join([kind, *map(str, first["loc"])])
        told = f"{where} is not a known key" if first["type"] == "extra_forbidden" else f"{where}: {message}"
        raise ValueError(told if first["loc"] else message) from None


# A field that holds any engine's settings, read by their `kind` and written whole.
AnyEngine = Annotated[SerializeAsAny[EngineSettings], BeforeValidator(_by_kind)]


def engine_of_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a model's entry with its engine, given as `vllm: {...}`, under `engine`; a ValueError where it has two."""
    named = {name: entry[name] for name in ENGINE_SETTINGS if entry.get(name) is not None}
    if len(named) + ("engine" in entry) > 1:
        raise ValueError("an entry takes one engine")
    rest = {key: value for key, value in entry.items() if key not in ENGINE_SETTINGS}
    for name, settings in named.items():
        rest["engine"] = settings if isinstance(settings, EngineSettings) else {"kind": name, **settings}
    return rest
