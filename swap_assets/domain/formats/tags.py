"""Finding calls in an answer that does not follow its answer format to the letter.

Seen in the wild: prose around the call, code fences, `<tool_call name="f" arguments={"a": 1} />`,
`<tool_call name="f" args="{'a': 1}">{}</tool_call>`, `arguments="{&quot;a&quot;: 1}"`, `[tool_call name="f" ...]`,
two calls in one tag, a last tag that was never closed.
Every pattern here is free of backtracking and every loop is bounded by the answer's length or a budget.
"""

import html
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from swap_assets.domain.formats.calls_in_json import lenient_calls, make_call
from swap_assets.domain.formats.literals import CLOSERS_MISSING, LiteralError, read_tolerant, readable, skip_blank
from swap_assets.domain.model import ToolCall

MAX_FAILED_STARTS = 200  # unreadable tags, or brackets in prose that open no value, before the search gives up,
MAX_WASTED_CHARS = 500_000  # or what was read behind them in vain: half a second at most

_MARKUP = re.compile(r"[<\[]/?tool_call\b|\"(?:name|tool_name)\"\s*+:")
_OPEN = re.compile(r"[<\[]tool_call\b")
_CLOSE = "</tool_call>"
_ATTRIBUTE = re.compile(r"\s*+([\w-]++)\s*+=\s*+")
_PLAIN_VALUE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|\'[^\'\\]*+(?:\\.[^\'\\]*+)*+\'|[^\s>\]/"\']++', re.DOTALL)
_TAG_END = re.compile(r"\s*+(/?)\s*+[>\]]")
_BRACKET = re.compile(r"[{\[]")
_FENCE = re.compile(r"```\w*")
_ARGUMENT_ATTRIBUTES = ("arguments", "args", "parameters")
_ESCAPED_QUOTE = re.compile(r'\\(["\'])')

UNREADABLE = "a call's body could not be read"
_AROUND_THE_JSON = {"arguments written as an attribute", "a call's tag is not closed", "text before a call's JSON",
                    "text after a call's JSON", "a code fence inside a call"}  # fmt: skip


class Found(NamedTuple):
    """Calls in the order of the text, the text outside them, what was begun and not read, and what was tolerated."""

    calls: list[ToolCall]
    text: str
    unread: int = 0
    problems: tuple[str, ...] = ()

    @property
    def json_valid(self) -> bool:
        """Whether the JSON of every call is RFC 8259 JSON, whatever stood around it."""
        return not self.unread and _AROUND_THE_JSON.issuperset(self.problems)


def begins_a_call(text: str, opening: str) -> bool:
    """Whether a text holds a usual mark of a call or the `opening` of one, or ends within that, past its first sign."""
    cut = tuple(opening[:size] for size in range(2, len(opening)))
    return bool(_MARKUP.search(text)) or bool(opening and opening in text) or text.rstrip().endswith(cut)


def find_tagged(text: str) -> Found | None:
    """Return the calls inside tags, None where the text opens no tag."""
    opening = _OPEN.search(text)
    if not opening:
        return None
    calls: list[ToolCall] = []
    problems: dict[str, None] = {}
    outside, unread = [text[: opening.start()]], 0
    while opening and unread < MAX_FAILED_STARTS:
        tag = _Tag(text, opening.end())
        calls_here = tag.read()
        calls += calls_here
        unread += not calls_here
        problems |= tag.problems
        opening = _OPEN.search(text, tag.at)
        outside.append(text[tag.at : opening.start() if opening else len(text)])
    return Found(calls, _prose("".join(outside)), unread, tuple(problems))


def find_bare(text: str) -> Found:
    """Return the calls among the JSON values that stand anywhere in a text without tags."""
    calls: list[ToolCall] = []
    problems: dict[str, None] = {}
    outside, at = [], 0
    for start, value, end, repairs in _values(text):
        notes = dict.fromkeys(repairs)
        if calls_here := lenient_calls(value, tagged=False, notes=notes):
            calls += calls_here
            problems |= notes
            outside.append(text[at:start])
            at = end
    outside.append(text[at:])
    return Found(calls, _prose("".join(outside)), 0, tuple(problems))


def find_first_object(text: str) -> tuple[dict[str, Any], tuple[str, ...], str] | None:
    """Return the first JSON object in a text, what was tolerated to read it, and the text outside it."""
    for start, value, end, repairs in _values(text):
        if isinstance(value, dict):
            return value, repairs, _prose(text[:start] + text[end:])
    return None


def _values(text: str) -> list[tuple[int, Any, int, tuple[str, ...]]]:
    """Read every object or list that stands in a text, left to right, none inside another."""
    found, failed, wasted, at = [], 0, 0, 0
    while failed < MAX_FAILED_STARTS and wasted < MAX_WASTED_CHARS and (bracket := _BRACKET.search(text, at)):
        try:
            value, at, repairs = read_tolerant(text, bracket.start())
            found.append((bracket.start(), value, at, repairs))
        except LiteralError as error:
            wasted += error.offset - bracket.start()
            failed, at = failed + 1, bracket.end()
    return found


