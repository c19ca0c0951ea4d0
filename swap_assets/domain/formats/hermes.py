"""`hermes`: a JSON object with name and arguments inside `<tool_call>` tags; the dataset's own format."""

import re

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import call_of_shape, dump, strict_tags
from swap_assets.domain.model import ToolCall


class Hermes(AnswerFormat):
    """Tags around an object of name and arguments."""

    def _around(self, name: str) -> tuple[str, str]:
        return f'<tool_call>\n{{"name": {dump(name)}, "arguments": ', "}\n</tool_call>"

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        return strict_tags(text, re.compile("<tool_call>"), lambda tag, value: call_of_shape(value, "name"))


HERMES = Hermes(
    name="hermes",
    track=Track.TOOLCALL,
    instructions={
        PromptStyle.HERMES: (
            "For each function call return a json object with function name and arguments within <tool_call> "
            "</tool_call> tags with the following schema:\n"
            '<tool_call>\n{"name": <function-name>, "arguments": <args-dict>}\n</tool_call>'
        ),
        PromptStyle.COMPACT: "Answer as <tool_call> json </tool_call>",
    },
)
