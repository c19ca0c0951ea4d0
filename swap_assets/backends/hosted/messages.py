"""What is sent to a hosted model for one case, and what it said: as it is kept, and in the answer format."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from swap_assets.backends.hosted.clients import UnreadableReplyError, endpoint
from swap_assets.backends.serving.servers import Server
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.formats.base import AnswerFormat, Interface, Track
from swap_assets.domain.formats.literals import without_lone_surrogates
from swap_assets.domain.formats.native_interface import calls_text, listed_calls, native_prompt_hash, native_question
from swap_assets.domain.formats.prompts import prompt_hash, render_messages
from swap_assets.domain.model import EvalCase, Frozen, canonical_json
from swap_assets.domain.predictions import Said, Usage, finish_reason

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk


_MOST_TOKENS = 10**8  # of one answer; more is no count


class NamedCall(Frozen):
    """One call as the server wrote it; `arguments` is its JSON text and may be broken."""

    name: str = ""
    arguments: str = ""


class Reply(Said):
    """One answer of a server. `left_out` are settings that it refused; `usage` is `estimated` where it told none."""

    calls: tuple[NamedCall, ...] = ()
    left_out: tuple[str, ...] = ()
    asked_at: str = ""
    estimated: bool = False


def read_reply(body: bytes) -> Reply:
    """Read the body of a chat completion; UnreadableReplyError where it is no JSON or holds no message."""
    told: Usage | None = None
    try:
        answer = json.loads(body)
        told = read_usage(answer.get("usage"))
        choice = answer["choices"][0]
        message = choice["message"]
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        return Reply(
            text=_words(message.get("content") or message.get("refusal")),
            calls=tuple(_call(call.get("name"), call.get("arguments")) for call in calls),
            finish_reason=finish_reason(choice.get("finish_reason")),
            usage=told or Usage(),
            estimated=told is None,
            served_model=_words(answer.get("model")),
            fingerprint=_words(answer.get("system_fingerprint")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ValidationError, RecursionError) as error:
        why = f"the answer is no chat completion ({type(error).__name__})"
        raise UnreadableReplyError(why, charged=told or Usage()) from None


async def gather(pieces: AsyncIterator[ChatCompletionChunk], *, began: float) -> Reply:
    """Put the pieces of a streamed answer together; UnreadableReplyError where they end without a finish reason.

    `began` is when the request went out (monotonic, seconds).
    """
    text, refusal, calls, first = "", "", {}, None
    finish, usage, model, fingerprint = "", None, "", ""
    async for piece in pieces:
        model, fingerprint = piece.model or model, piece.system_fingerprint or fingerprint
        usage = read_usage(piece.usage) or usage
        for choice in piece.choices[:1]:
            delta = choice.delta
            if first is None and (delta.content or delta.tool_calls or delta.refusal):
                first = time.monotonic() - began
            text, refusal = text + (delta.content or ""), refusal + (delta.refusal or "")
            for part in delta.tool_calls or ():
                (name, arguments), more = calls.get(part.index, ("", "")), part.function
                calls[part.index] = name + ((more and more.name) or ""), arguments + ((more and more.arguments) or "")
            finish = choice.finish_reason or finish
    if not finish:
        raise UnreadableReplyError("the answer broke off", charged=usage or Usage())
    return Reply(
        text=_words(text or refusal), calls=tuple(_call(*calls[index]) for index in sorted(calls)),
        finish_reason=finish_reason(finish), usage=usage or Usage(), estimated=usage is None, served_model=model,
        fingerprint=fingerprint, first_token_s=None if first is None else round(first, 6),
    )  # fmt: skip


def _call(name: Any, arguments: Any) -> NamedCall:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return NamedCall(name=_words(name), arguments=_words(written))


def _words(value: Any) -> str:
    return without_lone_surrogates(value) if isinstance(value, str) else ""


def read_usage(value: Any) -> Usage | None:
    """Read what a server says that an answer took, a mapping or an object; None where it says no two counts."""
    found: dict[str, Any] = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    counts: list[Any] = [found.get(name) for name in ("prompt_tokens", "completion_tokens")]
    if not all(type(count) is int and 0 <= count <= _MOST_TOKENS for count in counts):
        return None
    return Usage(prompt_tokens=counts[0], completion_tokens=counts[1])


class Requests:
    """Makes the requests of one model in one answer format through one interface."""

    def __init__(
        self, model: HostedModel, answer_format: AnswerFormat, epoch: str, interface: Interface, server: Server
    ) -> None:
        self.answer_format, self.interface, self.epoch = answer_format, interface, epoch
        api_version = model.api_version if model.provider == "azure" and not model.base_url else ""
        # Fields that all records of these requests share.
        self.constants = {"interface": interface, "deployment": model.model, "api_version": api_version}
        self._model, self._name = model, server.model or model.model
        # Newer OpenAI models refuse `max_tokens`; older compatible servers overlook its successor without a word.
        official = model.provider in ("azure", "openai") and not model.base_url
        self._limit_name = "max_completion_tokens" if official else "max_tokens"
        self._who = [model.provider, model.model, api_version, endpoint(model), server.artefact_hash]
        style, told_by = model.prompt_style, "" if model.tool_role == "tool" else f"tool messages as {model.tool_role}"
        if interface is Interface.NATIVE:
            self.prompt_hash = native_prompt_hash(answer_format.track, style)
        else:
            self.prompt_hash = prompt_hash(answer_format, style, chat_template=told_by)

    def body(self, case: EvalCase) -> dict[str, Any]:
        """Return the request's body, with every setting that is wanted."""
        model = self._model
        settings: dict[str, Any] = {"temperature": 0.0} if model.accepts_temperature else {}
        settings |= ({} if model.seed is None else {"seed": model.seed}) | {self._limit_name: model.max_answer_tokens}
        if model.streams:
            settings |= {"stream": True, "stream_options": {"include_usage": True}}
        return {"model": self._name, **self._question(case), **settings, **model.extra_body}

    def key(self, body: dict[str, Any]) -> str:
        """Name a request: who is asked, the whole body, and the measurement epoch."""
        named = canonical_json([self._who, body, self.epoch])
        return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()

    def text_of(self, case: EvalCase, reply: Reply) -> str:
        """Return what an answer says, in the answer format; words beside native calls are left out."""
        if self.interface is Interface.TEXT:
            return reply.text
        if self.answer_format.track is Track.STRUCTURED:
            return listed_calls(case, reply.text)
        return calls_text(case, [(call.name, call.arguments) for call in reply.calls]) if reply.calls else reply.text

    def _question(self, case: EvalCase) -> dict[str, Any]:
        model = self._model
        if self.interface is Interface.NATIVE:
            strict = model.accepts_strict_schemas
            return native_question(case, self.answer_format.track, style=model.prompt_style, strict=strict)
        how = {"answer_format": self.answer_format, "style": model.prompt_style, "system": case.system}
        messages = render_messages(case.tools, case.history, **how)
        # The same text in every role: services refuse a message of role "tool" that answers no native call.
        return {"messages": [m | {"role": model.tool_role} if m["role"] == "tool" else m for m in messages]}


def without_strict(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return a body whose schema is not strict any more; None where it was none."""
    asked = body.get("response_format") or {}
    if not (asked.get("json_schema") or {}).get("strict"):
        return None
    return {**body, "response_format": {**asked, "json_schema": {**asked["json_schema"], "strict": False}}}
