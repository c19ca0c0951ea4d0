"""Copy drills: the bare skill of writing down what stands in the request, without tools around it.

user       Repeat: kavo 2931 tr.bresk@olmay.net        assistant  kavo 2931 tr.bresk@olmay.net
user       owner=Drusa; tally=4 as json                assistant  {"owner": "Drusa", "tally": 4}
"""

import json
import re
from random import Random
from typing import Any

from tools.miniatures.values import Vocabulary

_KINDS = (
    "word",
    "word",
    "person",
    "place",
    "whole",
    "decimal",
    "day",
    "mail",
    "code",
    "code",
    "file",
    "noise",
    "words",
)
_DIGITS_AS_TEXT = re.compile(r'"\d+"')


def drill(random: Random, vocabulary: Vocabulary, *, typed: bool = False) -> tuple[dict[str, str], ...]:
    """Return a request and its answer; with `typed`, what is all digits is a number, so that its JSON can be told."""
    make = random.choice((_repeat, _repeat, _pick, _as_json, _as_json, _list_as_json, _follow))
    request, answer = make(random, vocabulary)
    while typed and _DIGITS_AS_TEXT.search(answer):
        request, answer = make(random, vocabulary)
    return {"role": "user", "content": request}, {"role": "assistant", "content": answer}


def _draw(random: Random, vocabulary: Vocabulary) -> Any:
    return getattr(vocabulary, random.choice(_KINDS))()


def _repeat(random: Random, vocabulary: Vocabulary) -> tuple[str, str]:
    texts = [str(_draw(random, vocabulary)) for _ in range(random.randrange(2, 8))]
    text = random.choice((" ", " ", ", ", "\n")).join(texts)
    return random.choice(("Repeat: {}", "Say {}", "Copy\n{}")).format(text), text


def _fields(random: Random, vocabulary: Vocabulary) -> dict[str, Any]:
    return {vocabulary.word(): _draw(random, vocabulary) for _ in range(random.randrange(2, 6))}


def _pick(random: Random, vocabulary: Vocabulary) -> tuple[str, str]:
    """Ask for one field of several: the answer stands after its key."""
    fields = _fields(random, vocabulary)
    key = random.choice(list(fields))
    lines = random.choice((": ", "=", " ", " is ")).join(("{}", "{}"))
    listed = random.choice(("\n", ", ", "; ")).join(lines.format(name, value) for name, value in fields.items())
    return f"{listed}\n{random.choice(('Which', 'Give', 'Only'))} {key}", str(fields[key])


def _as_json(random: Random, vocabulary: Vocabulary) -> tuple[str, str]:
    fields = _fields(random, vocabulary)
    pair = random.choice(("{}={}", "{}: {}", "{} {}"))
    listed = random.choice(("; ", ", ", "\n")).join(pair.format(name, value) for name, value in fields.items())
    return f"{listed}\nas json", json.dumps(fields, ensure_ascii=False)


def _list_as_json(random: Random, vocabulary: Vocabulary) -> tuple[str, str]:
    values = [_draw(random, vocabulary) for _ in range(random.randrange(2, 6))]
    return f"{', '.join(str(value) for value in values)}\nas array", json.dumps(values, ensure_ascii=False)


def _follow(random: Random, vocabulary: Vocabulary) -> tuple[str, str]:
    """Show lines twice, then the start of one: the answer is what followed it before, the form of an induction head."""
    lines = [f"{vocabulary.word()} {_draw(random, vocabulary)}" for _ in range(random.randrange(2, 6))]
    again = random.sample(lines, len(lines))
    head, tail = again[-1].split(" ", 1)
    return "\n".join([*lines, *again[:-1], head]), tail
