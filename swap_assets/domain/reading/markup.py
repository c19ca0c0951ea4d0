r"""Reading the markup of Hermes rows: tolerant of what is really there, and naming every repair.

    <tool_call>\n{"arguments": {"queries": ['...'], "name": "ExpertQAExtractor"}}\n</tool_call>

is one real answer: a literal backslash and n, Python quotes inside JSON, and the name in the wrong place. Which
repairs touch the gold matters, because repaired gold never enters a test split. Rows are put together in `parsing`.
"""

import ast
import json
import re
from enum import StrEnum
from typing import Any

_LITERAL_NEWLINE = "\\n"
_MAX_STRIPS = 8  # a body is wrapped in one or two literal newlines; more than eight is not such a body
_BLOCK = "<{tag}>(.*?)</{tag}>"


_LENIENT = json.JSONDecoder(strict=False)  # lets raw line breaks and tabs stand inside strings


class Repair(StrEnum):
    """What had to be put right to read a row; closed list."""

    LITERAL_NEWLINES = "literal_newlines"
    NAME_LIFTED = "name_lifted"
    ARGUMENT_RENAMED = "argument_renamed"
    TOOLS_SPLIT_AROUND_TAG = "tools_split_around_tag"
    RESPONSE_KEPT_AS_TEXT = "response_kept_as_text"


GOLD_REPAIRS = frozenset({Repair.LITERAL_NEWLINES, Repair.NAME_LIFTED, Repair.ARGUMENT_RENAMED})


class UnreadableError(ValueError):
    """A text that none of the readers could turn into JSON; the message says what the last one stumbled over."""


def read_value(text: str) -> tuple[Any, tuple[Repair, ...]]:
    """Read a JSON value, or a Python literal of JSON values, wrapped or not in literal newlines.

    The order that worked on real rows: JSON; JSON with raw line breaks inside strings; the same without the literal
    newlines at both ends; a Python literal.

    Returns:
        The value with exact types, and the repairs that were needed.

    Raises:
        UnreadableError: neither JSON nor a Python literal made of JSON values.
    """
    for loads in (json.loads, _LENIENT.decode):
        try:
            return loads(text), ()
        except (ValueError, RecursionError):
            continue
    stripped = strip_literal_newlines(text)
    repairs = (Repair.LITERAL_NEWLINES,) if stripped != text.strip() else ()
    if repairs:
        try:
            return _LENIENT.decode(stripped), repairs
        except (ValueError, RecursionError):
            pass
    return _read_python(stripped), repairs


def _read_python(text: str) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise UnreadableError(f"neither JSON nor a Python literal: {error}") from None
    if not _is_json(value):
        raise UnreadableError("a Python literal with values that JSON does not have")
    return value


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(_is_json(inner) for inner in value)
    return value is None or isinstance(value, str | bool | int | float)


def strip_literal_newlines(text: str) -> str:
    r"""Take blanks and the two characters `\` `n` off both ends, again and again."""
    for _ in range(_MAX_STRIPS):
        text = text.strip()
        shorter = text.removeprefix(_LITERAL_NEWLINE).removesuffix(_LITERAL_NEWLINE)
        if shorter == text:
            return text
        text = shorter
    return text.strip()


def tagged_bodies(text: str, tag: str) -> tuple[list[str], str]:
    """Return the bodies between `<tag>` and `</tag>` in order, and the text with these blocks taken out.

    A body that begins with a whole JSON value ends after that value, so that a closing tag inside one of its strings
    does not cut it short.

    Raises:
        UnreadableError: a tag is opened and never closed.
    """
    bodies, rest, position = [], [], 0
    opening, closing = f"<{tag}>", f"</{tag}>"
    while (start := text.find(opening, position)) >= 0:
        rest.append(text[position:start])
        body_start = start + len(opening)
        end = _closing_after_json(text, body_start, closing)
        if end < 0:
            end = text.find(closing, body_start)
        if end < 0:
            raise UnreadableError(f"{opening} is never closed")
        bodies.append(text[body_start:end])
        position = end + len(closing)
    rest.append(text[position:])
    return bodies, "".join(rest).strip()


_DECODER = json.JSONDecoder()


def _closing_after_json(text: str, start: int, closing: str) -> int:
    """Return where `closing` stands right after a JSON value that begins at `start`, -1 if it does not."""
    begin = _skip_blanks(text, start)
    try:
        _, end = _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return -1
    end = _skip_blanks(text, end)
    return end if text.startswith(closing, end) else -1


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def tool_block(system: str, tag: str = "tools") -> tuple[str, str] | None:
    """Return (the text before the block, its body) for the first `<tags>` block whose body is not blank.

    The words "within <tools> </tools> XML tags" come before the real block in every Hermes row.
    """
    for match in re.finditer(_BLOCK.format(tag=tag), system, flags=re.DOTALL):
        if match.group(1).strip():
            return system[: match.start()], match.group(1)
    return None


_SPLIT_PREFIX = re.compile(r"\{\s*['\"]type['\"]\s*:\s*['\"]function['\"].*['\"]parameters['\"]\s*:\s*$", re.DOTALL)


def read_tool_block(prefix: str, body: str) -> tuple[Any, tuple[Repair, ...]]:
    """Read the body of a `<tools>` block, putting back a prefix that was torn off in front of the tag.

    Seven of 194 real rows read `{"type": "function", ... "parameters": <tools> [{...}}}] </tools>`.

    Raises:
        UnreadableError: the body is not a list of tools even with the prefix.
    """
    if torn := _SPLIT_PREFIX.search(prefix):
        value, _ = read_value("[" + torn.group(0) + body.strip().removeprefix("["))
        return value, (Repair.TOOLS_SPLIT_AROUND_TAG,)
    value, _ = read_value(body)
    return value, ()
