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
from collections import Counter
from collections.abc import Iterable
from typing import Any

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.formats.literals import LiteralError, read_tolerant
from swap_assets.domain.formats.tags import find_first_object
from swap_assets.domain.model import ToolCall

_TAG = re.compile(r'<tool_call name="([^"]+)">\s*(\{.*\})\s*</tool_call>', re.DOTALL)
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
    read, count = READERS[answer_format], Counter[str]()
    for reference, prediction in pairs:
        gold, given = read(reference), read(prediction)
        if gold is None:
            gold, given = _recovered(answer_format, reference, prediction, given)
            count["wordy" if gold is None else "repaired"] += 1
        count.update(rows=1, valid=given is not None)
        if gold is None:
            continue
        wanted, found = _leaves(gold[1]), _leaves(given[1]) if given else set()
        count.update(right=len(wanted & found), wrong=len(found - wanted), missed=len(wanted - found))
        if given is not None:
            count.update(names=given[0] == gold[0], exact=given[1] == gold[1])
    right, rows = count["right"], count["rows"]
    precision, recall = _share(right, right + count["wrong"]), _share(right, right + count["missed"])
    return {"rows": rows, "valid_rate": _share(count["valid"], rows),
            "name_match_rate": _share(count["names"], rows) if read is _read_tag else None,
            "exact_match_rate": _share(count["exact"], rows), "field_precision": precision, "field_recall": recall,
            "field_f1": _share(2 * precision * recall, precision + recall), "true_positives": right,
            "false_positives": count["wrong"], "false_negatives": count["missed"],
            "references_repaired": count["repaired"], "references_without_call": count["wordy"]}  # fmt: skip


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _read_object(text: str) -> tuple[str, Any] | None:
    try:
        return "", json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_tag(text: str) -> tuple[str, Any] | None:
    tag = _TAG.fullmatch(text.strip())
    found = _read_object(tag[2]) if tag else None
    return (tag[1], found[1]) if tag and found else None


READERS = {FLEDGLING_STRUCTURED: _read_object, FLEDGLING_TOOLCALL: _read_tag}


def _recovered(
    answer_format: AnswerFormat, reference: str, prediction: str, given: Read | None
) -> tuple[Read | None, Read | None]:
    """Return an inexact reference (None: words) and the prediction as it compares, several calls by their places."""
    if READERS[answer_format] is _read_object:
        try:
            return ("", read_tolerant(reference).value), given
        except LiteralError:
            found = find_first_object(reference)
            return ("", found[0]) if found else None, given
    calls = answer_format.read(reference).calls
    if len(calls) < 2:
        return ((calls[0].name, calls[0].arguments) if calls else None), given
    said = answer_format.read(prediction).strict_calls
    return _in_places(calls), _in_places(said) if said else None


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
