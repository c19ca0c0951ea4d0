"""The convention in which the Fledgling results were published, so that old figures can be compared and seen through.

Micro precision, recall and F1 over all leaf fields of the reference: for the structured answer format the whole object,
that is `query` and `tool_name` too, which the prompt gave away; for the tool-call one the arguments. An output that is
not valid adds all reference fields as missed and no wrong one, so that it costs recall and no precision. Valid means
`json.loads` of the whole answer, or exactly one `<tool_call name="...">{...}</tool_call>`. A leaf is its path written
as text, `a.b[0]`, and its JSON; an empty object or list has none.

The published evaluator read its references as strictly as its answers, and those it could not read (Python repr,
several calls) became figures of 0. Here they are read leniently and counted; the calls of a reference with several are
compared at their places, `[0].city`.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from swap_assets.domain.conversations import ToolCall
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.fledgling_structured import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.fledgling_toolcall import FLEDGLING_TOOLCALL
from swap_assets.domain.formats.literals import LiteralError, read_tolerant
from swap_assets.domain.formats.tags import find_first_object

_TAG_OPEN = re.compile(r'<tool_call name="([^"]+)">\s*')
_TAG_CLOSE = "</tool_call>"
Leaves = set[tuple[str, str]]
Read = tuple[str, Any]  # a function's name and what was read


def published_figures(answer_format: AnswerFormat, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the figures of (reference, prediction) texts: rates are shares of `rows`, counts are fields.

    `references_repaired` rows have a reference that the published evaluator could not have read and that was read
    leniently; `references_without_call` rows have one in words, which holds no field.

    Raises:
        ValueError: the answer format is none of the two Fledgling ones.
    """
    if answer_format not in READERS:
        raise ValueError(f"no results were published in the answer format '{answer_format.name}'")
    read = READERS[answer_format]
    rows = valid = names = exact = right = wrong = missed = repaired = wordy = 0
    for reference, prediction in pairs:
        gold, given = read(reference), read(prediction)
        if gold is None:
            gold, given = _recovered(answer_format, reference, prediction, given)
            repaired, wordy = repaired + (gold is not None), wordy + (gold is None)
        rows += 1
        valid += given is not None
        if gold is None:
            continue
        gold_leaves, given_leaves = _leaves(gold[1]), _leaves(given[1]) if given else set()
        right += len(gold_leaves & given_leaves)
        wrong += len(given_leaves - gold_leaves)
        missed += len(gold_leaves - given_leaves)
        names += given is not None and given[0] == gold[0]
        exact += given is not None and given[1] == gold[1]
    precision, recall = _share(right, right + wrong), _share(right, right + missed)
    return {
        "rows": rows,
        "valid_rate": _share(valid, rows),
        "name_match_rate": _share(names, rows) if read is _read_tag else None,
        "exact_match_rate": _share(exact, rows),
        "field_precision": precision,
        "field_recall": recall,
        "field_f1": _share(2 * precision * recall, precision + recall),
        "true_positives": right,
        "false_positives": wrong,
        "false_negatives": missed,
        "references_repaired": repaired,
        "references_without_call": wordy,
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _read_object(text: str) -> tuple[str, Any] | None:
    try:
        return "", json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_tag(text: str) -> tuple[str, Any] | None:
    text = text.strip()
    opening = _TAG_OPEN.match(text)
    if not opening or not text.endswith(_TAG_CLOSE):
        return None
    body = text[opening.end() : -len(_TAG_CLOSE)].rstrip()
    if not (body.startswith("{") and body.endswith("}")):
        return None
    found = _read_object(body)
    return (opening.group(1), found[1]) if found else None


READERS = {FLEDGLING_STRUCTURED: _read_object, FLEDGLING_TOOLCALL: _read_tag}


def _recovered(
    answer_format: AnswerFormat, reference: str, prediction: str, given: Read | None
) -> tuple[Read | None, Read | None]:
    """Return a reference that is not to the letter, and the prediction as it compares with it; None for words.

    Where the reference holds several calls, so may the prediction, to the letter.
    """
    if READERS[answer_format] is _read_object:
        return _recovered_value(reference), given
    calls = answer_format.read(reference).calls
    if len(calls) < 2:
        return ((calls[0].name, calls[0].arguments) if calls else None), given
    said = answer_format.read(prediction).strict_calls
    return _in_places(calls), _in_places(said) if said else None


def _recovered_value(reference: str) -> Read | None:
    try:
        return "", read_tolerant(reference).value
    except LiteralError:
        found = find_first_object(reference)
        return ("", found[0]) if found else None


def _in_places(calls: tuple[ToolCall, ...]) -> Read:
    return ", ".join(call.name for call in calls), [call.arguments for call in calls]


def _leaves(value: Any) -> Leaves:
    """Return the leaves of a value; it keeps its own stack, since an answer may nest as deep as it likes."""
    found: dict[str, str] = {}
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, inner = pending.pop()
        if isinstance(inner, dict):
            pending += [(f"{path}.{key}" if path else key, one) for key, one in reversed(inner.items())]
        elif isinstance(inner, list):
            pending += [(f"{path}[{index}]", one) for index, one in reversed(list(enumerate(inner)))]
        else:
            found[path or "$"] = json.dumps(inner)
    return set(found.items())
