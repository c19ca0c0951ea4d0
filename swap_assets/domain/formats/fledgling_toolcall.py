"""`fledgling-toolcall`: the tag carries the function's name and holds its arguments."""

import html
import re
from typing import Any

from swap_assets.domain.conversations import ToolCall, ToolSpec
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import dump, make_call, strict_tags
from swap_assets.domain.formats.constraints import words_or_calls

_TAG = re.compile(r'<tool_call name="([^"<>]*+)">')


class _FledglingToolcall(AnswerFormat):
    def _write_call(self, call: ToolCall) -> str:
        before, after = _around(call.name)
        return f"{before}{dump(call.arguments)}{after}"

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        return strict_tags(text, _TAG, lambda tag, value: make_call(html.unescape(tag.group(1)), value))

    def grammar(self, tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...]) -> str:
        return words_or_calls(tools, schemas, around=_around)


def _around(name: str) -> tuple[str, str]:
    return f'<tool_call name="{html.escape(name)}">', "</tool_call>"


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
