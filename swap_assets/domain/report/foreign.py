"""Text that others wrote (requests, answers, tool names): cut to a length, and with nothing in it that hides.

A control character, a bidirectional override or a zero-width space becomes visible as `⟨U+202E⟩`, so that a line
cannot end, turn round or disappear in front of a reader. Each form of the report escapes its own markup on top.
"""

import unicodedata

EXCERPT = 700  # characters of a request or an answer that are shown
# Cf also holds the joiners of Arabic, Indic and emoji text; without them real text falls apart.
_HARMLESS = frozenset("\u200c\u200d")


def excerpt(text: str, limit: int = EXCERPT) -> str:
    """Return at most `limit` characters, saying how many were left out; lone surrogates become visible."""
    # Every form is written as UTF-8, which has no lone surrogates.
    whole = "".join(_named(sign) if unicodedata.category(sign) == "Cs" else sign for sign in text[:limit])
    return whole if len(text) <= limit else f"{whole}… ({len(text) - limit:,} more characters)"


def visible(text: str, *, keep_lines: bool = True) -> str:
    """Return the text with every hiding character shown by its code point; line ends and tabs stay if asked."""
    kept = "\n\t" if keep_lines else ""
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if sign in kept else _shown(sign) for sign in text)


def _shown(sign: str) -> str:
    if sign in "\n\t":
        return " "
    hides = unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and sign not in _HARMLESS
    return _named(sign) if hides else sign


def _named(sign: str) -> str:
    return f"⟨U+{ord(sign):04X}⟩"
