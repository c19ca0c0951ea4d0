"""`json-schema`: the arguments of the one function that was asked for, as a JSON object; the name is not in it."""

from typing import Any

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import ANY_OBJECT, dump, lenient_calls, schema_rule
from swap_assets.domain.formats.literals import read_whole
from swap_assets.domain.formats.tags import UNREADABLE, Found, find_first_object
from swap_assets.domain.model import ToolCall, ToolSpec


class _JsonSchema(AnswerFormat):
    def write(self, calls: tuple[ToolCall, ...], text: str = "") -> str:
        return dump(calls[0].arguments) if calls else text

    @property
    def in_jinja(self) -> str:
        return "{{- calls[0]['arguments']|tojson if calls else text }}"

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        value = read_whole(text)
        return (ToolCall(name=function, arguments=value),) if isinstance(value, dict) else None

    def _find(self, text: str, function: str) -> Found:
        """Take the first object of a text as the arguments; a whole call of the function is unwrapped."""
        first = find_first_object(text)
        if first is None:
            return Found([], text, int("{" in text), (UNREADABLE,) if "{" in text else ())
        value, repairs, around = first
        notes = dict.fromkeys(repairs)
        wrapped = lenient_calls(value, tagged=False, notes=notes)
        if function and len(wrapped) == 1 and wrapped[0].name == function and len(value) == 2:
            return Found(wrapped, around, 0, tuple(notes))
        return Found([ToolCall(name=function, arguments=value)], around, 0, repairs)

    def grammar(self, tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...]) -> str:
        # Which function is asked for is gold's to know: the arguments of any tool on offer will do.
        return f"%llguidance {{}}\nstart: {' | '.join(map(schema_rule, schemas or (ANY_OBJECT,)))}\n"


JSON_SCHEMA = _JsonSchema(
    name="json-schema",
    track=Track.STRUCTURED,
    instructions={
        PromptStyle.HERMES: "Return one json object that follows the schema of the function's parameters, nothing else",
        PromptStyle.COMPACT: "Answer as json",
    },
    no_call="[]",  # never written: there is always a function whose arguments are asked for
)
