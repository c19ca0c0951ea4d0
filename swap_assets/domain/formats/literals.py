"""Reading one JSON value out of a text: strictly (RFC 8259), or tolerantly where a model wrote something near it.

Tolerated, each named in `Literal.repairs`: Python repr (`{'a': True, 'b': None}`), bare keys, trailing commas, raw
line breaks in strings, unknown escapes, NaN, duplicated keys (the last one counts), and closers that are missing
at the end of the text or before a closing tag or fence: `{"a": {"b": "x"` lacks nothing but two braces. What was cut
in its middle is not guessed at: `"Par` may have been "Paris", and `{"a": 1` may have been 15.

Why not json-repair: of 800 answers cut at random it fills 399 with something that the whole answer does not say (this
reader none), and it takes 3.5 times as long on the others, which it reads as this reader does.

The tolerant reader keeps its own stack: no depth of nesting can exhaust Python's, and every token is read by a
pattern that cannot backtrack. Finding calls in an answer lives in `tags`.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_DEPTH = 64  # real arguments nest below 10; pydantic and jsonschema recurse and give up near 250
_BLANK = re.compile(r"(?:\s|\\[nrt])*+")  # Hermes extraction rows hold a literal backslash and n around the JSON
MAX_TOKENS = 200_000  # about 0.2 s of tolerant reading; a 1,524-character answer holds some 500


class Literal(NamedTuple):
    """A value that was read, the offset just after it, and what had to be tolerated."""

    value: Any
    end: int
    repairs: tuple[str, ...] = ()


class LiteralError(ValueError):
    """No value can be read here; `offset` says where the reading stopped."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def read_strict(text: str, start: int = 0) -> Literal:
    """Read the RFC 8259 value at `start`; a LiteralError where there is none, or it repeats a key or nests too deep."""
    try:
        value, end = _STRICT.raw_decode(text, start)
    except RecursionError:
        raise LiteralError(f"nested deeper than {MAX_DEPTH} levels", start) from None
    except ValueError as error:
        raise LiteralError(str(error), start) from None
    if text.count("{", start, end) + text.count("[", start, end) > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise LiteralError(f"nested deeper than {MAX_DEPTH} levels", start)
    return Literal(without_lone_surrogates(value) if text.find("\\u", start, end) >= 0 else value, end)


def read_whole(text: str) -> Any:
    """Return the RFC 8259 value that a text is, with nothing around it; else a LiteralError, as in `read_strict`."""
    value, end, _ = read_strict(text)
    if end != len(text):
        raise LiteralError("text after a value", end)
    return value


def read_tolerant(text: str, start: int = 0) -> Literal:
    """Read the value at `start` or after blanks, tolerantly; a LiteralError where none begins or it was cut inside."""
    start = skip_blank(text, start)
    try:
        return read_strict(text, start)
    except LiteralError:
        return _Reader(text, start).read()


def readable(text: str, start: int = 0) -> Literal | None:
    """Return what `read_tolerant` reads, None where it cannot."""
    try:
        return read_tolerant(text, start)
    except LiteralError:
        return None


def skip_blank(text: str, start: int, blank: re.Pattern[str] = _BLANK) -> int:
    """Return where what `blank` matches at `start` ends; unless told otherwise, blanks and escaped line breaks."""
    match = blank.match(text, start)
    return match.end() if match else start


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is written twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique_pairs, parse_constant=_no_constant)
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|\'[^\'\\]*+(?:\\.[^\'\\]*+)*+\'', re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?")
_WORD = re.compile(r"[-+]?[A-Za-z_$][\w$]*+")
_BARE_KEY = re.compile(r"[A-Za-z_$][\w$-]*+(?=\s*:)")
_CLOSING_MARK = re.compile(r"</|```|\Z")
CLOSERS_MISSING = "closing brackets missing"
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_SURROGATES = re.compile("[\ud800-\udfff]+")
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\n": ""}
_WORDS: dict[str, Any] = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None,
    "NaN": float("nan"), "nan": float("nan"), "Infinity": float("inf"), "inf": float("inf"),
    "-Infinity": float("-inf"), "-inf": float("-inf"),
}  # fmt: skip
_CLOSERS = {"{": "}", "[": "]", "(": ")"}


@dataclass(slots=True)
class _Frame:
    """One open container; `key` is the pending key of an object."""

    value: dict[str, Any] | list[Any]
    closer: str
    key: str = ""


