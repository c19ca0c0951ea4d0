"""Comparing calls field by field.

A field is a path into a call's arguments and the value at its end: `{"to": {"city": "Oslo"}, "days": [1, 2]}` has the
fields `("to", "city") = "Oslo"`, `("days", 0) = 1` and `("days", 1) = 2`. Paths are tuples, so a key with a dot is
one step. An empty object or list is a field of its own, at the root too: a call without arguments has one field,
"nothing", so that calling it can be right or wrong.

Equal means the same JSON value: 1 and 1.0 are one number; True, 1 and "1" are three values; text is compared after
Unicode canonical composition (NFC), case and blanks count; NaN equals NaN; the order of keys means nothing, the order
in a list does.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from swap_assets.domain.conversations import ToolCall

Path = tuple[str | int, ...]
Leaves = dict[Path, Any]

_NAN = ("number", "nan")
_EMPTY_OBJECT = ("empty", "{}")
_EMPTY_LIST = ("empty", "[]")


class Fields(NamedTuple):
    """A call reduced to what is compared."""

    name: str
    leaves: Leaves


class Comparison(NamedTuple):
    """How predicted calls stand against gold calls.

    `pairs` are (gold index, predicted index) of calls of the same function; `missing` and `extra` the indexes left
    over. Counts are fields: `true_positives` are in both, `gold` and `predicted` in each side.
    """

    pairs: list[tuple[int, int]]
    missing: list[int]
    extra: list[int]
    true_positives: int
    gold: int
    predicted: int


def fields_of(call: ToolCall) -> Fields:
    """Return a call's name and fields."""
    leaves: Leaves = {}
    _flatten(call.arguments, (), leaves)
    return Fields(text_key(call.name), leaves)


def text_key(text: str) -> str:
    """Return the form in which two texts are compared: NFC."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def scalar_key(value: Any) -> Any:
    """Return a scalar such that == on it means the same JSON scalar; Python itself says 1 == 1.0 == True."""
    if isinstance(value, str):
        return text_key(value)
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, float) and value != value:
        return _NAN
    return value


def compare(gold: list[Fields], predicted: list[Fields]) -> Comparison:
    """Pair calls of the same function so that as many fields as possible agree.

    Identical calls are paired first, which never costs a field: |g & p'| + |g' & p| <= |g| + |g' & p'| for g = p.
    What is left within a function is an assignment problem (scipy, Hungarian method).
    """
    if gold == predicted:
        count = sum(len(call.leaves) for call in gold)
        return Comparison([(index, index) for index in range(len(gold))], [], [], count, count, count)
    free = dict(enumerate(predicted))
    pairs = []
    for index, call in enumerate(gold):
        same = next((other for other, candidate in free.items() if candidate == call), None)
        if same is not None:
            pairs.append((index, same))
            del free[same]
    paired = {index for index, _ in pairs}
    open_gold = [index for index in range(len(gold)) if index not in paired]
    for name in dict.fromkeys(gold[index].name for index in open_gold):
        rows = [index for index in open_gold if gold[index].name == name]
        columns = [index for index, call in free.items() if call.name == name]
        pairs += _assign(rows, columns, gold, predicted)
    pairs.sort()
    used = {other for _, other in pairs}
    paired = {index for index, _ in pairs}
    return Comparison(
        pairs=pairs,
        missing=[index for index in range(len(gold)) if index not in paired],
        extra=[index for index in range(len(predicted)) if index not in used],
        true_positives=sum(overlap(gold[one].leaves, predicted[other].leaves) for one, other in pairs),
        gold=sum(len(call.leaves) for call in gold),
        predicted=sum(len(call.leaves) for call in predicted),
    )


def overlap(gold: Leaves, predicted: Leaves) -> int:
    """Return how many fields two calls share, path and value."""
    return sum(1 for path, value in gold.items() if path in predicted and predicted[path] == value)


def same_calls(gold: list[Fields], predicted: list[Fields], *, ordered: bool) -> bool:
    """Whether two lists of calls are equal: as multisets, or one by one where order matters."""
    if len(gold) != len(predicted):
        return False
    if ordered or len(gold) == 1:
        return gold == predicted
    return Counter(map(_hashable, gold)) == Counter(map(_hashable, predicted))


def same_names(gold: list[Fields], predicted: list[Fields]) -> bool:
    """Whether the same functions are called, each as often."""
    return sorted(call.name for call in gold) == sorted(call.name for call in predicted)


def same_arguments(gold: list[Fields], predicted: list[Fields]) -> bool:
    """Whether the same argument objects are given, whatever the functions are called."""
    nameless = [Fields("", call.leaves) for call in gold], [Fields("", call.leaves) for call in predicted]
    return same_calls(*nameless, ordered=False)


def uses_earlier_result(calls: tuple[ToolCall, ...]) -> bool:
    """Whether an argument refers to the result of an earlier one of the calls, so that their order matters.

    Hermes writes such a reference as `$functions.search.result`; `{{search.output}}` and `<search.result>` mean it too.
    """
    if len(calls) < 2:
        return False
    names = [call.name for call in calls]
    for index, call in enumerate(calls):
        texts = [text for text in _texts(call.arguments) if ".result" in text or ".output" in text]
        if any(f"{name}.{word}" in text for text in texts for name in names[:index] for word in ("result", "output")):
            return True
    return False


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, without its keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _hashable(call: Fields) -> tuple[str, frozenset[tuple[Path, Any]]]:
    return call.name, frozenset(call.leaves.items())


def _assign(rows: list[int], columns: list[int], gold: list[Fields], predicted: list[Fields]) -> list[tuple[int, int]]:
    if not rows or not columns:
        return []
    if len(rows) == 1 and len(columns) == 1:
        return [(rows[0], columns[0])]
    from scipy.optimize import linear_sum_assignment

    gains = [[overlap(gold[row].leaves, predicted[column].leaves) for column in columns] for row in rows]
    chosen = zip(*linear_sum_assignment(gains, maximize=True), strict=True)
    return [(rows[row], columns[column]) for row, column in chosen]


def _flatten(value: Any, path: Path, into: Leaves) -> None:
    """Write the fields under `path`; arguments nest at most `literals.MAX_DEPTH` deep."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            here = (*path, key if key.isascii() else text_key(key))
            if type(inner) is int or (type(inner) is str and inner.isascii()):
                into[here] = inner  # most fields: this spares them two calls
            else:
                _flatten(inner, here, into)
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            _flatten(inner, (*path, index), into)
    elif isinstance(value, dict | list | tuple):
        into[path] = _EMPTY_OBJECT if isinstance(value, dict) else _EMPTY_LIST
    else:
        into[path] = scalar_key(value)
