"""BFCL's cases with right and wrong answers to them: at least 20 different mutations a case, always the same ones."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MUTATIONS = 20
CATEGORIES = ("simple_python", "multiple", "parallel", "parallel_multiple")
LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")  # in the package alone
Call = dict[str, dict[str, Any]]


def cases(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield every case with gold: id, category, functions, accepted answers."""
    for category in (*CATEGORIES, *(name for name in LIVE if (folder / f"BFCL_v4_{name}.json").exists())):
        questions = _lines(folder / f"BFCL_v4_{category}.json")
        gold = {
            row["id"]: row["ground_truth"] for row in _lines(folder / "possible_answer" / f"BFCL_v4_{category}.json")
        }
        for row in questions:
            yield {"id": row["id"], "category": category, "functions": row["function"], "accepted": gold[row["id"]]}


def without_gold(folder: Path) -> list[dict[str, Any]]:
    """Return the cases where no call is right, and those where any is; the latter only the official package has."""
    files = [folder / f"BFCL_v4_{category}.json" for category in ("irrelevance", "live_relevance")]
    return [row for file in files if file.exists() for row in _lines(file)]


def answers(case: dict[str, Any]) -> list[tuple[str, list[Call]]]:
    """Return (mutation, answer) pairs: a right answer first, then at least `MUTATIONS` different others."""
    generator = random.Random(case["id"])
    right = [_call(gold, pick=0) for gold in case["accepted"]]
    found: dict[str, tuple[str, list[Call]]] = {}

    def add(name: str, answer: list[Call]) -> None:
        found.setdefault(json.dumps(answer, sort_keys=True), (name, answer))

    add("first accepted value of every parameter", right)
    add("last accepted value of every parameter", [_call(gold, pick=-1) for gold in case["accepted"]])
    add("every optional parameter given", [_call(gold, pick=0, optional=True) for gold in case["accepted"]])
    for name, answer in _whole_answers(right):
        add(name, answer)
    for number, call in enumerate(right):
        for name, changed in _changed_calls(call):
            add(name, [*right[:number], changed, *right[number + 1 :]])
    for attempt in range(20 * MUTATIONS):
        if len(found) > MUTATIONS:
            break
        add("random other value", _random_change(right, generator, attempt))
    return list(found.values())


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _call(gold: dict[str, dict[str, list[Any]]], *, pick: int, optional: bool = False) -> Call:
    ((name, parameters),) = gold.items()
    chosen: dict[str, Any] = {}
    for parameter, values in parameters.items():
        given = [value for value in values if value != ""]
        if given and (optional or "" not in values):
            chosen[parameter] = _plain(given[pick])
    return {name: chosen}


def _plain(value: Any) -> Any:
    """Return an accepted object as a model would write it: its values are lists of accepted values themselves."""
    if isinstance(value, dict):
        return {key: _plain(values[0]) for key, values in value.items() if isinstance(values, list) and values}
    if isinstance(value, list):
        return [_plain(item) if isinstance(item, dict) else item for item in value]
    return value


def _whole_answers(right: list[Call]) -> Iterator[tuple[str, list[Call]]]:
    yield "no call", []
    yield "last call left out", right[:-1]
    yield "first call twice", [*right, right[0]]
    yield "calls in reverse", right[::-1]
    names = [next(iter(call)) for call in right]
    bodies = [next(iter(call.values())) for call in right]
    yield "arguments swapped between calls", [{n: b} for n, b in zip(names, bodies[1:] + bodies[:1], strict=True)]
    yield "all calls without arguments", [{name: {}} for name in names]


def _changed_calls(call: Call) -> Iterator[tuple[str, Call]]:
    ((name, arguments),) = call.items()
    yield "another function", {f"{name}_other": arguments}
    yield "dots in the name as underscores", {name.replace(".", "_"): arguments}
    yield "name in capitals", {name.upper(): arguments}
    yield "an unknown parameter", {name: arguments | {"unknown_parameter": 1}}
    for parameter, value in arguments.items():
        yield "a parameter left out", {name: {key: inner for key, inner in arguments.items() if key != parameter}}
        for what, change in _VALUE_CHANGES.items():
            for changed in change(value):
                yield what, {name: arguments | {parameter: changed}}


