"""Opening a client for a hosted model, and what its errors mean: which stop everything, pass, or are an answer.

Keys and tokens come from the environment and go to the client, nowhere else. The service's own text is never passed on
for a refused key: it quotes a part of the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from swap_assets.domain.experiment.engines import WEB_ADDRESS
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.predictions import Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

import time

_SCOPE = "https://cognitiveservices.azure.com/.default"
_CONNECT_S = 10.0
_NO_AZURE = "auth: entra needs the package azure-identity: pip install 'swap-assets[azure]'"
_LONGEST = 300
_PASSING = frozenset({408, 409, 429})
_PARAMETERS = ("max_completion_tokens", "max_tokens", "temperature", "seed", "stream_options")
_TRANSPORTS = ("httpx", "httpx2", "httpcore", "httpcore2", "json", "h11")


class HostedError(RuntimeError):
    """A hosted model cannot be asked; the message is one sentence that says what to do."""


class UnreadableReplyError(RuntimeError):
    """The server answered 200 with something that is no chat completion; asking again may help.

    `charged` is what the server says that it took all the same.
    """

    def __init__(self, message: str, *, charged: Usage | None = None) -> None:
        super().__init__(message)
        self.charged = charged or Usage()


def missing_variables(model: HostedModel, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the environment variables that a hosted model needs and that are not set; never their values."""
    needed = [model.key_env] if model.auth == "key" and model.key_env else []
    if model.provider == "azure" and not model.base_url:
        needed.append(model.endpoint_env)
    return [name for name in needed if not environment.get(name)]


def access_problem(model: HostedModel, environment: Mapping[str, str] = os.environ) -> str:
    """Return why a model whose variables are set still can't be asked, an empty text where it can."""
    if model.auth == "entra" and not importlib.util.find_spec("azure.identity"):
        return _NO_AZURE
    if (address := endpoint(model, environment)) and not WEB_ADDRESS.fullmatch(address):
        where = model.endpoint_env  # the file's own address was looked at when it was read
        return f"{where} must begin with https://, or http:// for a server of your own: it is a whole address"
    return ""


def endpoint(model: HostedModel, environment: Mapping[str, str] = os.environ) -> str:
    """Return where the model is asked; an empty text is OpenAI's own address, or a server started for the run."""
    return model.base_url or (environment.get(model.endpoint_env, "") if model.provider == "azure" else "")


def open_client(model: HostedModel, *, base_url: str = "") -> AsyncOpenAI:
    """Return the client for a hosted model, which asks once (retries are `asking`'s); HostedError where it cannot."""
    if missing := missing_variables(model):
        raise HostedError(f"{model.key} needs {' and '.join(missing)}: set it in the environment or in .env")
    from openai import AsyncAzureOpenAI, AsyncOpenAI, Timeout

    limits: dict[str, Any] = {"timeout": Timeout(model.timeout_s, connect=_CONNECT_S), "max_retries": 0}
    url = base_url or model.base_url
    token = _entra_tokens(model) if model.auth == "entra" else None
    key = os.environ[model.key_env] if model.key_env and model.auth == "key" else None
    if model.provider == "azure" and not url:
        access: Any = {"azure_endpoint": endpoint(model), "api_key": key, "azure_ad_token_provider": token}
        return AsyncAzureOpenAI(api_version=model.api_version, **access, **limits)
    # The client insists on some key; a server that needs none overlooks it.
    return AsyncOpenAI(base_url=url or None, api_key=token or key or "none", **limits)


def _entra_tokens(model: HostedModel) -> Callable[[], Awaitable[str]]:
    """Return what gives a token of Azure's identity (environment, workload, managed identity, `az login`)."""
    try:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import DefaultAzureCredential, get_bearer_token_provider
    except ImportError:
        raise HostedError(_NO_AZURE) from None
    provide = get_bearer_token_provider(DefaultAzureCredential(), _SCOPE)

    async def token() -> str:
        try:
            return provide()
        except ClientAuthenticationError:
            raise HostedError(
                f"{model.key}: Azure's identity gave no token; run `az login`, or give the machine an identity "
                "with the role Cognitive Services OpenAI User"
            ) from None

    return token


