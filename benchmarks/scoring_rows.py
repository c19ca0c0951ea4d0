"""Rows to score in bulk: cases with tools, and answers of which most are right and the rest wrong in known ways."""

import random

from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec
from swap_assets.domain.predictions import PredictionRecord

_TOOLS = tuple(
    ToolSpec(
        name=f"function_{number}",
        description="Does something with a city.",
        parameters={
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name of the city."},
                "days": {"type": "integer"},
                "options": {
                    "type": "object",
                    "properties": {"units": {"type": "array", "items": {"type": "string", "enum": ["C", "F", "K"]}}},
                },
            },
            "required": ["city"],
        },
    )
    for number in range(3)
)


def rows(count: int, *, seed: int = 1) -> tuple[list[EvalCase], list[PredictionRecord]]:
    """Return cases of 0 to 3 calls with five fields each, two to a conversation, and one answer to each."""
    generator = random.Random(seed)
    cases, records = [], []
    for number in range(count):
        calls = tuple(_call(generator) for _ in range(generator.choice([0, 1, 1, 1, 2, 3])))
        ids = {"conversation_id": f"conversation {number // 2}"}
        labels = {"single_turn": generator.choice(["simple", "parallel"]), "domain": generator.choice("abcdefgh")}
        cases.append(
            EvalCase(
                id=f"case {number}", turn=1, tools=_TOOLS, history=(), gold_calls=calls, labels=labels,
                origin="real", **ids,
            )
        )  # fmt: skip
        records.append(
            PredictionRecord(
                case_id=f"case {number}", candidate_id="any", answer_format=HERMES, request_hash="",
                prompt_hash="", text=_answer(calls, generator), finish_reason="stop", **ids,
            )
        )  # fmt: skip
    return cases, records


def _call(generator: random.Random) -> ToolCall:
    arguments = {
        "city": f"city {generator.randrange(99)}",
        "days": generator.randrange(9),
        "options": {"units": ["C", "F", "K"]},
    }
    return ToolCall(name=f"function_{generator.randrange(3)}", arguments=arguments)


def _answer(calls: tuple[ToolCall, ...], generator: random.Random) -> str:
    text = HERMES.write(calls, "" if calls else "Which city do you mean?")
    if generator.random() < 0.7:
        return text
    return generator.choice(
        [
            text[:-15],
            text.replace("city 1", "city 2"),
            text.replace("function_1", "function_9"),
            text.replace('"', "'"),
            f"```json\n{text}\n```",
            "I'm sorry, I can't do that.",
            "",
        ]
    )