class _Reader:
    """The tolerant reader: one pass, its own stack, a bounded number of tokens."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.at = start
        self.stack: list[_Frame] = []
        self.repairs: dict[str, None] = {}

    def read(self) -> Literal:
        """Read one value and everything inside it."""
        for _ in range(MAX_TOKENS):
            self.at = skip_blank(self.text, self.at)
            done, value = self._open_or_scalar()
            while done and self.stack:
                done, value = self._after_value(value)
            if done:
                return Literal(without_lone_surrogates(value), self.at, tuple(self.repairs))
        raise LiteralError(f"more than {MAX_TOKENS} tokens", self.at)

    def _open_or_scalar(self) -> tuple[bool, Any]:
        """Begin the next value: (True, value) where it is complete, (False, None) where a container was opened."""
        char = self.text[self.at : self.at + 1]
        if self.stack and char == self.stack[-1].closer:  # an empty container, or one that ends in a comma
            frame = self.stack.pop()
            self.repairs |= {"trailing comma": None} if frame.value else {}
            self.at += 1
            return True, frame.value
        if self.stack and isinstance(self.stack[-1].value, dict):
            self._key(self.stack[-1])
            char = self.text[self.at : self.at + 1]
        if char in ("{", "[", "("):
            if len(self.stack) >= MAX_DEPTH:
                raise LiteralError(f"nested deeper than {MAX_DEPTH} levels", self.at)
            if char == "(":
                self.repairs["python literal"] = None
            self.stack.append(_Frame({} if char == "{" else [], _CLOSERS[char]))
            self.at += 1
            return False, None
        return True, self._scalar(char)

    def _key(self, frame: _Frame) -> None:
        quoted = _STRING.match(self.text, self.at)
        match = quoted or _BARE_KEY.match(self.text, self.at)
        if not match:
            raise LiteralError("expected a key", self.at)
        if not quoted:
            self.repairs["bare key"] = None
        frame.key = self._string(match.group()) if quoted else match.group()
        self.at = skip_blank(self.text, match.end())
        if self.text[self.at : self.at + 1] != ":":
            raise LiteralError("expected ':' after a key", self.at)
        self.at = skip_blank(self.text, self.at + 1)

    def _scalar(self, char: str) -> Any:
        if char in ('"', "'"):
            match = _STRING.match(self.text, self.at)
            if not match:
                raise LiteralError("cut in the middle of a string", self.at)
            self.at = match.end()
            return self._string(match.group())
        match = _NUMBER.match(self.text, self.at)
        if match and (char.isdigit() or match.group()[-1] not in "+-"):
            return self._number(match)
        match = _WORD.match(self.text, self.at)
        if not match or match.group() not in _WORDS:
            raise LiteralError("expected a value", self.at)
        self.at = match.end()
        if match.group() not in ("true", "false", "null"):
            self.repairs["python literal"] = None
        return _WORDS[match.group()]

    def _number(self, match: re.Match[str]) -> int | float:
        if match.end() == len(self.text) and self.stack:
            raise LiteralError("cut in the middle of a number", self.at)
        self.at = match.end()
        written, digits = match.group(), match.group().lstrip("+-")
        if not digits.isdigit():
            return float(written)
        if digits.startswith("0") and digits != "0":
            raise LiteralError("a number begins with 0", match.start())
        if len(written) > 4_000:  # Python refuses to read integers of more than 4,300 digits
            raise LiteralError("an integer of more than 4,000 digits", match.start())
        return int(written)

    def _string(self, quoted: str) -> str:
        if quoted[0] == "'":
            self.repairs["python literal"] = None
        return _ESCAPE.sub(_unescape, quoted[1:-1])

    def _after_value(self, value: Any) -> tuple[bool, Any]:
        """Put a value into its container and read what follows it there: (True, container) where that closes it."""
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
        else:
            self.repairs |= {"a key is written twice": None} if frame.key in frame.value else {}
            frame.value[frame.key] = value
        self.at = skip_blank(self.text, self.at)
        char = self.text[self.at : self.at + 1]
        if char == ",":
            self.at += 1
            return False, None
        if char == frame.closer:
            self.at += 1
        elif _CLOSING_MARK.match(self.text, self.at):
            self.repairs[CLOSERS_MISSING] = None
        else:
            raise LiteralError("expected ',' or a closing bracket", self.at)
        self.stack.pop()
        return True, frame.value


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1)
    if len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else "�"
    return _SIMPLE_ESCAPES.get(code, code)


def deeper_than(value: Any, limit: int) -> bool:
    """Whether more than `limit` lists and objects stand inside each other; found without recursion."""
    level = [value]
    for _ in range(limit + 1):
        level = [inner for inner in level if isinstance(inner, dict | list | tuple)]
        if not level:
            return False
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    return True


def without_lone_surrogates(value: Any) -> Any:
    """Join surrogate pairs and replace lone halves by U+FFFD: a lone half cannot be written to any file."""
    if isinstance(value, str):
        return _SURROGATES.sub(
            lambda run: run.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), value
        )
    if isinstance(value, list):
        return [without_lone_surrogates(inner) for inner in value]
    if isinstance(value, dict):
        return {without_lone_surrogates(key): without_lone_surrogates(inner) for key, inner in value.items()}
    return value
