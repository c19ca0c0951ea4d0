"""A row of any known file -> a `Conversation`, or a `Quarantined` with a reason from a closed list.

The shapes are listed in `shapes`. A conversation's id is a hash of what was said and
offered, so the same row has the same id in both revisions of the dataset.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from swap_assets.domain.formats.literals import deeper_than
from swap_assets.domain.model import Conversation, Origin, Provenance, Quarantined, ToolSpec, Turn, canonical_json
from swap_assets.domain.reading.row_reading import QuarantineReason, Reading, RowError
from swap_assets.domain.reading.shapes import read_row

_DEEPEST = 100  # levels inside a value; storing gives up at 255, and no tool means a hundred
_RAW_LIMIT = 2000  # characters of a refused row that are kept to look at


def parse_row(
    row: Any, *, source: str, config: str = "", index: int = 0, revision: str = "", origin: Origin = "real"
) -> Conversation | Quarantined:
    """Read one row of any known shape, `index` its 0-based place; what can't be read comes back with its reason."""
    row_id = _label(row, "id") if isinstance(row, Mapping) else ""
    provenance = Provenance(source=source, config=config, row=index, row_id=row_id, revision=revision, origin=origin)
    try:
        return _conversation(_read(row), provenance, row)
    except RowError as error:
        reason, detail = error.reason, error.detail
    except ValidationError:  # half a surrogate pair in a name
        reason, detail = QuarantineReason.BROKEN_UNICODE, "surrogates not allowed"
    except RecursionError:
        reason, detail = QuarantineReason.NESTED_TOO_DEEP, "lists or objects inside each other without end"
    return _quarantined(provenance, reason, detail, raw=_shorten(row))


def _quarantined(place: Provenance, reason: QuarantineReason, detail: str, *, raw: str = "") -> Quarantined:
    known = place.model_dump(include={"source", "config", "row", "row_id"})
    return Quarantined(**known, reason=reason, detail=detail, raw=raw)


def _conversation(reading: Reading, provenance: Provenance, row: Mapping[str, Any]) -> Conversation:
    """Put a reading and its provenance together; the labels are the row's own where it has them."""
    _check(reading)
    try:
        identity = conversation_id(reading.system, reading.tools, reading.turns)
    except UnicodeEncodeError as error:  # half a surrogate pair (a cut emoji), which no file or tokenizer can hold
        raise RowError(QuarantineReason.BROKEN_UNICODE, error.reason) from None
    labels = {key: _label(row, key) for key in ("category", "subcategory", "task")}
    repairs = tuple(dict.fromkeys(map(str, reading.repairs)))
    known = {"id": identity, "provenance": provenance, "repairs": repairs}
    return Conversation.model_validate(reading._asdict() | known | labels)


def conversation_id(system: str, tools: tuple[ToolSpec, ...], turns: tuple[Turn, ...]) -> str:
    """Return the id that equal words with equal tools share exactly; a UnicodeEncodeError where there is no UTF-8."""
    offered = [[tool.name, tool.description, tool.parameters] for tool in tools]
    said = [[turn.role, turn.text, [[call.name, call.arguments] for call in turn.calls],
             [[answer.name, answer.content] for answer in turn.responses],
             *(["context only"] if turn.context_only else [])] for turn in turns]  # fmt: skip
    return hashlib.sha256(canonical_json([system, offered, said]).encode()).hexdigest()[:16]


def _label(row: Mapping[str, Any], key: str) -> str:
    return str(row.get(key) or "").encode("utf-8", "replace").decode()


def _read(row: Any) -> Reading:
    if not isinstance(row, Mapping):
        raise RowError(QuarantineReason.NOT_AN_OBJECT, f"the row is a {type(row).__name__}")
    return _with_greeting(read_row(row))


def _with_greeting(reading: Reading) -> Reading:
    """Return a reading in which words that the assistant says before any request are context only."""
    first = next(iter(reading.turns), None)
    if first is None or first.role != "assistant" or first.calls or len(reading.turns) < 2:
        return reading
    return reading._replace(turns=(first.model_copy(update={"context_only": True}), *reading.turns[1:]))


def _check(reading: Reading) -> None:
    if not any(turn.role == "assistant" and not turn.context_only for turn in reading.turns):
        raise RowError(QuarantineReason.NO_ASSISTANT_TURN, "nobody answers, so there is nothing to learn or to score")
    if reading.turns[0].role == "assistant" and not reading.turns[0].context_only:
        raise RowError(QuarantineReason.NO_REQUEST, "the assistant speaks first, so there is no request to answer")
    values = [call.arguments for turn in reading.turns for call in turn.calls]
    values += [answer.content for turn in reading.turns for answer in turn.responses]
    values += [tool.parameters for tool in reading.tools]
    if any(deeper_than(value, _DEEPEST) for value in values):
        raise RowError(QuarantineReason.NESTED_TOO_DEEP, f"a value with more than {_DEEPEST} levels")
    offered = {tool.name for tool in reading.tools}
    for turn in reading.turns:
        if turn.role == "assistant" and not turn.calls and not turn.text:
            raise RowError(QuarantineReason.EMPTY_ANSWER, "an assistant turn with neither text nor a call")
        for call in turn.calls:
            if call.name not in offered:
                raise RowError(QuarantineReason.CALL_TO_UNOFFERED_TOOL, f"{call.name} is not among the tools offered")


def _shorten(row: Any) -> str:
    try:
        text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return ""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _RAW_LIMIT else text[:_RAW_LIMIT] + "..."


def set_duplicates_aside(conversations: Iterable[Conversation]) -> tuple[list[Conversation], list[Quarantined]]:
    """Keep the first of equal conversations; the others are quarantined and name the row they repeat."""
    kept: dict[str, Conversation] = {}
    repeats = []
    for conversation in conversations:
        first = kept.setdefault(conversation.id, conversation)
        if first is not conversation:
            repeats.append(_aside(conversation, QuarantineReason.EXACT_DUPLICATE, "says the same as", first))
    return list(kept.values()), repeats


def set_beginnings_aside(conversations: Sequence[Conversation]) -> tuple[list[Conversation], list[Quarantined]]:
    """Keep whole conversations; those that another one continues (a log repeats them) are quarantined and name it."""
    continued: dict[str, Conversation] = {}
    for conversation in conversations:
        for end in conversation.assistant_turns()[:-1]:
            beginning = conversation_id(conversation.system, conversation.tools, conversation.turns[: end + 1])
            continued.setdefault(beginning, conversation)
    return [each for each in conversations if each.id not in continued], [
        _aside(each, QuarantineReason.CONTINUED_ELSEWHERE, "is continued by", continued[each.id])
        for each in conversations if each.id in continued
    ]  # fmt: skip


def _aside(row: Conversation, reason: QuarantineReason, how: str, other: Conversation) -> Quarantined:
    place = other.provenance
    return _quarantined(row.provenance, reason, f"{how} row {place.row} of {place.config or place.source}")
