"""Whether an answer says something in words, as is right where no call is; what the words mean is not judged.

Comparing calls lives in `fields`, why an answer is wrong in `failures`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from swap_assets.domain.formats.literals import readable

_READ = 2_000  # characters of a text that are looked at
# Marks that are never said: special tokens with the role behind them, tags, code fences.
_MARKS = re.compile(
    r"<[|｜][^<>]*[|｜]>(?:(?:system|user|assistant|tool|model)\b)?|</?\w[^<>]*>|```\w*|\[/?(?:INST|PAD|UNK|EOS|BOS)\]"
)
# What only calls have: their tags, a ReAct action's input, arguments by name in an object.
_CALL = re.compile(
    r"[<\[][|｜/]?(?:tool|function)_?calls?\b|<[|｜/]?(?:function\b|invoke\b|tool_use\b|python_tag\b)"
    r"|^\s*Action Input:|\{[^{}]*[\"'](?:arguments|parameters|tool_name|function_name)[\"']\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_OPEN = r"\(\s*(?:[)\"'\[{\d-]|\w+\s*=[^=])"  # how the arguments of a call begin; "search(es)" has none
_ALONE = re.compile(rf"\W*(?:\w+:\s*|await\s+)?\W*(?:[\w.]+{_OPEN}|\w*[_.]\w+\().*\)\W*", re.DOTALL)
_LABEL = re.compile(r"\w+\s*:\s*")
_NOTHING = frozenset(("null", "nil", "undefined", "nan", "system", "user", "assistant", "tool", "model"))
_AGAIN = re.compile(r"(.+?)\1{3,}")


def in_words(text: str, tools: Iterable[str] = (), gold: str = "") -> bool:
    """Whether an answer in which no call could be read says something, in whatever language.

    Without special tokens, tags, fences and what came before `</think>`:
    - it attempts no call: no tag of one, no tool's name before arguments, in quotes within an object, or alone;
    - it is no JSON or Python value alone (null, [], 1234567) and no role's name; but what gold names, as "4", is said;
    - it is not one phrase four times or more, nor mostly the same few words;
    - half of its pieces between blanks or more are words: letters alone or digits alone (accents and vowel signs are
      letters) once punctuation at their ends is gone, with at most one other sign inside for every four characters:
      "don't", "1,234.50", "好的，您想去哪个城市". So "?!", "{}" and "x8$kQ@4" say nothing.
    """
    answer = text.rpartition("</think>")[2].partition("<think>")[0][:_READ]
    said = _MARKS.sub(" ", answer).strip()
    pieces = _pieces(said)
    if attempts_a_call(answer, tools) or not pieces or _repeats(pieces):
        return False
    bare = said[label.end() :] if (label := _LABEL.match(said)) else said
    if _is_value(bare):
        return bool(named := _pieces(bare)) and set(named) <= set(_pieces(gold))
    return 2 * sum(map(_is_word, pieces)) >= len(pieces)


def same_words(text: str, gold: str) -> bool:
    """Whether a text says what gold says, but for marks, blanks and the punctuation around words."""
    if len(text) > len(gold) + _READ:
        return False  # a megabyte takes a second to look at
    mine, its = (_pieces(_MARKS.sub(" ", each)) or [each.strip()] for each in (text, gold))
    return mine == its != [""]


def attempts_a_call(text: str, tools: Iterable[str] = ()) -> bool:
    """Whether a text looks like a call, in whatever syntax, be it whole or broken."""
    names = "|".join(re.escape(name) for name in tools if name and name in text)
    begun = rf"(?<![\w.])(?:{names})(?:{_OPEN}|\s*\{{)|\{{[^{{}}]*[\"'](?:{names})[\"']"
    named = rf"{begun}|\A\W*(?:\w+:\s*)?(?:{names})(?:\W*\Z|:[^.\n]*\Z|\s+\w+=)"
    return bool(_CALL.search(text) or _ALONE.fullmatch(_MARKS.sub(" ", text)) or (names and re.search(named, text)))


def _pieces(text: str) -> list[str]:
    return [piece for piece in map(_bare, text.split()) if piece]


def _bare(piece: str) -> str:
    """Return a piece without the punctuation and symbols at its ends."""
    said = [unicodedata.category(sign)[0] in "LMN" for sign in piece]
    return piece[said.index(True) : len(said) - said[::-1].index(True)] if any(said) else ""


def _is_word(piece: str) -> bool:
    kinds = Counter("L" if (kind := unicodedata.category(sign)[0]) == "M" else kind for sign in piece)
    others = len(piece) - kinds["L"] - kinds["N"]
    return not (kinds["L"] and kinds["N"]) and (others < 2 or 4 * others <= len(piece))


def _repeats(pieces: list[str]) -> bool:
    words = [piece.casefold() for piece in pieces]
    return 4 * len(set(words)) <= len(words) or bool(_AGAIN.fullmatch("".join(words)))


def _is_value(said: str) -> bool:
    """Whether numbers, or one value that is no text, are all that is said."""
    value = readable(said)
    whole = value is not None and value.end == len(said) and not isinstance(value.value, str)
    pieces = _pieces(said)
    nothing = all(piece.casefold() in _NOTHING or not any(map(str.isalpha, piece)) for piece in pieces)
    return whole or (bool(pieces) and nothing)
