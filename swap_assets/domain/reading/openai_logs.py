"""OpenAI chat-completions logs: a team's own agent, one request (and its answer) a line.

    {"messages": [{"role": "user", "content": "..."},
                  {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{...}"}}]},
                  {"role": "tool", "tool_call_id": "c1", "content": "..."}], "tools": [...]}

Where services keep the request and its answer in a row lives in `services`. A tool's
answer is text there; a text that is a JSON object or list is read as such, every other text stays a text.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from swap_assets.domain.model import ToolCall, ToolResponse, ToolSpec, Turn
from swap_assets.domain.reading import row_reading
from swap_assets.domain.reading.messages import answer_of, messages_of
from swap_assets.domain.reading.row_reading import QuarantineReason, Reading, Repair, RowError
from swap_assets.domain.reading.text_calls import calls_in_text

SYSTEM_KEYS = ("system", "system_prompt", "system_instruction", "instructions")
TOOL_KEYS = ("tools", "functions", "tools_json", "functions_json", "available_tools", "tool_definitions")
MESSAGE_KEYS = ("messages", "input")


def read_chat(request: Mapping[str, Any], answer: Any = None) -> Reading:
    """Read a request (messages, tools, system text) and the answer beside it; a RowError where it can't be read.

    An answer that `messages` ends with too counts once; two that differ are refused.
    """
    repairs: list[Repair] = []
    said = next((request[key] for key in MESSAGE_KEYS if request.get(key)), None)
    with row_reading.unreadable_as(QuarantineReason.TOOLS_UNREADABLE):
        written = next((request[key] for key in TOOL_KEYS if request.get(key)), None)
        tools = row_reading.read_tools(row_reading.read_value(written, []), repairs)
    names: dict[str, str] = {}
    turns: list[Turn] = []
    system = [_content({"content": request[key]}) for key in SYSTEM_KEYS if request.get(key)]
    for message in messages_of(said if said is not None else request.get("messages")):
        if message.get("role") in ("system", "developer"):
            system.append(_content(message))
        else:
            turns.append(_turn(message, tools, names, repairs))
    answers = row_reading.joined([_turn(message, tools, names, repairs) for message in answer_of(answer)])
    whole = row_reading.joined(turns)
    if answers and whole and whole[-1].role == "assistant":
        if whole[-1] != answers[-1]:
            raise RowError(QuarantineReason.TURN_UNREADABLE, "the messages end with another answer than the one beside")
        answers = ()
    return Reading("\n".join(system), tools, (*whole, *answers), tuple(repairs))


def _turn(
    message: Mapping[str, Any], tools: tuple[ToolSpec, ...], names: dict[str, str], repairs: list[Repair]
) -> Turn:
    role = message.get("role")
    if role == "user":
        return Turn(role="user", text=_content(message))
    if role == "assistant":
        calls, text = _calls(message, tools, names, repairs), _content(message) or str(message.get("refusal") or "")
        if not calls:
            with row_reading.unreadable_as(QuarantineReason.CALL_UNREADABLE):
                calls, words = calls_in_text(text, tools, repairs)
            text = words if calls else text
        return Turn(role="assistant", text=text, calls=calls, context_only=message.get("weight") in (0, False))
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


def _calls(
    message: Mapping[str, Any], tools: tuple[ToolSpec, ...], names: dict[str, str], repairs: list[Repair]
) -> tuple[ToolCall, ...]:
    entries = list(message.get("tool_calls") or [])
    if message.get("function_call"):
        entries.append({"function": message["function_call"]})
    calls = []
    for entry in entries:
        function = entry.get("function") if isinstance(entry, Mapping) else None
        with row_reading.unreadable_as(QuarantineReason.CALL_UNREADABLE):
            call = row_reading.read_call(function, tools, [])
        if isinstance(function, Mapping) and not isinstance(function.get("arguments"), str):
            call = row_reading.without_padding(call, tools, repairs)
        calls.append(call)
        names[str(entry.get("id"))] = calls[-1].name
    return tuple(calls)


def _tool_content(text: str) -> Any:
    value = text
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
    return value if isinstance(value, dict | list) else text
