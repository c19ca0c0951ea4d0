"""How the values of calls are written: spellings that mean one value have one name, kept as hashes.

"USD" and "dollars", "9 am" and "09:00", "21" and 21.0, "May 3" and "2024-05-03" have the same name by rule and by short
tables. "NYC" stands for "New York" and "EUR" for "Euro" as initials and as beginnings. Values that say different things
("Paris", "London") are different, however alike the requests are.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from swap_assets.domain.model import ToolCall

# A line each, parted by commas: ISO 4217 and ISO 639 codes, units, and other words for them.
_TABLE = """usd, dollar, dollars, $, usdollar, usdollars; eur, euro, euros, €; gbp, pound, pounds, £, poundsterling
jpy, yen, ¥, japaneseyen; chf, franc, francs, swissfranc, swissfrancs; cny, yuan, rmb, renminbi; inr, rupee, rupees, ₹
krw, won; rub, ruble, rubles; cad, canadiandollar, canadiandollars; aud, australiandollar, australiandollars
en, english; de, german, deutsch; fr, french; es, spanish; it, italian; pt, portuguese; ru, russian
ja, japanese; ko, korean; ar, arabic; hi, hindi; nl, dutch; tr, turkish; pl, polish; sv, swedish; el, greek
zh, chinese, mandarin; uk, ukrainian; da, danish; no, norwegian; fi, finnish; cs, czech; vi, vietnamese; th, thai
btc, bitcoin; eth, ethereum; usa, us, unitedstates, unitedstatesofamerica; gray, grey
c, celsius, centigrade, °c; f, fahrenheit, °f; km, kilometer, kilometers, kilometre, kilometres; mi, mile, miles
m, meter, meters, metre, metres; cm, centimeter, centimeters; kg, kilogram, kilograms, kilo, kilos; g, gram, grams
lb, lbs; l, liter, liters, litre, litres; h, hour, hours, hr, hrs; min, minute, minutes, mins; s, second, seconds, sec
d, day, days; w, week, weeks; %, percent; true, yes, on; false, no, off; noon, midday
0, zero; 1, one; 2, two; 3, three; 4, four; 5, five; 6, six; 7, seven; 8, eight; 9, nine; 10, ten
11, eleven; 12, twelve
15, fifteen; 20, twenty; 30, thirty; 40, forty; 50, fifty; 60, sixty; 90, ninety; 100, hundred"""
_NAMES = {each.strip(): line.split(",")[0].strip() for line in re.split(r"[;\n]", _TABLE) for each in line.split(",")}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(rf"({'|'.join(_MONTHS)})(uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?")
_TIME = re.compile(r"(\d{1,2})(?:[:.](\d\d))?(?::00)?\s*([ap])\.?m\.?|(\d{1,2}):(\d\d)(?::00)?")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
# A sign that makes another value (5 + 3, 5 * 3; C, C++, C#; > 100, < 100) is a token; that of a phone number is none.
_SIGN = r"(?<=\w)[+#]+|\+(?=\s)|[*^<>]+"
_TOKEN = re.compile(rf"(?:(?<!\w)-)?\d+(?:[.,]\d+)*|[^\W\d_]+|[%$€£¥₹°]|{_SIGN}")
_THOUSANDS, _NUMBER = re.compile(r",(?=\d{3})"), re.compile(r"-?\d{1,15}(\.\d+)?")
_ORDINAL = re.compile(r"(?<=\d)(st|nd|rd|th)\b")
_FREE_WORDS = 3  # from here on a text value is words that may be put otherwise
_LONG_VALUE = 200  # characters from which a value is compared as it stands
_INITIALS = range(2, 6)  # words


class Spelling(NamedTuple):
    """Hashes of a value's name, of short forms of it, and of the numbers in it where it is free words, else ""."""

    name: str
    short: tuple[str, ...] = ()
    free: str = ""


