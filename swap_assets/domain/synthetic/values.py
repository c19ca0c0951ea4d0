"""The values in generated rows: names and words from Faker's lists, each reserved for training or for test rows.

An entry of a list belongs to the test pool when its hash says so (one in four), so the pools never share a name, a
place or a word. Numbers, dates, times, references and whatever else is drawn from an open vocabulary is drawn again
until its own hash says the same. What both pools share is what a tool's schema lists: options, and yes or no.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple

from swap_assets.domain.synthetic.tools import Pool, Slot

_SUFFIXES = ("ville", "ton", "burg", "field", "ford", "port")
_EXTENSIONS = ("pdf", "txt", "csv", "docx", "png")
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_FIRST_DAY = date(2024, 1, 1)
_DAYS = 3650
_TEST_SHARE = 4  # one entry in four is reserved for test rows
_LOCALES = ("de_DE", "fr_FR", "es_ES", "cs_CZ", "tr_TR")


class Value(NamedTuple):
    """A value as the call has it and as the request says it."""

    json: Any
    text: str


class Vocabulary(NamedTuple):
    """The lists of one pool."""

    first_names: list[str]
    last_names: list[str]
    words: list[str]
    foreign_names: list[str]


def entity_pool(entry: str) -> Pool:
    """Return the pool that an entry of a word list is reserved for."""
    return "test" if sha256(entry.casefold().encode()).digest()[0] % _TEST_SHARE == 0 else "train"


@cache
def vocabulary(pool: Pool) -> Vocabulary:
    """Return the lists of a pool; Faker is read once."""
    from importlib import import_module

    def provider(kind: str, locale: str = "en_US") -> Any:
        return import_module(f"faker.providers.{kind}.{locale}").Provider

    def reserved(entries: Iterable[str]) -> list[str]:
        return sorted({entry for entry in entries if entity_pool(entry) == pool})

    def plain(entries: Iterable[str]) -> list[str]:
        return reserved(entry for entry in entries if entry.isalpha() and entry.isascii())

    person, foreign = provider("person"), [name for each in _LOCALES for name in provider("person", each).last_names]
    return Vocabulary(
        first_names=plain(person.first_names), last_names=plain(person.last_names),
        words=plain(word for word in provider("lorem").word_list if len(word) > 2),
        foreign_names=reserved(name for name in foreign if not name.isascii()),
    )  # fmt: skip


@dataclass(frozen=True)
class Values:
    """Draws values from one pool's lists; `verbatim`: each stands in the request exactly as in the call."""

    pool: Pool
    random: Random
    verbatim: bool

    def draw(self, slot: Slot) -> Value:
        """Draw a value that is valid against the slot's schema."""
        match slot.kind:
            case "int":
                low, high = int(slot.options[0]), int(slot.options[1])
                made = self._reserved(lambda: self.random.randint(low, high))
            case "number":
                low, high = int(slot.options[0]) * 10, int(slot.options[1]) * 10
                made = self._reserved(lambda: self.random.randint(low, high - 1) / 10)
            case "enum":
                made = self.random.choice(slot.options)
            case "bool":
                made = Value(True, slot.label)
            case _:
                made = self._of_kind(slot.kind)
        if isinstance(made, list):
            return Value(made, made[0] if len(made) == 1 else f"{', '.join(made[:-1])} and {made[-1]}")
        return made if isinstance(made, Value) else Value(made, str(made))

    def _reserved(self, make: Callable[[], Any]) -> Any:
        """Draw until the value is one of this pool's."""
        value = make()
        while entity_pool(str(value)) != self.pool:
            value = make()
        return value

    def _of_kind(self, kind: str) -> Any:
        pick, number, lists = self.random.choice, self.random.randint, vocabulary(self.pool)
        makers: dict[str, Callable[[], Any]] = {
            "word": lambda: pick(lists.words), "words": lambda: self.random.sample(lists.words, number(2, 3)),
            "phrase": lambda: " ".join(self._of_kind("words")), "person": self._person,
            "people": lambda: [self._person() for _ in range(number(2, 3))],
            "email": lambda: f"{pick(lists.first_names)}.{pick(lists.last_names)}@{pick(lists.words)}.com".lower(),
            "emails": lambda: [self._of_kind("email") for _ in range(number(1, 2))],
            "place": lambda: pick(lists.last_names) + pick(_SUFFIXES),
            "handle": lambda: f"{pick(lists.first_names).lower()}{number(10, 9999)}",
            "file": lambda: f"{pick(lists.words)}-{number(1, 999)}.{pick(_EXTENSIONS)}",
            "code": lambda: self._reserved(lambda: f"{self._letters(2)}-{number(1000, 9999)}"),
            "ticker": lambda: self._reserved(lambda: self._letters(4)), "date": self._date, "time": self._time,
            "address": self._address,
        }  # fmt: skip
        return makers[kind]()

    def _letters(self, count: int) -> str:
        return "".join(self.random.choices(_LETTERS, k=count))

    def _person(self) -> str:
        foreign = not self.verbatim and self.random.random() < 0.2
        lists = vocabulary(self.pool)
        last_names = lists.foreign_names if foreign else lists.last_names
        return f"{self.random.choice(lists.first_names)} {self.random.choice(last_names)}"

    def _date(self) -> Value:
        day = self._reserved(lambda: _FIRST_DAY + timedelta(days=self.random.randrange(_DAYS)))
        forms = [day.isoformat(), f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day.year}"]
        return Value(day.isoformat(), forms[0] if self.verbatim else self.random.choice(forms))

    def _time(self) -> Value:
        clock = self._reserved(lambda: f"{self.random.randrange(24):02d}:{self.random.randrange(0, 60, 5):02d}")
        hour, minute = int(clock[:2]), int(clock[3:])
        half = f"{(hour - 1) % 12 + 1}:{minute:02d} {'am' if hour < 12 else 'pm'}"
        return Value(clock, clock if self.verbatim else self.random.choice([clock, half]))

    def _address(self) -> Value:
        street = f"{self.random.randint(1, 250)} {self.random.choice(vocabulary(self.pool).last_names)} Street"
        postcode = self._reserved(lambda: f"{self.random.randint(0, 99999):05d}")
        parts = {"street": street, "city": self._of_kind("place"), "postcode": postcode}
        return Value(parts, f"{parts['street']}, {parts['postcode']} {parts['city']}")
