"""Opening a client for a hosted model. Keys and tokens come from the environment and go to the client, nowhere else."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from swap_assets.backends.hosted.errors import HostedError
from swap_assets.domain.experiment.entries import HostedModel

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_SCOPE = "https://cognitiveservices.azure.com/.default"
_CONNECT_S = 10.0
_NO_AZURE = "auth: entra needs the package azure-identity: pip install 'swap-assets[azure]'"


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
    address = model.base_url or (environment.get(model.endpoint_env, "") if model.provider == "azure" else "")
    if address and not address.startswith(("https://", "http://")):
        where = "hosted_model.base_url" if model.base_url else model.endpoint_env
        return f"{where} must begin with https://, or http:// for a server of your own: it is a whole address"
    return ""


def endpoint(model: HostedModel) -> str:
    """Return where the model is asked; an empty text is OpenAI's own address, or a server started for the run."""
    if model.base_url or model.provider != "azure":
        return model.base_url
    return os.environ.get(model.endpoint_env, "")


def open_client(model: HostedModel, *, base_url: str = "") -> AsyncOpenAI:
    """Return the client for a hosted model. It asks once: retries are `asking`'s, which shows and bounds them.

    Raises:
        HostedError: an environment variable is not set, or the package for Entra tokens is not installed.
    """
    if missing := missing_variables(model):
        raise HostedError(f"{model.key} needs {' and '.join(missing)}: set it in the environment or in .env")
    from openai import AsyncAzureOpenAI, AsyncOpenAI, Timeout

    limits: dict[str, Any] = {"timeout": Timeout(model.timeout_s, connect=_CONNECT_S), "max_retries": 0}
    url = base_url or model.base_url
    token = _entra_tokens(model) if model.auth == "entra" else None
    key = os.environ[model.key_env] if model.key_env and model.auth == "key" else None
    if model.provider == "azure" and not url:
        address = os.environ[model.endpoint_env]
        return AsyncAzureOpenAI(
            azure_endpoint=address, api_key=key, azure_ad_token_provider=token, api_version=model.api_version, **limits
        )
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