def stops_everything(error: Exception, *, first: bool) -> bool:
    """Say whether asking on is pointless: refused key, unknown deployment, or no connection at the first call."""
    import openai

    refusals = (HostedError, openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
    if isinstance(error, refusals):
        return True
    # A server that was reached and then broke off or hung may still answer the next request.
    unreachable = type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout", "UnsupportedProtocol")
    return first and isinstance(error, openai.APIConnectionError) and unreachable


def passes(error: Exception) -> bool:
    """Say whether asking the same again may help: 408, 409, 429, 5xx, time-outs, lost connections, broken answers."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code in _PASSING or error.status_code >= 500
    if isinstance(error, openai.APIError):  # lost connections, time-outs, and errors in the middle of a stream
        return True
    # Everything that breaks while pieces arrive comes from the transport itself, whose classes share no base with ours.
    ours = isinstance(error, UnreadableReplyError | OSError | asyncio.TimeoutError)
    return ours or type(error).__module__.split(".")[0] in _TRANSPORTS


def kind_of(error: Exception) -> str:
    """Name an error in a word for the tally of retries."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return str(error.status_code)
    if isinstance(error, openai.APITimeoutError | asyncio.TimeoutError) or "Timeout" in type(error).__name__:
        return "timeout"
    return "unreadable" if isinstance(error, UnreadableReplyError | ValueError) else "connection"


def read_retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Read `retry-after-ms` or `Retry-After`; `now` is the time that a date is counted from, in seconds since 1970."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            return max(0.0, float(headers.get(name, "")) * unit)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now)
    return None


def as_refusal(error: Exception) -> bool:
    """Say whether the service's content filter refused the request; Azure answers 400 with code `content_filter`."""
    import openai

    return isinstance(error, openai.BadRequestError) and "content_filter" in f"{error.code} {error.body}"


def rejected_parameter(error: Exception) -> str | None:
    """Return the parameter that a 400 or 422 complains about, of those that can be changed; else None."""
    import openai

    if not isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return None
    if error.param in _PARAMETERS:
        return error.param
    complaint = str(error.body).lower()
    if not any(word in complaint for word in ("unsupported", "unexpected", "unrecognized", "not supported", "extra")):
        return None
    # The first one named is the culprit; the one named after it is the advice ("use max_completion_tokens instead").
    return min((name for name in _PARAMETERS if name in complaint), key=complaint.index, default=None)


def refuses_schema(error: Exception) -> bool:
    """Say whether a 400 or 422 complains about the schema that the answer should follow."""
    import openai

    refused = isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError)
    return refused and ("response_format" in (error.param or "") or "schema" in str(error.body).lower())


def explain(error: Exception, model: HostedModel) -> str:
    """Say an error in one sentence without the key."""
    import openai

    access = model.key_env if model.auth == "key" and model.key_env else "the identity's role on the resource"
    brief = without_key(f"{type(error).__name__}: {error}", os.environ.get(model.key_env, "") if model.key_env else "")
    if isinstance(error, HostedError):
        return str(error)
    if isinstance(error, openai.AuthenticationError):
        return f"{model.key} refused the key (401): check {access}"
    if isinstance(error, openai.PermissionDeniedError):
        return f"{model.key} refused access (403): check {access} and what it may use"
    if isinstance(error, openai.NotFoundError):
        return f"{model.key} knows no model '{model.model}' (404): check the deployment's name and the endpoint"
    if kind_of(error) == "timeout" and type(error.__cause__).__name__ != "ConnectTimeout":
        return f"no answer within {model.timeout_s:g} s after {model.max_retries} retries"
    if isinstance(error, openai.APIConnectionError):
        return f"{model.key} cannot be reached: check the endpoint and the network ({brief})"
    return brief


def without_key(text: str, key: str) -> str:
    """Return what a service said in one line of at most 300 characters, without the key."""
    line = " ".join(text.split())
    return (line.replace(key, "***") if key else line)[:_LONGEST]


def ask_one_question(model: HostedModel, *, timeout_s: float = 10.0) -> tuple[bool, str]:
    """Return whether the model answers `doctor` once, and in one sentence how fast and at what cost, or why not."""
    model, began = model.model_copy(update={"timeout_s": timeout_s, "max_retries": 0}), time.monotonic()
    try:
        usage = asyncio.run(_asked(model))
    except Exception as error:
        return False, explain(error, model)
    told = f"answered one question in {time.monotonic() - began:.1f} s, {sum(usage)} tokens"
    return True, f"{told}, {model.price.of(*usage):.6f} in money" if model.price else told


async def _asked(model: HostedModel) -> tuple[int, int]:
    async with open_client(model) as client:
        asked: Any = [{"role": "user", "content": "Answer with the one word: yes"}]
        how = {"model": model.model, "messages": asked, "extra_body": model.extra_body or None}
        reply = await asyncio.wait_for(client.chat.completions.create(**how), model.timeout_s)
    if not getattr(reply, "choices", None):
        raise UnreadableReplyError("the server's reply is no chat completion: check the endpoint")
    return (reply.usage.prompt_tokens, reply.usage.completion_tokens) if reply.usage else (0, 0)
