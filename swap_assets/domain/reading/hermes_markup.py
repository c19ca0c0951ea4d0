r"""The markup of Hermes rows: what stands between tags in an answer, a response and the system text.

    <tool_call>\n{"arguments": {"queries": ['...'], "name": "ExpertQAExtractor"}}\n</tool_call>

is one real answer: a literal backslash and n, Python quotes inside JSON, and the name in the wrong place. What stands
between the tags is read in `plain_values`.
"""

import json
import re
from typing import Any

from swap_assets.domain.reading.plain_values import read_value
from swap_assets.domain.reading.row_reading import Repair, UnreadableError

_BLOCK = "<{tag}>(.*?)</{tag}>"
_DECODER = json.JSONDecoder()


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
