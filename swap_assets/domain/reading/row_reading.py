"""What reading a row gives or fails with; shared by the shapes in `hermes_rows`, `openai_logs` and `bfcl_rows`."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple

from swap_assets.domain.conversations import ToolSpec, Turn


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


class Repair(StrEnum):
    """What had to be put right to read a row; closed list. Repaired gold never enters a test split."""

    LITERAL_NEWLINES = "literal_newlines"
    NAME_LIFTED = "name_lifted"
    ARGUMENT_RENAMED = "argument_renamed"
    TOOLS_SPLIT_AROUND_TAG = "tools_split_around_tag"
    RESPONSE_KEPT_AS_TEXT = "response_kept_as_text"


GOLD_REPAIRS = frozenset({Repair.LITERAL_NEWLINES, Repair.NAME_LIFTED, Repair.ARGUMENT_RENAMED})


class UnreadableError(ValueError):
    """A text that none of the readers could turn into JSON; the message says what the last one stumbled over."""


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


@contextmanager
def unreadable_as(reason: QuarantineReason) -> Iterator[None]:
    """Give a row whose value cannot be read the reason why it is set aside."""
    try:
        yield
    except UnreadableError as error:
        raise RowError(reason, str(error)) from None


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