class Called(NamedTuple):
    """A call without its text: a hash of the function and the arguments that it names, and their values in order."""

    head: str
    values: tuple[Spelling, ...]


def called(calls: Iterable[ToolCall]) -> tuple[Called, ...]:
    """Return calls as they are compared, in an order that does not depend on theirs; None is no argument."""
    found = []
    for call in calls:
        leaves = sorted(_leaves("", call.arguments))
        head = short_hash(call.name.casefold(), *(place for place, _ in leaves))
        found.append(Called(head, tuple(spelled(value) for _, value in leaves)))
    return tuple(sorted(found))


def spellings_differ(ours: tuple[Called, ...], theirs: tuple[Called, ...]) -> int | None:
    """Return in how many free texts calls differ whose other values are the same in another spelling.

    None: they differ in a value, or there are no calls.
    """
    if not ours or [call.head for call in ours] != [call.head for call in theirs]:
        return None
    free, values = 0, [[value for call in calls for value in call.values] for calls in (ours, theirs)]
    for one, other in zip(*values, strict=True):
        if one.name == other.name or one.name in other.short or other.name in one.short:
            continue
        if not one.free or one.free != other.free:
            return None
        free += 1
    return free


@lru_cache(maxsize=100_000)
def spelled(value: str) -> Spelling:
    """Return the spelling of a value that was made text."""
    if len(value) > _LONG_VALUE:
        return Spelling(short_hash(" ".join(value.casefold().split())), (), short_hash(*re.findall(r"\d+", value)))
    text = "".join(sign for sign in unicodedata.normalize("NFKD", value.casefold()) if not unicodedata.combining(sign))
    if time := _TIME.fullmatch(text.strip()):
        return Spelling(short_hash(_time(*time.groups())))
    text = _DATE.sub(lambda date: f"{date[3]} {_MONTHS[(int(date[2]) - 1) % 12]} {date[1]}", text)
    tokens = _TOKEN.findall(_ORDINAL.sub("", text))
    names = [_name(token) for token in tokens]
    if any(name in _MONTHS for name in names):
        names.sort()
    numbers = [name for name in names if name[-1].isdecimal()]
    name = (" " if numbers else "").join(names)
    signs = [token for token in tokens if re.fullmatch(r"[+#*^<>]+", token)]
    is_free = len(names) >= _FREE_WORDS and " " in text.strip() and {*names} - {*numbers, *signs}
    free = short_hash(*numbers, *signs) if is_free else ""
    return Spelling(short_hash(_NAMES.get("".join(tokens), name or text)), tuple(map(short_hash, _short(tokens))), free)


def _leaves(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{place}.{key.casefold()}", inner)
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from _leaves(f"{place}[{at}]", inner)
    elif value is not None:
        yield place, str(value)


def _name(token: str) -> str:
    if token[-1].isdecimal():
        digits = _THOUSANDS.sub("", token)
        return f"{float(digits):.15g}" if _NUMBER.fullmatch(digits) else token
    return token[:3] if _MONTH.fullmatch(token) else _NAMES.get(token, token)


def _time(hour: str, minute: str, half: str, hour_of_24: str, minute_of_24: str) -> str:
    if hour_of_24:
        return f"{int(hour_of_24)}:{minute_of_24}"
    return f"{int(hour) % 12 + 12 * (half == 'p')}:{minute or '00'}"


def _short(tokens: list[str]) -> list[str]:
    """Return the initials of some words (also those of a city: NYC), the first three and four letters of one."""
    if len(tokens) in _INITIALS and all(token.isalpha() for token in tokens):
        initials = "".join(token[0] for token in tokens)
        return [initials, f"{initials}c"]
    return [tokens[0][:3], tokens[0][:4]] if len(tokens) == 1 and tokens[0].isalpha() and len(tokens[0]) > 4 else []


def short_hash(*parts: str) -> str:
    """Return 12 hex digits for some texts."""
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
