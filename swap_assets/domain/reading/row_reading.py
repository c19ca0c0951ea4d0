"""What reading a row gives or fails with; shared by the shapes in `hermes_rows`, `openai_logs` and `bfcl_rows`."""

from enum import StrEnum
from typing import Any, NamedTuple

from swap_assets.domain.conversations import ToolSpec, Turn
from swap_assets.domain.reading.markup import Repair


class QuarantineReason(StrEnum):
    """Why a row was set aside; closed list."""

    LINE_NOT_JSON = "line_not_json"
    NOT_AN_OBJECT = "not_an_object"
    BROKEN_UNICODE = "broken_unicode"
    NESTED_TOO_DEEP = "nested_too_deep"
    UNKNOWN_SHAPE = "unknown_shape"
    UNKNOWN_ROLE = "unknown_role"
    TURN_UNREADABLE = "turn_unreadable"
    TOOLS_UNREADABLE = "tools_unreadable"
    CALL_UNREADABLE = "call_unreadable"
    CALL_TO_UNOFFERED_TOOL = "call_to_unoffered_tool"
    ANSWER_NOT_AN_OBJECT = "answer_not_an_object"
    EMPTY_ANSWER = "empty_answer"
    NO_REQUEST = "no_request"
    NO_ASSISTANT_TURN = "no_assistant_turn"
    EXACT_DUPLICATE = "exact_duplicate"
    CONTINUED_ELSEWHERE = "continued_elsewhere"


class RowError(ValueError):
    """A row that can't be read, with its reason."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Reading(NamedTuple):
    """What a row says, before it gets an id and a provenance."""

    system: str
    tools: tuple[ToolSpec, ...]
    turns: tuple[Turn, ...]
    repairs: tuple[Repair, ...]


def deeper_than(value: Any, limit: int) -> bool:
    """Whether lists and objects stand inside each other more than `limit` times; found without recursion."""
    level = [value]
    for _ in range(limit + 1):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list | tuple):
                inner.extend(item)
        if not inner:
            return False
        level = inner
    return True


def joined(turns: list[Turn]) -> tuple[Turn, ...]:
    """Join neighbouring turns of one speaker where they are one message: prose before a call, parallel responses.

    Two assistant turns in a row are one answer in two pieces, two tool turns the responses to parallel calls; two
    user turns stay apart.
    """
    result: list[Turn] = []
    for turn in turns:
        if result and turn.role != "user" and result[-1].role == turn.role:
            before = result.pop()
            text = "\n".join(part for part in (before.text, turn.text) if part)
            turn = Turn(
                role=turn.role,
                text=text,
                calls=before.calls + turn.calls,
                responses=before.responses + turn.responses,
            )
        result.append(turn)
    return tuple(result)
