"""Comparing calls field by field.

A field is a path into a call's arguments and the value at its end: `{"to": {"city": "Oslo"}, "days": [1, 2]}` has the
fields `("to", "city") = "Oslo"`, `("days", 0) = 1` and `("days", 1) = 2`. Paths are tuples, so a key with a dot is
one step. An empty object or list is a field of its own, at the root too: a call without arguments has one field,
"nothing", so that calling it can be right or wrong.

Equal means the same JSON value: 1 and 1.0 are one number; True, 1 and "1" are three values; text is compared after
Unicode canonical composition (NFC), case and blanks count; NaN equals NaN; the order of keys means nothing, the order
in a list does.
"""

import re
import unicodedata
from collections import Counter
from typing import Any, NamedTuple

from swap_assets.domain.model import ToolCall

Path = tuple[str | int, ...]
Leaves = dict[Path, Any]

_NAN = ("number", "nan")
_EMPTY_OBJECT = ("empty", "{}")
_EMPTY_LIST = ("empty", "[]")
# How an argument names an earlier call, by its function or its place; `$1.50`, "#E1E1E1" and "search results" do not.
_REFERS = ("$", "{{", "#E", "result", "output", "response", "return_value")
_REFERENCE = (
    r"(?:\$\{?|\{\{\s*)(?:functions\.)?(?:%(name)s)(?![\w-])"
    r"|(?<![\w-])(?:%(name)s)[._](?:result|output|response|return_value)(?![a-z])"
    r"|\bresult of (?:call )?(?:%(name)s|\d+)(?![\w-])"
    r"|\$(?:call|step|result)_?\d+(?!\w)|\$\d+\.[A-Za-z_]|#E\d(?!\w)"
)


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
    return Fields(_composed(call.name), leaves)


def _composed(text: str) -> str:
    """Return the form in which two texts are compared: NFC."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def compare(gold: list[Fields], predicted: list[Fields]) -> Comparison:
    """Pair calls of the same function so that as many fields as possible agree.

    Identical calls are paired first, which never costs a field: |g & p'| + |g' & p| <= |g| + |g' & p'| for g = p.
    What is left within a function is an assignment problem (scipy, Hungarian method).
    """
    if gold == predicted:
        count = sum(len(call.leaves) for call in gold)
        return Comparison([(index, index) for index in range(len(gold))], [], [], count, count, count)
    missing, extra = list(range(len(gold))), list(range(len(predicted)))
    pairs = []

    def pair(one: int, other: int) -> None:
        pairs.append((one, other))
        missing.remove(one)
        extra.remove(other)

    for index, call in enumerate(gold):
        same = next((other for other in extra if predicted[other] == call), None)
        if same is not None:
            pair(index, same)
    for name in dict.fromkeys(gold[index].name for index in missing):
        rows = [index for index in missing if gold[index].name == name]
        columns = [index for index in extra if predicted[index].name == name]
        for one, other in _assign(rows, columns, gold, predicted):
            pair(one, other)
    return Comparison(
        pairs=sorted(pairs), missing=missing, extra=extra,
        true_positives=sum(overlap(gold[one].leaves, predicted[other].leaves) for one, other in pairs),
        gold=sum(len(call.leaves) for call in gold), predicted=sum(len(call.leaves) for call in predicted),
    )  # fmt: skip


def overlap(gold: Leaves, predicted: Leaves) -> int:
    """Return how many fields two calls share, path and value."""
    return sum(1 for path, value in gold.items() if path in predicted and predicted[path] == value)


def same_calls(gold: list[Fields], predicted: list[Fields], *, ordered: bool) -> bool:
    """Whether two lists of calls are equal: as multisets, or one by one where order matters."""
    if len(gold) != len(predicted):
        return False
    if ordered or len(gold) == 1:
        return gold == predicted
    counted = [Counter((call.name, frozenset(call.leaves.items())) for call in calls) for calls in (gold, predicted)]
    return counted[0] == counted[1]


def may_use_a_result(text: str) -> bool:
    """Whether a text can hold a reference to an earlier call's result at all, which is quick to say."""
    return any(mark in text for mark in _REFERS)


def uses_earlier_result(calls: tuple[ToolCall, ...]) -> bool:
    """Whether an argument refers to the result of an earlier one of the calls, so that their order matters.

    Hermes writes such a reference as `$functions.search.result`. Others write `{{search.output}}`, `${search}`,
    `<result of search>`, `search_result`, or the place of the call: `$0.id`, `$call_1`, `#E1`.
    """
    read = [fields_of(call) for call in calls] if len(calls) > 1 else []
    for index, call in enumerate(read):
        texts = [text for text in call.leaves.values() if isinstance(text, str) and may_use_a_result(text)]
        names = "|".join(re.escape(one.name) for one in read[:index])
        if index and texts and any(re.search(_REFERENCE % {"name": names}, text) for text in texts):
            return True
    return False


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
            here = (*path, key if key.isascii() else _composed(key))
            if type(inner) is int or (type(inner) is str and inner.isascii()):
                into[here] = inner  # most fields: this spares them two calls
            else:
                _flatten(inner, here, into)
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            _flatten(inner, (*path, index), into)
    elif isinstance(value, dict | list | tuple):
        into[path] = _EMPTY_OBJECT if isinstance(value, dict) else _EMPTY_LIST
    elif isinstance(value, str):
        into[path] = _composed(value)
    elif isinstance(value, bool):
        into[path] = ("boolean", value)  # Python itself says 1 == True
    else:
        into[path] = _NAN if isinstance(value, float) and value != value else value
