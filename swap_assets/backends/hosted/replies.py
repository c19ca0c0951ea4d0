"""What a server said, as it is kept: read from the body of a chat completion or from its pieces."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from swap_assets.domain.formats.literals import without_lone_surrogates
from swap_assets.domain.model import Frozen
from swap_assets.domain.predictions import FinishReason, Usage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

_FINISHES: dict[str, FinishReason] = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter",
}  # fmt: skip


class UnreadableReplyError(RuntimeError):
    """The server answered 200 with something that is no chat completion; asking again may help."""


class NamedCall(Frozen):
    """One call as the server wrote it; `arguments` is its JSON text and may be broken."""

    name: str = ""
    arguments: str = ""


class Reply(Frozen):
    """One answer of a server with what it took; times in seconds. `left_out` are settings that it refused."""

    text: str = ""
    calls: tuple[NamedCall, ...] = ()
    finish_reason: FinishReason
    usage: Usage = Field(default_factory=Usage)
    served_model: str = ""
    fingerprint: str = ""
    latency_s: float = 0.0
    first_token_s: float | None = None
    retries: int = 0
    left_out: tuple[str, ...] = ()
    asked_at: str = ""


def read_reply(body: bytes) -> Reply:
    """Read the body of a chat completion.

    Raises:
        UnreadableReplyError: it is no JSON, or holds no choice with a message.
    """
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message = choice["message"]
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        return Reply(
            text=_words(message.get("content") or message.get("refusal")),
            calls=tuple(_call(call.get("name"), call.get("arguments")) for call in calls),
            finish_reason=_FINISHES.get(choice.get("finish_reason") or "", "stop"),
            usage=_usage(answer.get("usage")),
            served_model=_words(answer.get("model")),
            fingerprint=_words(answer.get("system_fingerprint")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ValidationError, RecursionError) as error:
        raise UnreadableReplyError(f"the answer is no chat completion ({type(error).__name__})") from None


async def gather(pieces: AsyncIterator[ChatCompletionChunk], *, began: float) -> Reply:
    """Put the pieces of a streamed answer together; `began` is when the request went out (monotonic, seconds).

    Raises:
        UnreadableReplyError: the pieces end without a finish reason.
    """
    text, refusal, calls, first = "", "", {}, None
    finish, usage, model, fingerprint = "", None, "", ""
    async for piece in pieces:
        model, fingerprint = piece.model or model, piece.system_fingerprint or fingerprint
        usage = piece.usage or usage
        for choice in piece.choices[:1]:
            delta = choice.delta
            if first is None and (delta.content or delta.tool_calls or delta.refusal):
                first = time.monotonic() - began
            text, refusal = text + (delta.content or ""), refusal + (delta.refusal or "")
            for part in delta.tool_calls or ():
                _extend(calls.setdefault(part.index, ["", ""]), part.function)
            finish = choice.finish_reason or finish
    if not finish:
        raise UnreadableReplyError("the answer broke off")
    return Reply(
        text=_words(text or refusal),
        calls=tuple(_call(*calls[index]) for index in sorted(calls)),
        finish_reason=_FINISHES.get(finish, "stop"),
        usage=_usage(usage.model_dump() if usage else None),
        served_model=model,
        fingerprint=fingerprint,
        first_token_s=None if first is None else round(first, 6),
    )


def _extend(call: list[str], function: Any) -> None:
    if function:
        call[0] += function.name or ""
        call[1] += function.arguments or ""


def _call(name: Any, arguments: Any) -> NamedCall:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return NamedCall(name=_words(name), arguments=_words(written))


def _words(value: Any) -> str:
    return without_lone_surrogates(value) if isinstance(value, str) else ""


def _usage(value: Any) -> Usage:
    found = value if isinstance(value, dict) else {}
    return Usage(prompt_tokens=found.get("prompt_tokens") or 0, completion_tokens=found.get("completion_tokens") or 0)
