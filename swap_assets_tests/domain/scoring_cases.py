"""Hand-worked cases: an expected answer, a given one, what the score must be, and why.

Each figure below was worked out on paper from the rules at the top of `scoring` and `fields`, never copied from a run.
`Case.expect` names figures of `RowScore`; the fields of a call are counted in `fields`.
"""

from dataclasses import dataclass, field
from typing import Any

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.hermes import HERMES

Calls = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Case:
    """One hand-worked case; the name is its reason."""

    why: str
    gold: Calls
    answer: str
    expect: dict[str, Any]
    answer_format: AnswerFormat = HERMES
    finish: str = "stop"
    ordered: bool = False
    tools: list[dict[str, Any]] = field(default_factory=list)


def tag(body: str) -> str:
    """Write one Hermes call around a JSON body."""
    return f"<tool_call>\n{body}\n</tool_call>"


WEATHER: Calls = [("weather", {"city": "Oslo", "days": 2})]
RIGHT = '{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}'
PERFECT = {
    "exact_match": 1.0,
    "field_f1": 1.0,
    "field_precision": 1.0,
    "field_recall": 1.0,
    "name_match": 1.0,
    "arguments_exact": 1.0,
}
NOTHING_RIGHT = {"exact_match": 0.0, "field_f1": 0.0, "field_precision": 0.0, "field_recall": 0.0, "name_match": 0.0}
TOOL = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
