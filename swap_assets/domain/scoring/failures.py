"""Why an answer is wrong: one failure class per row, and the first difference in words.

The classes are tried from what hides everything else (a refusal, an empty answer) down to a single value, so each
wrong row has exactly one class and the counts add up to the number of wrong rows.
"""

import json
import re
from collections import Counter
from typing import Any

from swap_assets.domain.formats.base import ParsedAnswer
from swap_assets.domain.model import EvalCase
from swap_assets.domain.predictions import CUT
from swap_assets.domain.scoring.fields import Comparison, Fields, Path, same_calls
from swap_assets.domain.scoring.scores import FailureClass

_REFUSAL = re.compile(
    r"\b(?:I(?:'m| am) sorry|I can(?:'t|not)|I(?:'m| am) (?:unable|not able)|as an AI|cannot (?:help|assist))",
    re.IGNORECASE,
)
_SHOWN = 120


def explain(
    case: EvalCase, parsed: ParsedAnswer, gold: list[Fields], predicted: list[Fields], found: Comparison, finish: str
) -> tuple[FailureClass, str]:
    """Return the failure class of a wrong answer that ended for the reason `finish`, and its first difference."""
    return (
        _no_usable_answer(parsed, gold, predicted, finish)
        or _wrong_calls(case, gold, predicted, found)
        or _wrong_arguments(gold, predicted, found)
    )


def _no_usable_answer(
    parsed: ParsedAnswer, gold: list[Fields], predicted: list[Fields], finish: str
) -> tuple[FailureClass, str] | None:
    if finish == "content_filter":
        return "refusal", "the answer was withheld by a content filter"
    if not gold and parsed.calls:
        return "called_when_it_should_not", f"no call is right, got {_names(predicted)}"
    if finish in CUT:
        return "truncated", f"the answer {CUT[finish]}"
    if not parsed.calls and not parsed.unread and _REFUSAL.search(parsed.text[:300]):
        return "refusal", f"expected {_names(gold) or 'another answer'}, got: {_short(parsed.text)}"
    if parsed.unread or (not parsed.calls and parsed.valid_json is False and parsed.text):
        return "unreadable", f"expected {_names(gold) or 'no call'}, could not read: {'; '.join(parsed.problems)}"
    if not parsed.calls and not parsed.text.strip() and not parsed.valid_json:
        return "empty", f"expected {_names(gold) or 'an answer in words'}, got an empty answer"
    if not gold:
        return "unreadable", f"expected an answer in words, got: {_short(parsed.text)}"
    return None


def _wrong_calls(
    case: EvalCase, gold: list[Fields], predicted: list[Fields], found: Comparison
) -> tuple[FailureClass, str] | None:
    if not found.missing and not found.extra:
        return None
    difference = f"expected {_names(gold)}, got {_names(predicted) or 'no call'}"
    if found.missing and found.extra:
        offered = {tool.name for tool in case.tools}
        added = Counter(call.name for call in predicted) - Counter(call.name for call in gold)
        invented = offered and not offered.issuperset(added)
        return ("unknown_function" if invented else "wrong_function"), difference
    return ("missing_call" if found.missing else "extra_call"), difference


def _wrong_arguments(gold: list[Fields], predicted: list[Fields], found: Comparison) -> tuple[FailureClass, str]:
    if same_calls(gold, predicted, ordered=False):
        return "wrong_order", f"expected {_names(gold)} in this order, got {_names(predicted)}"
    for index, other in found.pairs:
        if gold[index].leaves != predicted[other].leaves:
            return _argument_difference(gold[index], predicted[other])
    raise AssertionError("a wrong answer differs from gold in its calls, its arguments or its order")


def _argument_difference(gold: Fields, predicted: Fields) -> tuple[FailureClass, str]:
    """Return the first difference: in the order of gold's fields, then what was added."""
    where = f"{gold.name}: " if gold.name else ""
    given_keys = {path[0] for path in predicted.leaves if path}
    for path, value in gold.leaves.items():
        if path and path[0] not in given_keys:
            return "missing_argument", f"{where}{_path(path)} is missing, expected {_shown(value)}"
        if path in predicted.leaves and predicted.leaves[path] != value:
            given = predicted.leaves[path]
            alike = type(_plain(value)) is not type(_plain(given)) and _loosely(value) == _loosely(given)
            kind: FailureClass = "wrong_type" if alike else "wrong_value"
            return kind, f"{where}{_path(path)} should be {_shown(value)}, got {_shown(given)}"
    wanted_keys = {path[0] for path in gold.leaves if path}
    added = next((path for path in predicted.leaves if path and path[0] not in wanted_keys), None)
    if added is not None:
        return "extra_argument", f"{where}{_path(added)} was not asked for"
    path = next(
        path for path in (*gold.leaves, *predicted.leaves) if (path in gold.leaves) != (path in predicted.leaves)
    )
    side = "is missing" if path in gold.leaves else "was not asked for"
    return "wrong_value", f"{where}{_path(path)} {side}"


def _names(calls: list[Fields]) -> str:
    more = f" and {len(calls) - 5} more" if len(calls) > 5 else ""
    return ", ".join(call.name or "the arguments" for call in calls[:5]) + more


def _path(path: Path) -> str:
    """Write a path as a person reads it: `to.city`, `days[1]`."""
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return written.removeprefix(".") or "the arguments"


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and value[0] != "boolean":
        return "NaN" if value[1] == "nan" else value[1]
    return _short(json.dumps(_plain(value), ensure_ascii=False))


def _plain(value: Any) -> Any:
    """Undo the tagging that `fields` compares by."""
    return value[1] if isinstance(value, tuple) else value


def _loosely(value: Any) -> str:
    """Return a form in which 1, "1" and "1.0", or true and "True", are alike: the value is right, its type is not."""
    plain = _plain(value)
    try:
        return repr(float(plain)) if not isinstance(plain, bool) else str(plain).lower()
    except (TypeError, ValueError, OverflowError):
        return str(plain).strip().lower()


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
