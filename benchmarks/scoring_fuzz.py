"""Answers that want to hang or crash the scorer: `python -m benchmarks.scoring_fuzz [SECONDS]`, 200 by default.

Each round takes an answer that was built to hurt, or a right one with random edits, and scores it in every answer
format.
Printed are the rounds, the slowest answers with their kind and size, and every exception; the exit code is 1 where one
occurred.
"""

import random
import sys
import time
import traceback
from collections.abc import Callable

from swap_assets.domain.formats.base import answer_formats
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec
from swap_assets.domain.scoring.answer_files_report import published_figures
from swap_assets.domain.scoring.bfcl_answers import parse_bfcl_answer
from swap_assets.domain.scoring.row_scoring import score_answer
from swap_assets.domain.scoring.scores import RowScore

SECONDS = 200.0
LONGEST = 10_000_000
_PARTS = [
    "<tool_call>", "</tool_call>", '<tool_call name="', "<tool_call arguments=", "[tool_call ", "{", "}", "[", "]", "(",
    ")", '"', "'", "\\", "\\u", "\\ud800", '\\"', ":", ",", "{'a':", '{"a":', "[[", "null", "None", "True", "NaN", "-",
    "1e999", "9" * 50, "0x", "```", "```json", "\n", "\\n", "\x00", "é", "\ud800", "</think>", "&quot;", "arguments",
    '"name":', '"arguments":', "function", "/>", ">", "=", "f(", "x=", "**", "lambda:", "...",
]  # fmt: skip
_CALL = ToolCall(name="f", arguments={"a": 1, "b": ["x", {"c": None}], "d": "é"})
_CASE = EvalCase(
    id="case", conversation_id="c", turn=0, history=(), origin="synthetic", gold_calls=(_CALL, _CALL),
    tools=(ToolSpec(name="f", parameters={"type": "object", "properties": {"a": {"type": "integer"}}}),),
)  # fmt: skip


def built_to_hurt(generator: random.Random) -> tuple[str, str]:
    """Return the kind and the text of an answer of one pattern repeated, up to ten megabytes long."""
    size = int(10 ** generator.uniform(2, 7))
    kind = generator.choice(["one part", "two parts", "nested objects", "nested lists", "wrapped", "random parts"])
    one, two = generator.choice(_PARTS), generator.choice(_PARTS)
    if kind == "one part":
        return f"{kind} {one!r}", one * (size // len(one))
    if kind == "two parts":
        return f"{kind} {one!r} {two!r}", (one + two) * (size // len(one + two))
    if kind == "nested objects":
        return kind, "<tool_call>" + '{"a":' * (size // 5) + "1" + "}" * (size // 5)
    if kind == "nested lists":
        return kind, '{"name": "f", "arguments": {"a": ' + "[" * (size // 2) + "]" * (size // 2) + "}}"
    if kind == "wrapped":
        return f"{kind} {one!r}", f'<tool_call>{{"name": "f", "arguments": {{"a": "{one * (size // len(one))}"}}}}'
    return kind, "".join(generator.choices(_PARTS, k=min(size, 200_000) // 4))


def mutated(generator: random.Random) -> tuple[str, str]:
    """Return a right answer with up to 30 random edits."""
    answer_format = generator.choice(list(answer_formats().values()))
    text = answer_format.write((_CALL, _CALL)) * generator.choice([1, 1, 1, 50])
    for _ in range(generator.randrange(1, 30)):
        at, length = generator.randrange(len(text) + 1), generator.randrange(4)
        text = text[:at] + generator.choice(["", *_PARTS]) + text[at + length :]
    return f"mutated {answer_format.name}", text


def score_everywhere(text: str) -> None:
    """Read and score a text in every answer format, and write the score as a file would hold it."""
    for answer_format in answer_formats().values():
        _write(score_answer(_CASE, answer_format.read(text, function="f")))
    parse_bfcl_answer(text)
    published_figures(FLEDGLING_STRUCTURED, [('{"a": 1}', text)])
    published_figures(FLEDGLING_TOOLCALL, [('<tool_call name="f">{"a": 1}</tool_call>', text)])


def _write(score: RowScore) -> None:
    score.model_dump_json().encode("utf-8")


def fuzz(seconds: float, *, seed: int = 1) -> int:
    """Fuzz for a time, print what was found and return the number of exceptions."""
    generator = random.Random(seed)
    slowest: list[tuple[float, str, int]] = []
    rounds, failures, until = 0, 0, time.monotonic() + seconds
    makers: list[Callable[[random.Random], tuple[str, str]]] = [built_to_hurt, mutated, mutated, mutated, mutated]
    while time.monotonic() < until:
        kind, text = generator.choice(makers)(generator)
        started = time.process_time()
        try:
            score_everywhere(text[:LONGEST])
        except Exception:
            failures += 1
            print(f"EXCEPTION on {kind}, {len(text)} characters, starting {text[:80]!r}\n{traceback.format_exc()}")
        slowest = sorted([*slowest, (time.process_time() - started, kind, len(text))], reverse=True)[:5]
        rounds += 1
    print(
        f"{rounds} answers, each scored in {len(answer_formats()) + 3} ways, in {seconds:.0f} s: {failures} exceptions"
    )
    for took, kind, length in slowest:
        print(f"  slowest: {took:.2f} s for all ways, {length:,} characters, {kind}")
    return failures


if __name__ == "__main__":
    sys.exit(int(fuzz(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS) > 0))
