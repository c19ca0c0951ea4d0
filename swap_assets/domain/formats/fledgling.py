"""The two formats of Fledgling, whose pair of adapters answers in one each.

`fledgling-structured` is one JSON list of calls and nothing else, `[]` where nothing is to be called; in
`fledgling-toolcall` the tag carries the function's name and holds its arguments.
"""

import html
import re
from typing import Any

from swap_assets.domain.formats import calls_in_json as written
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.literals import read_whole
from swap_assets.domain.model import ToolCall, ToolSpec

_TAG = re.compile(r'<tool_call name="([^"<>]*+)">')


class _FledglingStructured(AnswerFormat):
    def write(self, calls: tuple[ToolCall, ...], text: str = "") -> str:
        return written.dump([{"tool_name": call.name, "arguments": call.arguments} for call in calls])

    @property
    def in_jinja(self) -> str:
        return written.calls_in_jinja(*self._around("NAME"), between=", ", begin="[", end="]")

    def _around(self, name: str) -> tuple[str, str]:
        return f'{{"tool_name": {written.dump(name)}, "arguments": ', "}"

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        value = read_whole(text)
        listed = [value] if isinstance(value, dict) else value
        return written.calls_of_list(listed, lambda one: written.call_of_shape(one, "tool_name", optional={"query"}))

    def grammar(self, tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...]) -> str:
        start = '"[]" | "[" call (", " call)* "]"' if tools else '"[]"'
        return written.calls_grammar(tools, schemas, start=start, around=self._around)


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


class _FledglingToolcall(AnswerFormat):
    def _around(self, name: str) -> tuple[str, str]:
        return f'<tool_call name="{html.escape(name)}">', "</tool_call>"

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        return written.strict_tags(text, _TAG, lambda tag, value: written.make_call(html.unescape(tag.group(1)), value))


FLEDGLING_TOOLCALL = _FledglingToolcall(
    name="fledgling-toolcall",
    track=Track.TOOLCALL,
    instructions={
        PromptStyle.HERMES: (
            'For each function call return <tool_call name="function-name">{arguments as a json object}</tool_call>'
        ),
        PromptStyle.COMPACT: "Answer as <tool_call name> json </tool_call>",
    },
)
