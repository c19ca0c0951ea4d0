"""Calls that stand in an assistant's text, asked of one function by every reader; where they lie in a row is not here.

Thinking at the beginning of an answer is no answer and is left out.
"""

import ast
import json
import re
from contextlib import suppress

from swap_assets.domain.formats.literals import skip_blank
from swap_assets.domain.model import ToolCall, ToolSpec
from swap_assets.domain.reading.row_reading import Repair, UnreadableError, read_call, read_value

_BLANKS = re.compile(r"\s*")
_THINKING = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
_MARKS = re.compile(r"</?tool_call|\[TOOL_CALLS\]|<function=|<\|(?:python_tag|tool_call|action_start)|<｜tool")


def calls_in_text(text: str, tools: tuple[ToolSpec, ...], repairs: list[Repair]) -> tuple[tuple[ToolCall, ...], str]:
    """Return the calls that a text holds and the words around them; an UnreadableError where a call can't be read."""
    if thinking := _THINKING.match(text):
        text = text[thinking.end() :]
    if listed := _calls_of_python(text.strip(), tools):
        return listed, ""
    bodies, words = tagged_bodies(text, "tool_call")
    if mark := _MARKS.search(words):
        raise UnreadableError(f"a call that was left in the text ({mark.group()}) can't be read")
    return tuple(read_call(read_value(body, repairs), tools, repairs) for body in bodies), words


def tagged_bodies(text: str, tag: str) -> tuple[list[str], str]:
    r"""Return the bodies between `<tag>` and `</tag>` in order, and the text with these blocks taken out.

    `<tool_call>\n{"arguments": {"queries": ['...'], "name": "ExpertQAExtractor"}}\n</tool_call>` is one real answer: a
    literal backslash and n, Python quotes inside JSON, and the name in the wrong place.
    An UnreadableError where a tag is opened and never closed.
    """
    bodies, rest, at = [], [], 0
    opening, closing = f"<{tag}>", f"</{tag}>"
    while (start := text.find(opening, at)) >= 0:
        rest.append(text[at:start])
        start += len(opening)
        end = _end_of_body(text, start, closing)
        if end < 0:
            raise UnreadableError(f"{opening} is never closed")
        bodies.append(text[start:end])
        at = end + len(closing)
    return bodies, "".join([*rest, text[at:]]).strip()


def _end_of_body(text: str, start: int, closing: str) -> int:
    """Return where a body's closing tag stands, behind its JSON (whose strings may hold it) or else first; -1: none."""
    with suppress(ValueError, RecursionError):
        _, end = json.JSONDecoder().raw_decode(text, skip_blank(text, start, _BLANKS))
        end = skip_blank(text, end, _BLANKS)
        if text.startswith(closing, end):
            return end
    return text.find(closing, start)


def _calls_of_python(text: str, tools: tuple[ToolSpec, ...]) -> tuple[ToolCall, ...]:
    """Return the calls of `[f(a="x"), g(b=1)]` (ToolACE; names may hold blanks), () where a text is no such list."""
    named = {tool.name: f"swap_tool_{index}_" for index, tool in enumerate(tools)}
    if not (named and text.startswith("[") and text.endswith(")]")):
        return ()
    names = "|".join(re.escape(name) for name in sorted(named, key=len, reverse=True))
    marked = re.sub(rf"(?<=[\[,\s])({names})\(", lambda found: named[found.group(1)] + "(", text)
    known = {mark: name for name, mark in named.items()}
    try:
        entries = ast.parse(marked, mode="eval").body.elts  # type: ignore[attr-defined]
        return tuple(
            ToolCall(name=known[entry.func.id], arguments={word.arg: _unmarked(word.value) for word in entry.keywords})
            for entry in entries if not entry.args
        ) if all(not entry.args for entry in entries) else ()  # fmt: skip
    except (SyntaxError, ValueError, AttributeError, KeyError, RecursionError, MemoryError):
        return ()


def _unmarked(node: ast.expr) -> object:
    value = ast.literal_eval(node)
    if "swap_tool_" in repr(value):
        raise ValueError("a name of a tool followed by a bracket inside a value")
    return value
