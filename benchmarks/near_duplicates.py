"""Recall and precision of the near-duplicate measure on 500 labelled pairs: `python -m benchmarks.near_duplicates`.

Twenty-five requests were written by hand, each with two ways to say the same and with other values for what it asks.
A pair is labelled "same" where the second text asks for the same call (said otherwise, misspelt, made polite, with a
value written in another way), "other" where it asks for a call with another value, another tool, or one value more.
The peer is what the project used before: word triples with a Jaccard index of 0.8. A second set, by kind, has pairs
that differ in how one value is written, and pairs that differ in that value (`near_duplicate_spellings`).
"""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.near_duplicate_bases import BASES, Base
from benchmarks.near_duplicate_spellings import KINDS
from benchmarks.tables import head, line
from swap_assets.domain.model import Conversation, Provenance, ToolCall, ToolSpec, Turn
from swap_assets.domain.splits.leakage import candidate_pairs, minhashes
from swap_assets.domain.splits.similarity import NEAR_DUPLICATE, Request, alike, similarity

_SPELLED = {
    "Euros": "EUR",
    "Yen": "JPY yen",
    "7 pm": "7pm",
    "9 am": "9am",
    "four": "4",
    "3 May": "May 3",
    "1200": "1,200",
}


def labelled_pairs(*, seed: int = 1, count: int = 500) -> list[tuple[Conversation, Conversation, bool]]:
    """Return labelled pairs, half of them "same" (True), the bases in turn."""
    draw = random.Random(seed)
    makers = [(_same_pairs(base, draw), _other_pairs(base, draw)) for base in BASES]
    each = count // 2 // len(BASES)
    return [
        (*pair, same)
        for maker in makers
        for same, pairs in zip((True, False), maker, strict=True)
        for pair in itertools.islice(pairs, each)
    ]


def _same_pairs(base: Base, draw: random.Random) -> Iterator[tuple[Conversation, Conversation]]:
    values = {name: given[0] for name, given in base.values.items()}
    text = base.said[0].format(**values)
    first = asking(base.tool, text, values)
    spelled = {name: _SPELLED.get(value, value) for name, value in values.items()}
    for other in (
        text.lower().rstrip("?"), f"Please {text[:1].lower()}{text[1:]}", f"Hi, {text} Thanks!", _misspelt(text, draw),
        base.said[1].format(**values), base.said[2].format(**values), f"{text} now, if you can",
        _misspelt(base.said[1].format(**values), draw), f"{base.said[2].format(**values)} Thank you.",
    ):  # fmt: skip
        yield first, asking(base.tool, other, values)
    yield first, asking(base.tool, base.said[0].format(**spelled), spelled)


def _other_pairs(base: Base, draw: random.Random) -> Iterator[tuple[Conversation, Conversation]]:
    values = {name: given[0] for name, given in base.values.items()}
    first = asking(base.tool, base.said[0].format(**values), values)
    changed = [{**values, name: other} for name, given in base.values.items() for other in given[1:]]
    for at, other in enumerate(changed):
        yield first, asking(base.tool, base.said[0 if at % 2 else 1].format(**other), other)
    yield first, asking(f"cancel_{base.tool}", f"Do not {base.said[0].format(**values).lower()}", values)
    yield first, asking(base.tool, f"{base.said[0].format(**values)} with priority 3", {**values, "priority": "3"})
    while True:
        other = {name: draw.choice(given) for name, given in base.values.items()}
        if other != values:
            yield first, asking(base.tool, draw.choice(base.said).format(**other), other)
        else:
            yield first, asking(f"explain_{base.tool}", f"What does it mean to {base.tool.replace('_', ' ')}?", {})


def _misspelt(text: str, draw: random.Random) -> str:
    """Swap two letters of the longest word that is no value of the request."""
    word = max((word for word in text.split() if word.isalpha()), key=len)
    at = draw.randrange(1, max(2, len(word) - 2))
    return text.replace(word, word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :], 1)


def asking(tool: str, text: str, values: dict[str, Any]) -> Conversation:
    """Return a conversation of one request and the call that it asks for."""
    call = ToolCall(name=tool, arguments=values)
    turns = (Turn(role="user", text=text), Turn(role="assistant", calls=(call,)))
    return Conversation(
        id=f"{tool} {text} {sorted(values.items())}", tools=(ToolSpec(name=tool),), turns=turns,
        provenance=Provenance(source="pairs", origin="real"),
    )  # fmt: skip


def by_triples(one: Request, other: Request) -> bool:
    """Judge a pair by word triples alone, as the project did before."""

    def triples(words: list[str]) -> frozenset[bytes]:
        return frozenset(" ".join(words[at : at + 3]).encode() for at in range(max(1, len(words) - 2)))

    return similarity(triples(one.words), triples(other.words)) >= NEAR_DUPLICATE


def found(one: Request, other: Request) -> bool:
    """Judge a pair as a split does: it must be a candidate, and alike."""
    return one.key == other.key or any(
        alike(left, right) >= NEAR_DUPLICATE for left, right in candidate_pairs([one, other], minhashes([one, other]))
    )


def main() -> None:
    """Print recall and precision of both measures."""
    pairs = labelled_pairs()
    print(f"{len(pairs)} labelled pairs, {sum(same for *_, same in pairs)} of them the same request")
    for name, judge in (("letters and calls, as the project has it", found), ("word triples, as before", by_triples)):
        print(f"{name}: recall {{}}, precision {{}}".format(*rates(pairs, judge)))
    head("value written otherwise", "pairs", "recall", "precision", "recall of word triples")
    spelled = {kind: spelled_pairs(kind) for kind in KINDS}
    for name, each in (*spelled.items(), ("all", [pair for pairs in spelled.values() for pair in pairs])):
        line(name, len(each), *rates(each, found), rates(each, by_triples)[0])


def spelled_pairs(kind: str) -> list[tuple[Conversation, Conversation, bool]]:
    """Return the pairs of one kind of value, those of one value first."""
    said, same, other = KINDS[kind]

    def asks(value: str) -> Conversation:
        return asking(f"ask_{kind}", said.format(value), {"value": value})

    return [(asks(one), asks(two), label) for label, pairs in ((True, same), (False, other)) for one, two in pairs]


def rates(
    pairs: list[tuple[Conversation, Conversation, bool]], judge: Callable[[Request, Request], bool]
) -> tuple[str, str]:
    """Return recall and precision of a judge on labelled pairs, in percent."""
    said = [(judge(Request(one), Request(other)), same) for one, other, same in pairs]
    right, claimed, true = sum(a and b for a, b in said), sum(a for a, _ in said), sum(b for _, b in said)
    return f"{100 * right / true:.1f} %", f"{100 * right / claimed:.1f} %" if claimed else "none claimed"


if __name__ == "__main__":
    main()
