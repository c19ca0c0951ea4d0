"""Messages of OpenAI's chat and Responses API, Anthropic and OpenTelemetry as chat-completions messages.

Where a row keeps its messages is not here; what a chat message means is read in `openai_logs`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from swap_assets.domain.reading.row_reading import QuarantineReason, RowError, read_value, unreadable_as

Message = Mapping[str, Any]
_TEXT_PARTS = {"text", "input_text", "output_text", "refusal"}
_THOUGHTS = {"thinking", "redacted_thinking", "reasoning"}


def messages_of(value: Any) -> list[Message]:
    """Return the chat messages of a list of messages or items, of its JSON text, or of one user's text."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [{"role": "user", "content": value}]
    with unreadable_as(QuarantineReason.TURN_UNREADABLE):
        value = read_value(value, [])
    if not isinstance(value, list | tuple) or not all(isinstance(entry, Mapping) for entry in value):
        raise RowError(QuarantineReason.TURN_UNREADABLE, "messages is not a list of objects")
    return [message for entry in value for message in _plain(entry)]


def answer_of(value: Any) -> list[Message]:
    """Return the messages of an answer: a completion, its body or JSON text, a message, items, or plain text."""
    if isinstance(value, str):
        if not value.lstrip().startswith(("{", "[")):
            return [{"role": "assistant", "content": value}] if value else []
        with unreadable_as(QuarantineReason.TURN_UNREADABLE):
            value = read_value(value, [])
    if not value:
        return []
    match value:
        case {"status_code": int(status)} if status >= 400:
            raise RowError(QuarantineReason.NO_ASSISTANT_TURN, f"the request failed with status {status}")
        case {"body": body}:
            return answer_of(body)
        case {"choices": [{"message": dict(message)}, *_]}:
            return _plain(message)
        case {"output": list(items)}:
            return messages_of(items)
        case {"message": dict(message)}:
            return answer_of(message)
        case {"role": "assistant"}:
            return _plain(value)
        case [{"message": dict(message)}, *_]:
            return _plain(message)
        case list():
            return messages_of(value)
    raise RowError(QuarantineReason.TURN_UNREADABLE, "an answer that is no completion, message or text")


def _plain(message: Message) -> list[Message]:
    """Return a message or item as chat messages: blocks of calls and results become `tool_calls` and tool messages."""
    kind, content = message.get("type"), message.get("parts", message.get("content"))
    if kind == "reasoning":
        return []
    if kind == "function_call":
        return [{"role": "assistant", "tool_calls": [_call(message, "call_id", "arguments")]}]
    if kind == "function_call_output":
        return [{"role": "tool", "tool_call_id": message.get("call_id"), "content": _text(message.get("output"))}]
    if kind not in (None, "message") and "role" not in message:
        raise RowError(QuarantineReason.TURN_UNREADABLE, f"an item of type {kind!r}")
    if not isinstance(content, list) or not any(isinstance(part, Mapping) for part in content):
        return [message]
    return list(_split(message, content))


def _split(message: Message, parts: list[Any]) -> Iterator[Message]:
    texts: list[Any] = []
    calls = list(message.get("tool_calls") or [])
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "tool_use":
            calls.append(_call(part, "id", "input"))
        elif kind == "tool_call":
            calls.append(_call(part, "id", "arguments"))
        elif kind in ("tool_result", "tool_call_response"):
            answer = part.get("content", part.get("response", part.get("result")))
            yield {"role": "tool", "tool_call_id": part.get("tool_use_id", part.get("id")), "content": _text(answer)}
        elif kind in _TEXT_PARTS:
            texts.append({"text": part.get("text", part.get("content", part.get("refusal")))})
        elif kind not in _THOUGHTS:
            texts.append(part)
    if texts or calls:
        yield {**message, "content": texts or None, "tool_calls": calls}


def _call(part: Message, id_key: str, arguments: str) -> dict[str, Any]:
    return {"id": part.get(id_key), "function": {"name": part.get("name"), "arguments": part.get(arguments) or {}}}


def _text(value: Any) -> Any:
    """Return a tool's answer as a chat message's content: blocks of text stay, other values become JSON text."""
    if isinstance(value, list) and value and all(isinstance(each, Mapping) and "text" in each for each in value):
        return value
    return value if isinstance(value, str) else json.dumps(value)
