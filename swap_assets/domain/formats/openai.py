"""`openai`: the `tool_calls` list of a chat completion as JSON, or a whole message around it."""

from contextlib import suppress
from typing import Any

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import calls_of_list, dump, make_call
from swap_assets.domain.formats.literals import LiteralError, read_whole
from swap_assets.domain.model import ToolCall, ToolSpec

_MESSAGE_KEYS = frozenset({"role", "content", "tool_calls", "refusal", "annotations", "audio", "function_call"})


class _OpenAI(AnswerFormat):
    def write(self, calls: tuple[ToolCall, ...], text: str = "") -> str:
        return written_calls([(call.name, dump(call.arguments)) for call in calls]) if calls else text

    @property
    def in_jinja(self) -> str:
        each = "{'name': call['name'], 'arguments': call['arguments']|tojson}"
        entry = "{'id': 'call_' ~ loop.index0, 'type': 'function', 'function': " + each + "}|tojson"
        listed = "{%- for call in calls -%}{{- (', ' if not loop.first else '[') ~ " + entry + " }}{%- endfor -%}"
        return listed + "{{- ']' if calls else text }}"

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        return calls_of_list(read_whole(text), _strict_call) or None

    def _unwrap(self, text: str) -> str:
        """Return what a whole chat message says: its `tool_calls` as JSON, else its words; other text as it is."""
        if not text.lstrip().startswith("{"):
            return text
        try:
            message = read_whole(text.strip())
        except LiteralError:
            return text
        if "content" not in message or not message.keys() <= _MESSAGE_KEYS:
            return text
        if calls := message.get("tool_calls"):
            return dump(calls)  # a message may say something beside its calls
        words = message["content"] or message.get("refusal") or ""
        return words if isinstance(words, str) and not message.get("function_call") else text

    def grammar(self, tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...]) -> str:
        raise ValueError(f"answers in the answer format {self.name} cannot be constrained: name another answer format")


def written_calls(calls: list[tuple[str, str]]) -> str:
    """Write calls, each a name and its arguments as JSON text."""
    functions = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return dump([{"id": f"call_{at}", "type": "function", "function": one} for at, one in enumerate(functions)])


def _strict_call(value: Any) -> ToolCall | None:
    match value:
        case {"type": "function", "function": {"name": name, "arguments": str(arguments), **rest}} if not (
            rest or value.keys() - {"id", "type", "function", "index"}
        ):
            with suppress(LiteralError):
                return make_call(name, read_whole(arguments.strip()))
    return None


OPENAI = _OpenAI(
    name="openai",
    track=Track.TOOLCALL,
    instructions={
        PromptStyle.HERMES: "Call functions through the interface you are given",
        PromptStyle.COMPACT: "Call functions",
    },
)