@dataclass
class _Tag:
    """Reads one call's tag from just behind `<tool_call`; `at` ends behind it, `problems` says what was tolerated."""

    text: str
    at: int
    problems: dict[str, None] = field(default_factory=dict)

    def read(self) -> list[ToolCall]:
        """Return the calls of the tag; [] where nothing in it could be read."""
        attributes = self._attributes()
        tag_end = _TAG_END.match(self.text, self.at)
        self.at = tag_end.end() if tag_end else self.at
        start, self_closing = self.at, bool(tag_end and tag_end.group(1))
        values = [] if self_closing else self._body(optional=len(attributes) > 1)
        if "name" not in attributes:
            tagged = CLOSERS_MISSING not in self.problems  # else arguments may have followed a bare name
            calls = [call for value in values for call in lenient_calls(value, tagged=tagged, notes=self.problems)]
        else:
            closed = self_closing or self.text[start : self.at].strip() == _CLOSE
            named = values or not attributes.keys().isdisjoint(_ARGUMENT_ATTRIBUTES)
            spelled = None if named or not closed else self._spelled_out(attributes)
            call = make_call(html.unescape(str(attributes["name"])), _given(attributes, values) if named else spelled)
            calls = [call] if call else []
        if not calls:
            self._note(UNREADABLE)
        return calls

    def _spelled_out(self, attributes: dict[str, Any]) -> dict[str, Any] | None:
        """Return the arguments of a tag that was closed without a body, `<tool_call name="f" city="Oslo"/>`."""
        arguments = {key: value for key, value in attributes.items() if key != "name"}
        if None in arguments.values():
            return None  # one of them could not be read
        self._note("arguments spelled out as attributes" if arguments else "no arguments written")
        return {key: html.unescape(value) if isinstance(value, str) else value for key, value in arguments.items()}

    def _attributes(self) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        while match := _ATTRIBUTE.match(self.text, self.at):
            self.at = match.end()
            quoted = self.text[self.at : self.at + 1] in ("'", '"')
            opener = skip_blank(self.text, self.at + quoted)
            if self.text[opener : opener + 1] in ("{", "["):
                self._note("arguments written as an attribute")
                attributes[match.group(1)] = self._attribute_json(opener, quoted=quoted)
                continue
            plain = _PLAIN_VALUE.match(self.text, self.at)
            if not plain:
                break
            self.at = plain.end()
            attributes[match.group(1)] = plain.group()[1:-1] if quoted else _bare(plain.group(), match.group(1))
        return attributes

    def _attribute_json(self, opener: int, *, quoted: bool) -> Any:
        """Read JSON that is an attribute's value: bare, or in quotes with its own quotes escaped in some way."""
        quote, literal = self.text[self.at], readable(self.text, opener)
        if literal:
            self._note(*literal.repairs)
            self.at = literal.end + (quoted and self.text[literal.end : literal.end + 1] == quote)
            return literal.value
        plain = _PLAIN_VALUE.match(self.text, self.at)
        if not quoted or not plain:
            self.at = opener + 1
            return None
        self.at = plain.end()
        return self._variants(plain.group()[1:-1])

    def _body(self, *, optional: bool) -> list[Any]:
        """Read the values up to the tag's closing, the next tag's opening, or the end of the text."""
        values: list[Any] = []
        start = self.at
        while True:
            self.at = skip_blank(self.text, self.at)
            if fence := _FENCE.match(self.text, self.at):
                self._note("a code fence inside a call")
                self.at = skip_blank(self.text, fence.end())
            if self.text.startswith(_CLOSE, self.at):
                self.at += len(_CLOSE)
                return values
            literal = readable(self.text, self.at) if self.text.startswith(("{", "[", '"'), self.at) else None
            if not literal:
                break
            self.at = literal.end
            self._note(*literal.repairs)
            values.append(literal.value)
        following = _OPEN.search(self.text, self.at)
        end = following.start() if following else len(self.text)
        close = self.text.find(_CLOSE, self.at, end)
        end = close if close >= 0 else end
        if optional and not values and end != close:
            self.at = start  # an attribute tag without a closing one: what follows is prose
            return values
        if not values:
            values = self._rescue(self.text[self.at : end])
        elif end == close:
            self._note("text after a call's JSON")
        else:
            self._note("a call's tag is not closed")
        self.at = end + (len(_CLOSE) if end == close else 0)
        return values

    def _rescue(self, body: str) -> list[Any]:
        """Read a body whose JSON stands behind prose, or whose quotes were escaped."""
        first = _BRACKET.search(body)
        if not first:
            return []
        if literal := readable(body, first.start()):
            self._note("text before a call's JSON", *literal.repairs)
            return [literal.value]
        value = self._variants(body[first.start() :])
        return [] if value is None else [value]

    def _variants(self, written: str) -> Any:
        """Read JSON whose quotes were escaped by backslashes or as HTML entities; None where neither helps."""
        for variant in (_ESCAPED_QUOTE.sub(r"\1", written), html.unescape(written)):
            if literal := readable(variant):
                self._note("escaped quotes")
                return literal.value
        return None

    def _note(self, *problems: str) -> None:
        self.problems |= dict.fromkeys(problems)


def _given(attributes: dict[str, Any], values: list[Any]) -> Any:
    """Return the arguments of a call whose tag carries its name: from the body, else from an attribute."""
    in_attribute = next((attributes[key] for key in _ARGUMENT_ATTRIBUTES if key in attributes), None)
    body = next((value for value in values if isinstance(value, dict)), None)
    match arguments := body or in_attribute or body:
        case {"name": name, "arguments": inner, **rest} if not rest and name == html.unescape(str(attributes["name"])):
            return inner
    return arguments


def _bare(written: str, attribute: str) -> Any:
    """Return the value of an attribute without quotes: the JSON scalar that it is, else its text; a name is text."""
    literal = readable(written)
    if attribute == "name" or not literal or literal.end != len(written) or isinstance(literal.value, dict | list):
        return written
    return literal.value


def _prose(text: str) -> str:
    return _FENCE.sub("", text).strip()
