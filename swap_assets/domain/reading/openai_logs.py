"""OpenAI chat-completions logs: a team's own agent, one request (and its answer) a line.

    {"messages": [{"role": "user", "content": "..."},
                  {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{...}"}}]},
                  {"role": "tool", "tool_call_id": "c1", "content": "..."}], "tools": [...]}

A line may also hold the request under `request` and the completion under `response`, as proxies write it. A tool's
answer is text there; a text that is a JSON object or list is read as such, every other text stays a text.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from swap_assets.domain.model import ToolCall, ToolResponse, ToolSpec, Turn
from swap_assets.domain.reading import row_reading
from swap_assets.domain.reading.row_reading import QuarantineReason, Reading, RowError

_RESPONSE_KEYS = ("response", "completion", "output")


def read(row: Mapping[str, Any]) -> Reading | None:
    """Read a chat-completions log line, None for other shapes; a RowError has the reason why it can't be read."""
    inner = row.get("request")
    request = inner if "messages" not in row and isinstance(inner, Mapping) else row
    if "messages" not in request:
        return None
    with row_reading.unreadable_as(QuarantineReason.TURN_UNREADABLE):
        messages = row_reading.read_value(request["messages"], [])
    if not isinstance(messages, list | tuple) or not all(isinstance(message, Mapping) for message in messages):
        raise RowError(QuarantineReason.TURN_UNREADABLE, "messages is not a list of objects")
    with row_reading.unreadable_as(QuarantineReason.TOOLS_UNREADABLE):
        tools = row_reading.read_tools(row_reading.read_value(request.get("tools") or request.get("functions"), []))
    names: dict[str, str] = {}
    turns, system = [], []
    for message in [*messages, *_completion(row)]:
        if message.get("role") in ("system", "developer"):
            system.append(_content(message))
        else:
            turns.append(_turn(message, tools, names))
    return Reading("\n".join(system), tools, row_reading.joined(turns))


def _completion(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the answer's message where the line holds the completion beside the request, else nothing."""
    for key in _RESPONSE_KEYS:
        match row.get(key):
            case {"choices": [dict(choice), *_]}:
                return [choice["message"]] if isinstance(choice.get("message"), dict) else []
    return []


def _turn(message: Mapping[str, Any], tools: tuple[ToolSpec, ...], names: dict[str, str]) -> Turn:
    role = message.get("role")
    if role == "user":
        return Turn(role="user", text=_content(message))
    if role == "assistant":
        return Turn(role="assistant", text=_content(message), calls=_calls(message, tools, names))
    if role in ("tool", "function"):
        name = str(message.get("name") or names.get(str(message.get("tool_call_id")), ""))
        return Turn(role="tool", responses=(ToolResponse(name=name, content=_tool_content(_content(message))),))
    raise RowError(QuarantineReason.UNKNOWN_ROLE, f"role {role!r}")


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else [content]
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    if len(texts) != len(parts) or not all(isinstance(text, str) for text in texts):
        raise RowError(QuarantineReason.TURN_UNREADABLE, "a message with content other than text")
    return "\n".join(str(text) for text in texts)


def _calls(message: Mapping[str, Any], tools: tuple[ToolSpec, ...], names: dict[str, str]) -> tuple[ToolCall, ...]:
    entries = list(message.get("tool_calls") or [])
    if message.get("function_call"):
        entries.append({"function": message["function_call"]})
    calls = []
    for entry in entries:
        function = entry.get("function") if isinstance(entry, Mapping) else None
        with row_reading.unreadable_as(QuarantineReason.CALL_UNREADABLE):
            calls.append(row_reading.read_call(function, tools, []))
        names[str(entry.get("id"))] = calls[-1].name
    return tuple(calls)


def _tool_content(text: str) -> Any:
    value = text
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
    return value if isinstance(value, dict | list) else text