def _only(kind: type, change: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    return lambda value: change(value) if type(value) is kind else []


_VALUE_CHANGES: dict[str, Callable[[Any], list[Any]]] = {
    "null": lambda value: [None],
    "empty text": lambda value: [""],
    "empty list": lambda value: [[]],
    "wrapped in a list": lambda value: [[value]],
    "written as text": lambda value: [json.dumps(value)],
    "text: capitals": _only(str, lambda text: [text.upper()]),
    "text: blanks and punctuation": _only(str, lambda text: [f" {text.replace(' ', '-')}, "]),
    "text: quotes": _only(str, lambda text: [f"{text}'s", f'{text}"s']),
    "text: longer": _only(str, lambda text: [f"{text} x"]),
    "text: as a number": _only(str, lambda text: [1]),
    "whole number: as a float": _only(int, lambda number: [float(number)]),
    "whole number: next": _only(int, lambda number: [number + 1, -number]),
    "whole number: as true": _only(int, lambda number: [bool(number)]),
    "float: as a whole number": _only(float, lambda number: [int(number)]),
    "float: a little more": _only(float, lambda number: [number + 0.001]),
    "boolean: other": _only(bool, lambda value: [not value]),
    "boolean: as a number": _only(bool, lambda value: [int(value)]),
    "boolean: as text": _only(bool, lambda value: [str(value)]),
    "list: reversed": _only(list, lambda items: [items[::-1]]),
    "list: shorter": _only(list, lambda items: [items[:-1]]),
    "list: longer": _only(list, lambda items: [[*items, items[0]]] if items else []),
    "list: items as text": _only(list, lambda items: [[str(item) for item in items]]),
    "list: items as floats": _only(
        list, lambda items: [[float(item) if type(item) is int else item for item in items]]
    ),
    "list: items in capitals": _only(
        list, lambda items: [[item.upper() if isinstance(item, str) else item for item in items]]
    ),
    "list: first item as a boolean": _only(list, lambda items: [[True, *items[1:]]] if items else []),
    "object: key left out": _only(dict, lambda value: [dict(list(value.items())[1:])] if value else []),
    "object: key added": _only(dict, lambda value: [value | {"unknown": 1}]),
    "object: values in capitals": _only(
        dict, lambda value: [{key: str(inner).upper() for key, inner in value.items()}]
    ),
}


def _random_change(right: list[Call], generator: random.Random, attempt: int) -> list[Call]:
    """Return the answer with one value replaced by another of some type, or with an unknown parameter."""
    number = generator.randrange(len(right)) if right else 0
    ((name, arguments),) = right[number].items()
    parameter = generator.choice([*arguments, f"unknown_{attempt}"])
    value = generator.choice(
        [generator.randrange(1000), generator.random(), f"text {attempt}", [attempt], {"a": attempt}]
    )
    return [*right[:number], {name: arguments | {parameter: value}}, *right[number + 1 :]]


def texts(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (kind, answer as text) pairs for a case without gold calls: words, calls, and what is neither."""
    function = row["function"][0]
    name = function["name"]
    parameter = next(iter(function["parameters"]["properties"]), "x")
    found = [(kind, text.replace("F", name).replace("P", parameter)) for kind, text in _TEXTS]
    return [*found, ("the question itself", row["question"][0][-1]["content"])]


# F stands for the first function on offer, P for its first parameter.
_TEXTS = [
    ("empty", ""),
    ("empty list", "[]"),
    ("empty object", "[{}]"),
    ("words", "None of the functions can answer this."),
    ("words with an apostrophe", "I can't help with that."),
    ("words with brackets", "I cannot do this (the functions do not fit)."),
    ("one word", "None"),
    ("the name alone", "F"),
    ("numbers", "[1, 2]"),
    ("a call", "[F(P=1)]"),
    ("a call without brackets", "F(P=1)"),
    ("a call with one bracket", "[F(P=1)"),
    ("a call without arguments", "[F()]"),
    ("a call by position", "F(1)"),
    ("two calls", "[F(P=1), F(P='a')]"),
    ("a call in a fence", "```\n[F(P=1)]\n```"),
    ("a call cut off", "[F(P='a"),
    ("a call behind words", "Sure: [F(P=1)]"),
    ("calls with a semicolon", "F(P=1); F(P=2)"),
    ("a nested call", "[F(P=F(P=1))]"),
    ("a nested call by position", "[F(P=F(1))]"),
    ("lists and objects", "[F(P=[1, {'a': (2, None)}])]"),
    ("a negative number", "[F(P=-1.5)]"),
    ("arithmetic", "[F(P=2 * 5 + 1)]"),
    ("a power", "[F(P=4**1)]"),
    ("a sum of texts", "[F(P='a' + 'b')]"),
    ("a repeated text", "[F(P='ab' * 2)]"),
    ("a variable", "[F(P=value)]"),
    ("an item of a variable", "[F(P=value[0])]"),
    ("an ellipsis", "[F(P=...)]"),
    ("a lambda", "[F(P=lambda: 1)]"),
    ("a call in single quotes", "'F(P=1)'"),
    ("a plus before a number", "[F(P=+1)]"),
    ("decoded JSON", '[{"F": {"P": 1}}]'),
    ("a tagged call", '<tool_call>{"name": "F", "arguments": {"P": 1}}</tool_call>'),
]
