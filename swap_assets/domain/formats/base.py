"""How an answer is written: the answer formats, and what was read out of an answer.

Writing an expected answer lives in `answers.rendering`, reading a prediction in `answers`.
"""

from enum import StrEnum

from swap_assets.domain.conversations import ToolCall
from swap_assets.domain.model import Frozen


class Track(StrEnum):
    """What family of answers a answer format belongs to; candidates are compared within a track."""

    TOOLCALL = "toolcall"
    STRUCTURED = "structured"


class AnswerFormat(StrEnum):
    """The ways to write an answer."""

    HERMES = "hermes"
    FLEDGLING_TOOLCALL = "fledgling-toolcall"
    FLEDGLING_STRUCTURED = "fledgling-structured"
    OPENAI = "openai"
    JSON_SCHEMA = "json-schema"

    @property
    def track(self) -> Track:
        """The family this answer format belongs to."""
        return (
            Track.STRUCTURED
            if self in (AnswerFormat.FLEDGLING_STRUCTURED, AnswerFormat.JSON_SCHEMA)
            else Track.TOOLCALL
        )


class Interface(StrEnum):
    """How a hosted model is asked.

    `text` is the prompt that the small model gets. `native` is the service's own way: `tools` for the tool-call track,
    `response_format` with a JSON Schema for the structured one.
    """

    TEXT = "text"
    NATIVE = "native"


class ParsedAnswer(Frozen):
    """What was read out of an answer.

    `compliant` is True where the text follows its answer format to the letter (strict); `calls` are what could be
    recovered leniently, `strict_calls` what the strict reading gives (none where the text is not compliant).
    `unread` counts calls that were begun and could not be read. `valid_json` is None where the answer holds no JSON
    and its answer format does not call for any. `problems` says, in order, what the strict reading could not accept.
    """

    calls: tuple[ToolCall, ...] = ()
    strict_calls: tuple[ToolCall, ...] = ()
    text: str = ""
    compliant: bool
    valid_json: bool | None = None
    unread: int = 0
    problems: tuple[str, ...] = ()
