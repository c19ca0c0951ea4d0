"""What a hosted model's errors mean: which stop everything, which are an answer, and how to say them in one sentence.

The service's own text is never passed on for a refused key: it quotes a part of the key.
"""

from __future__ import annotations

import os

from swap_assets.domain.experiment.entries import HostedModel

_LONGEST = 300
_PARAMETERS = ("max_completion_tokens", "max_tokens", "temperature", "seed")


class HostedError(RuntimeError):
    """A hosted model cannot be asked; the message is one sentence that says what to do."""


def stops_everything(error: Exception, *, first: bool) -> bool:
    """Say whether asking on is pointless: refused key, unknown deployment, or no connection at the first call."""
    import openai

    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError | openai.NotFoundError):
        return True
    return first and isinstance(error, openai.APIConnectionError)


def as_refusal(error: Exception) -> bool:
    """Say whether the service's content filter refused the request; Azure answers 400 with code `content_filter`."""
    import openai

    return isinstance(error, openai.BadRequestError) and (
        error.code == "content_filter" or "content_filter" in str(error.body)
    )


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
    found = [(complaint.index(name), name) for name in _PARAMETERS if name in complaint]
    return min(found)[1] if found else None


def explain(error: Exception, model: HostedModel) -> str:
    """Say an error in one sentence without the key."""
    import openai

    if isinstance(error, openai.AuthenticationError):
        return f"{model.key} refused the key (401): check {model.key_env}"
    if isinstance(error, openai.PermissionDeniedError):
        return f"{model.key} refused access (403): check {model.key_env} and what it may use"
    if isinstance(error, openai.NotFoundError):
        return f"{model.key} knows no model '{model.model}' (404): check the deployment's name and the endpoint"
    if isinstance(error, openai.APITimeoutError):
        return f"no answer within {model.timeout_s:g} s after {model.max_retries} retries"
    if isinstance(error, openai.APIConnectionError):
        return f"{model.key} cannot be reached: check the endpoint and the network ({_brief(error, model)})"
    return _brief(error, model)


def _brief(error: Exception, model: HostedModel) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    key = os.environ.get(model.key_env, "")
    return (text.replace(key, "***") if key else text)[:_LONGEST]
