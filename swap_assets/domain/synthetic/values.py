"""The values in generated rows: names and words from Faker's lists, each reserved for training or for test rows.

An entry of a list belongs to the test pool when its hash says so (one in four), so the pools never share a name, a
place or a word. Numbers, dates, times, references and whatever else is drawn from an open vocabulary is drawn again
until its own hash says the same. What both pools share is what a tool's schema lists: options, and yes or no.
"""

import random
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from swap_assets.domain.synthetic.grammar import Pool, Slot

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

    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    words: tuple[str, ...]
    foreign_names: tuple[str, ...]


def entity_pool(entry: str) -> Pool:
    """Return the pool that an entry of a word list is reserved for."""
    return "test" if sha256(entry.casefold().encode()).digest()[0] % _TEST_SHARE == 0 else "train"


@cache
def vocabulary(pool: Pool) -> Vocabulary:
    """Return the lists of a pool; Faker is read once."""
    from importlib import import_module

    person = import_module("faker.providers.person.en_US").Provider
    lorem = import_module("faker.providers.lorem.en_US").Provider
    foreign = [
        name
        for locale in _LOCALES
        for name in import_module(f"faker.providers.person.{locale}").Provider.last_names
        if not name.isascii()
    ]

    def reserved(entries: Any, *, ascii_only: bool = True) -> tuple[str, ...]:
        return tuple(
            sorted(
                {
                    entry
                    for entry in entries
                    if entity_pool(entry) == pool and ((entry.isalpha() and entry.isascii()) or not ascii_only)
                }
            )
        )

    words = [word for word in lorem.word_list if len(word) > 2]
    return Vocabulary(
        first_names=reserved(person.first_names),
        last_names=reserved(person.last_names),
        words=reserved(words),
        foreign_names=reserved(foreign, ascii_only=False),
    )


class Values:
    """Draws values for slots from one pool.

    Args:
        pool: which reserved lists to draw from.
        random_: the row's own source of randomness.
        verbatim: every value stands in the request exactly as in the call.
    """

    def __init__(self, pool: Pool, random_: random.Random, *, verbatim: bool) -> None:
        self._name_of_pool: Pool = pool
        self._pool = vocabulary(pool)
        self._random = random_
        self.verbatim = verbatim

    def draw(self, slot: Slot) -> Value:
        """Draw a value that is valid against the slot's schema."""
        made = getattr(self, f"_{slot.kind}")(slot)
        if isinstance(made, list):
            return Value(made, made[0] if len(made) == 1 else f"{', '.join(made[:-1])} and {made[-1]}")
        return made if isinstance(made, Value) else Value(made, str(made))

    def _reserved(self, make: Callable[[], Any]) -> Any:
        """Draw until the value is one of this pool's."""
        value = make()
        while entity_pool(str(value)) != self._name_of_pool:
            value = make()
        return value

    def _word(self, _: Slot) -> str:
        return self._random.choice(self._pool.words)

    def _words(self, _: Slot) -> list[str]:
        return self._random.sample(self._pool.words, self._random.randint(2, 3))

    def _phrase(self, slot: Slot) -> str:
        return " ".join(self._words(slot))

    def _person(self, _: Slot) -> str:
        last = self._pool.last_names
        if not self.verbatim and self._pool.foreign_names and self._random.random() < 0.2:
            last = self._pool.foreign_names
        return f"{self._random.choice(self._pool.first_names)} {self._random.choice(last)}"

    def _people(self, slot: Slot) -> list[str]:
        return [self._person(slot) for _ in range(self._random.randint(2, 3))]

    def _email(self, slot: Slot) -> str:
        first, last = self._random.choice(self._pool.first_names), self._random.choice(self._pool.last_names)
        return f"{first}.{last}@{self._word(slot)}.com".lower()

    def _emails(self, slot: Slot) -> list[str]:
        return [self._email(slot) for _ in range(self._random.randint(1, 2))]

    def _place(self, _: Slot) -> str:
        return self._random.choice(self._pool.last_names) + self._random.choice(_SUFFIXES)

    def _handle(self, _: Slot) -> str:
        return f"{self._random.choice(self._pool.first_names).lower()}{self._random.randint(10, 9999)}"

    def _file(self, slot: Slot) -> str:
        return f"{self._word(slot)}-{self._random.randint(1, 999)}.{self._random.choice(_EXTENSIONS)}"

    def _code(self, _: Slot) -> str:
        draw, number = self._random.choices, self._random.randint
        return self._reserved(lambda: f"{''.join(draw(_LETTERS, k=2))}-{number(1000, 9999)}")

    def _ticker(self, _: Slot) -> str:
        return self._reserved(lambda: "".join(self._random.choices(_LETTERS, k=4)))

    def _int(self, slot: Slot) -> int:
        low, high = int(slot.options[0]), int(slot.options[1])
        return self._reserved(lambda: self._random.randint(low, high))

    def _number(self, slot: Slot) -> float:
        low, high = int(slot.options[0]), int(slot.options[1])
        return self._reserved(lambda: self._random.randint(low * 10, high * 10 - 1) / 10)

    def _enum(self, slot: Slot) -> str:
        return self._random.choice(slot.options)

    def _bool(self, slot: Slot) -> Value:
        return Value(True, slot.label)

    def _date(self, _: Slot) -> Value:
        day = self._reserved(lambda: _FIRST_DAY + timedelta(days=self._random.randrange(_DAYS)))
        forms = [day.isoformat(), f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day.year}"]
        return Value(day.isoformat(), forms[0] if self.verbatim else self._random.choice(forms))

    def _time(self, _: Slot) -> Value:
        clock = self._reserved(lambda: f"{self._random.randrange(24):02d}:{self._random.randrange(0, 60, 5):02d}")
        hour, minute = int(clock[:2]), int(clock[3:])
        half = f"{(hour - 1) % 12 + 1}:{minute:02d} {'am' if hour < 12 else 'pm'}"
        return Value(clock, clock if self.verbatim else self._random.choice([clock, half]))

    def _address(self, slot: Slot) -> Value:
        street = f"{self._random.randint(1, 250)} {self._random.choice(self._pool.last_names)} Street"
        postcode = self._reserved(lambda: f"{self._random.randint(0, 99999):05d}")
        parts = {"street": street, "city": self._place(slot), "postcode": postcode}
        return Value(parts, f"{parts['street']}, {parts['postcode']} {parts['city']}")
