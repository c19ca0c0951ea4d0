"""How figures, candidates, and what others wrote are written for people, once for every form of the report.

A figure that is not there is `not measured`, never 0. Text that others wrote (requests, answers, tool names) is cut to
a length, and nothing in it hides: a control character, a bidirectional override or a zero-width space becomes visible
as `⟨U+202E⟩`, so that a line cannot end, turn round or disappear in front of a reader. Each form of the report escapes
its own markup on top.
"""

import unicodedata
from functools import cache
from typing import Any

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.criteria_table import CriterionResult
from swap_assets.domain.judging.decisions import Contrast
from swap_assets.domain.keys import Candidate, Form

IN_PERCENT = "In percent, with 95 % intervals."
ABSENT = "not measured"
TRACK_TITLES = {Track.TOOLCALL: "Tool calls", Track.STRUCTURED: "Structured answers"}
_FORMS = {Form.HOSTED: "hosted LLM", Form.BASE: "untouched"}
EXCERPT = 700  # characters of a request or an answer that are shown
# Cf also holds the joiners of Arabic, Indic and emoji text; without them real text falls apart.
_HARMLESS = frozenset("\u200c\u200d")


@cache
def display_name(candidate_id: str) -> str:
    """Return a candidate as it is told apart within one scale: `teacher (hosted LLM)`, `student (paper adapter)`."""
    candidate = Candidate.from_id(candidate_id)
    form = _FORMS.get(candidate.form, candidate.form.value)
    words = [word for word in (candidate.approach, form) if word != "none"]
    decoding = "" if candidate.decoding == "greedy" else f", {candidate.decoding} decoding"
    return f"{candidate.model} ({' '.join(words)}{decoding})"


def spaced(name: str) -> str:
    """Return a name of the code in words: `called_when_it_should_not` becomes `called when it should not`."""
    return name.replace("_", " ")


def percent(figure: Any) -> str:
    """Return the share `value` of a figure in percent with its 95 % interval `low` to `high`: `36.7 [25–47]`."""
    if figure is None or figure.value is None:
        return ABSENT
    if figure.low is None or figure.high is None:
        return f"{100 * figure.value:.1f}"
    return f"{100 * figure.value:.1f} [{100 * figure.low:.0f}–{100 * figure.high:.0f}]"


def points(contrast: Contrast | None) -> str:
    """Return LLM − SLM in points with its 95 % interval: `+22.0 [+10.8 to +32.8]`."""
    if contrast is None:
        return ABSENT
    return f"{contrast.delta_points:+.1f} [{contrast.low_points:+.1f} to {contrast.high_points:+.1f}]"


def criterion_value(result: CriterionResult) -> str:
    """Return what was measured against a criterion, in its unit, with its interval."""
    value, low, high = (None if one is None else in_unit(one, result.unit)
                        for one in (result.value, result.low, result.high))  # fmt: skip
    return ABSENT if value is None else value if low is None or high is None else f"{value} [{low} to {high}]"


def in_unit(value: float, unit: str) -> str:
    """Return a figure of a criterion: percent to a tenth, distances signed, scores to the third digit."""
    form = {"%": "{:.1f} %", "% of the LLM": "{:+.1f} %", "points": "{:+.1f}"}
    return form.get(unit, "{:.3f}").format(value)


def plain(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits after the point and thousands apart."""
    return ABSENT if value is None else f"{value:,.{digits}f}"


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number to so many significant digits without an exponent: 0.00123, 12.3, 12,345."""
    if not value:
        return ABSENT if value is None else "0"
    left, decimals = abs(value), digits
    decimals -= len(f"{left:.0f}") if left >= 1 else 0
    while left < 0.1 and decimals < digits + 12:
        left, decimals = left * 10, decimals + 1
    return f"{value:,.{max(0, decimals)}f}"


def share(value: float | None) -> str:
    """Return a share of 1 in percent."""
    return ABSENT if value is None else f"{100 * value:.1f} %"


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
