"""`fledgling-structured`: one JSON list of calls and nothing else; `[]` where nothing is to be called."""

from typing import Any

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import call_of_shape, calls_grammar, calls_of_list, dump
from swap_assets.domain.formats.literals import read_whole
from swap_assets.domain.model import ToolCall, ToolSpec


class _FledglingStructured(AnswerFormat):
    def write(self, calls: tuple[ToolCall, ...], text: str = "") -> str:
        return dump([{"tool_name": call.name, "arguments": call.arguments} for call in calls])

    def _around(self, name: str) -> tuple[str, str]:
        return f'{{"tool_name": {dump(name)}, "arguments": ', "}"

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        value = read_whole(text)
        listed = [value] if isinstance(value, dict) else value
        return calls_of_list(listed, lambda one: call_of_shape(one, "tool_name", optional={"query"}))

    def grammar(self, tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...]) -> str:
        start = '"[]" | "[" call (", " call)* "]"' if tools else '"[]"'
        return calls_grammar(tools, schemas, start=start, around=self._around)


FLEDGLING_STRUCTURED = _FledglingStructured(
    name="fledgling-structured",
    track=Track.STRUCTURED,
    instructions={
        PromptStyle.HERMES: (
            'Return a json list with one object per function call: [{"tool_name": <function-name>, "arguments": '
            "<args-dict>}]. Where no function call is right return []"
        ),
        PromptStyle.COMPACT: "Answer as a json list",
    },
    no_call="[]",
)
