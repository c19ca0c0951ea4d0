"""The one renderer of prompts, for training, evaluation and serving alike.

A served prompt that differs from the trained one is the most common cause of "the tool is never called", so
everything that asks a model anything asks through `render_messages`, and every artefact carries `prompt_hash`.

Two styles: `hermes` is the upstream dataset's own system prompt with JSON Schemas; `compact` writes a tool as a
signature, `book_table(city: string, guests: integer, note?: string)`, for models with little context.
"""

from functools import partial
from typing import Any

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.formats.calls_in_json import dump
from swap_assets.domain.model import ToolCall, ToolResponse, ToolSpec, Turn, content_hash

Message = dict[str, Any]
KEEP = "keep"
_HERMES_OPENING = (
    "You are a function calling AI model. You are provided with function signatures within <tools> </tools> XML tags. "
    "You may call one or more functions to assist with the user query. Don't make assumptions about what values to "
    "plug into functions.\n"
)


def render_tools(tools: tuple[ToolSpec, ...], style: PromptStyle) -> str:
    """Return the part of the system message that says which tools are on offer."""
    if style is PromptStyle.COMPACT:
        return "\n".join([signature(tool) for tool in tools] or ["no tools"])
    return f"{_HERMES_OPENING}<tools>\n{dump([tool_schema(tool) for tool in tools])}\n</tools>"


def tool_schema(tool: ToolSpec) -> dict[str, Any]:
    """Return a tool in the OpenAI function shape, as Hermes writes it."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def signature(tool: ToolSpec) -> str:
    """Return a tool as one line, `name(required: type, optional?: type)`; enums list their values."""
    properties = tool.parameters.get("properties") or {}
    required = set(tool.parameters.get("required") or ())
    parts = [f"{name}{'' if name in required else '?'}: {_type_name(spec)}" for name, spec in properties.items()]
    return f"{tool.name}({', '.join(parts)})"


def _type_name(spec: Any) -> str:
    if not isinstance(spec, dict):
        return "any"
    if spec.get("enum"):
        return "|".join(str(value) for value in spec["enum"])
    kind = spec.get("type", "any")
    if kind == "array":
        return f"{_type_name(spec.get('items'))}[]"
    if kind == "object" and spec.get("properties"):
        return "{" + ", ".join(f"{name}: {_type_name(inner)}" for name, inner in spec["properties"].items()) + "}"
    return "|".join(kind) if isinstance(kind, list) else str(kind)


def render_messages(
    tools: tuple[ToolSpec, ...], history: tuple[Turn, ...], *, answer_format: AnswerFormat, style: PromptStyle,
    system: str = "",
) -> list[Message]:  # fmt: skip
    """Return the chat messages `{"role", "content"}` before the assistant's next turn; `system` is the agent's own.

    A format may have more in them: `tool_calls`, and the `tools` in the first.
    """
    if (own := answer_format.own_messages(system, tools, history)) is not None:
        return own
    told = answer_format.system_message(system, render_tools(tools, style), style)
    return [{"role": "system", "content": told}, *(render_turn(turn, answer_format) for turn in as_sent(history))]


def system_told(logged: str, wish: str) -> str:
    """Return the system text that a small model is told: `keep` as it was logged, `drop` none, else the wish itself."""
    return {KEEP: logged, "drop": ""}.get(wish, wish)


def as_sent(history: tuple[Turn, ...]) -> list[Turn]:
    """Return turns as a chat request holds them: each response under its call's name, a turn's responses together."""
    turns, calls = list[Turn](), tuple[ToolCall, ...]()
    for turn in history:
        responses = turns.pop().responses if turns and turn.role == turns[-1].role == "tool" else ()
        names = [call.name for call in calls[len(responses) :]] + [""] * len(turn.responses)
        calls = calls if turn.role == "tool" else turn.calls
        named = [each.model_copy(update={"name": each.name or name})
                 for each, name in zip(turn.responses, names, strict=False)]  # fmt: skip
        turns.append(turn.model_copy(update={"responses": responses + tuple(named)}))
    return turns


def response_text(content: Any) -> str:
    """Return what a tool answered as the text that servers get."""
    return content if isinstance(content, str) else dump(content)


def render_turn(turn: Turn, answer_format: AnswerFormat) -> Message:
    """Return one turn as a chat message; the assistant's calls are written in the answer format."""
    if turn.role == "assistant":
        return {"role": "assistant", "content": answer_format.write(turn.calls, turn.text)}
    if turn.role == "tool":
        bodies = [dump({"name": each.name, "content": each.content}) for each in turn.responses]
        return {"role": "tool", "content": "\n".join(f"<tool_response>\n{one}\n</tool_response>" for one in bodies)}
    return {"role": "user", "content": turn.text}


def prompt_hash(answer_format: AnswerFormat, style: PromptStyle, *, chat_template: str = "", system: str = KEEP) -> str:
    """Return a hash of what the renderer does for a fixed probe, and of the template; refactoring keeps it.

    What becomes of the agent's own system text counts where it is not kept, or not in front of all else.
    """
    render = partial(render_messages, *PROBE, answer_format=answer_format, style=style)
    plain, told = render(), render(system=system_told("s", system))
    elsewhere = [] if told[0]["content"] == f"s\n\n{plain[0]['content']}" else [told[0]]
    return content_hash(plain, chat_template, *elsewhere)


_PROPERTIES = {"a": {"type": "string", "enum": ["x", "y"]}, "b": {"type": "array", "items": {"type": "integer"}},
               "c": {"type": "object", "properties": {"e": {"type": "number"}}}}  # fmt: skip
_SCHEMA = {"type": "object", "properties": _PROPERTIES, "required": ["a"]}
PROBE: tuple[tuple[ToolSpec, ...], tuple[Turn, ...]] = (
    (ToolSpec(name="f", description="d", parameters=_SCHEMA),),
    (
        Turn(role="user", text="u"),
        Turn(role="assistant", calls=(ToolCall(name="f", arguments={"a": "x", "b": [1]}),) * 2),
        Turn(role="tool", responses=(ToolResponse(name="f", content={"k": "é"}),)),
        Turn(role="assistant", text="t"),
    ),
)
