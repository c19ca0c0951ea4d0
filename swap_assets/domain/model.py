"""The base of every domain type, and the first of them: what a function-calling conversation is, whatever its file.

Domain types are immutable, strict about unknown keys, and hashable by content. One Hermes row says
`{"from": "human", "value": "..."}`, one OpenAI log `{"role": "user", "content": "..."}`; both become the one
`Conversation` below. Reading rows lives in `reading.parsing`, not here. Arguments and tool responses are plain JSON
values and keep their exact types: "02139" stays a string.
"""

import hashlib
import json
import operator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Origin = Literal["real", "synthetic", "production"]


class Frozen(BaseModel):
    """An immutable value; an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical_json(value: Any) -> str:
    """Write a JSON value in one fixed way (sorted keys, no spaces), so that equal values hash alike."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def content_hash(*parts: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 over the canonical JSON of `parts`."""
    return hashlib.sha256(canonical_json(list(parts)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


class ToolSpec(Frozen):
    """A function offered to the model; `parameters` is a JSON Schema object."""

    name: str = Field(min_length=1)
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)


class ToolCall(Frozen):
    """One call: a function name and its arguments as a JSON object."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    def key(self) -> str:
        """Return a text that two calls share exactly when name and arguments are the same JSON."""
        return canonical_json([self.name, self.arguments])


class ToolResponse(Frozen):
    """What a tool answered; `content` is any JSON value."""

    name: str = ""
    content: Any = None


class Turn(Frozen):
    """One message. An assistant turn has calls, text or both; a tool turn has responses; a user turn has text.

    `context_only` marks an assistant turn that is shown and neither trained nor tested (`weight: 0`, a greeting).
    """

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    responses: tuple[ToolResponse, ...] = ()
    context_only: bool = Field(default=False, exclude_if=operator.not_)


class Provenance(Frozen):
    """Where a conversation came from; `row` is its 0-based place in the source file."""

    source: str
    config: str = ""
    row: int = 0
    row_id: str = ""
    revision: str = ""
    origin: Origin


# The agent's own system text as it was logged; none leaves no trace in a hash or file of a case.
SYSTEM: Any = Field(default="", exclude_if=operator.not_)


class Conversation(Frozen):
    """A whole conversation with the tools that were offered, and what had to be repaired to read it."""

    id: str
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    turns: tuple[Turn, ...]
    provenance: Provenance
    repairs: tuple[str, ...] = ()
    category: str = ""
    subcategory: str = ""
    task: str = ""

    def assistant_turns(self) -> list[int]:
        """Return the indexes into `turns` at which the assistant speaks, but for context only."""
        return [index for index, turn in enumerate(self.turns) if turn.role == "assistant" and not turn.context_only]


class EvalCase(Frozen):
    """One question put to a candidate: everything before one assistant turn, and what that turn should be.

    `labels` says of which kinds it is, for example `{"single_turn": "simple", "domain": "weather"}`; `splits` names the
    test splits that chose it. Every single-turn case has the label, and only those of the quota are in the split.
    """

    id: str
    conversation_id: str
    turn: int
    system: str = SYSTEM
    tools: tuple[ToolSpec, ...]
    history: tuple[Turn, ...]
    gold_calls: tuple[ToolCall, ...]
    gold_text: str = ""
    ordered: bool = False
    labels: dict[str, str] = Field(default_factory=dict)
    splits: tuple[str, ...] = ()
    origin: Origin


class Quarantined(Frozen):
    """A row that could not be read: the reason from a closed list (`parsing.QuarantineReason`), detail, and the row."""

    source: str
    config: str = ""
    row: int
    row_id: str = ""
    reason: str
    detail: str = ""
    raw: str = ""
