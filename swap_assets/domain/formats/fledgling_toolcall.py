"""`fledgling-toolcall`: the tag carries the function's name and holds its arguments."""

import html
import re

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import make_call, strict_tags
from swap_assets.domain.model import ToolCall

_TAG = re.compile(r'<tool_call name="([^"<>]*+)">')


class _FledglingToolcall(AnswerFormat):
    def _around(self, name: str) -> tuple[str, str]:
        return f'<tool_call name="{html.escape(name)}">', "</tool_call>"

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        return strict_tags(text, _TAG, lambda tag, value: make_call(html.unescape(tag.group(1)), value))


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
