"""`native`: tools, calls and responses as the model's own chat template writes them, answers in its family's syntax.

Qwen3 answers `<tool_call>\\n{"name": "weather", "arguments": {"city": "Oslo"}}\\n</tool_call>`, Llama 3.1
`{"name": "weather", "parameters": {"city": "Oslo"}}`. Which syntax a model has is its template's business; an answer is
compliant where it follows one of those below to the letter. The prompt says nothing of tools, the template does.
"""

from typing import Any

from swap_assets.domain.formats.base import PromptStyle, Track
from swap_assets.domain.formats.families import begins, find_named, read_family, spoken
from swap_assets.domain.formats.hermes import Hermes
from swap_assets.domain.formats.prompts import as_sent, response_text, tool_schema
from swap_assets.domain.formats.tags import Found
from swap_assets.domain.model import ToolCall, ToolSpec, Turn


class _Native(Hermes):
    def own_messages(self, system: str, tools: tuple[ToolSpec, ...], history: tuple[Turn, ...]) -> list[dict[str, Any]]:
        """Return chat messages with `tool_calls`; the system message, which may be empty, carries the `tools`."""
        told: list[dict[str, Any]] = [{"role": "system", "content": system, "tools": list(map(tool_schema, tools))}]
        calls: list[dict[str, Any]] = []
        for at, turn in enumerate(as_sent(history)):
            if turn.role == "tool":
                told += _responses(turn, calls)
                continue
            # Nine letters and digits, as Mistral's template wants an id to be.
            calls = [{"id": f"call{at:03}{place:02}"[-9:], "type": "function", "function": call.model_dump()}
                     for place, call in enumerate(turn.calls)]  # fmt: skip
            told.append({"role": turn.role, "content": turn.text, **({"tool_calls": calls} if calls else {})})
        return told

    @property
    def in_jinja(self) -> str:
        return ""

    def _unwrap(self, text: str) -> str:
        return spoken(text)

    def _begins(self, text: str) -> bool:
        return begins(text) or super()._begins(text)

    def _find(self, text: str, function: str) -> Found:
        return find_named(text) or super()._find(text, function)

    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        return super()._read_strictly(text, function) if text.startswith("<tool_call>") else read_family(text)

    def grammar(self, tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...]) -> str:
        raise ValueError(f"answers in the answer format {self.name} cannot be constrained: name another answer format")


def _responses(turn: Turn, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a message for each response, a text as servers get it, with the id of the call at its place."""
    ids = [call["id"] for call in calls] + [""] * len(turn.responses)
    return [
        {"role": "tool", "tool_call_id": name, "name": each.name,
         "content": response_text(each.content)}
        for each, name in zip(turn.responses, ids, strict=False)
    ]  # fmt: skip


NATIVE = _Native(
    name="native",
    marks=True,
    track=Track.TOOLCALL,
    instructions={
        PromptStyle.HERMES: "Call functions as you were taught to",
        PromptStyle.COMPACT: "Call functions as taught",
    },
)
