"""Writing an expected answer in each answer format; reading answers lives in `answers`.

Law, held by the tests: for every answer format `parse_answer(answer format, render_answer(answer format, calls))`
gives back `calls`,
strictly (JSON_SCHEMA carries one call and not its name).
"""

import html
import json

from swap_assets.domain.conversations import ToolCall
from swap_assets.domain.formats.base import AnswerFormat


def render_answer(answer_format: AnswerFormat, calls: tuple[ToolCall, ...], text: str = "") -> str:
    """Return the assistant's answer in a answer format; without calls it is `text` (structured: an empty list).

    For JSON_SCHEMA the answer is the arguments object of the one call. For OPENAI it is the `tool_calls` list of a
    chat completion as JSON.
    """
    if answer_format is AnswerFormat.FLEDGLING_STRUCTURED:
        return _dump([{"tool_name": call.name, "arguments": call.arguments} for call in calls])
    if not calls:
        return text
    if answer_format is AnswerFormat.JSON_SCHEMA:
        return _dump(calls[0].arguments)
    if answer_format is AnswerFormat.OPENAI:
        return _dump([_openai_call(index, call) for index, call in enumerate(calls)])
    write = _hermes_call if answer_format is AnswerFormat.HERMES else _named_tag_call
    return "\n".join([text] * bool(text) + [write(call) for call in calls])


def _hermes_call(call: ToolCall) -> str:
    return f"<tool_call>\n{_dump({'name': call.name, 'arguments': call.arguments})}\n</tool_call>"


def _named_tag_call(call: ToolCall) -> str:
    return f'<tool_call name="{html.escape(call.name)}">{_dump(call.arguments)}</tool_call>'


def _openai_call(index: int, call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": _dump(call.arguments)}
    return {"id": f"call_{index}", "type": "function", "function": function}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
