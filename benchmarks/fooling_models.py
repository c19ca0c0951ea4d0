"""Does anything pass that answers without knowing? `python -m benchmarks.fooling_models [EXPERIMENTS]`, 200 by default.

Models that never call, always say "Blah.", answer at random as untrained weights do, copy what they were asked, write
calls that nobody can read, or write nothing but special tokens and numbers, are scored on generated rows by the very
code that scores real answers, and judged beside an LLM by every gate and success criterion. The LLM is right in 0 to
95 % of the rows, whatever the experiment draws, since a bad LLM is the one that is soon reached; no call is right in a
tenth to six tenths of them. A sound model, which answers as the LLM does, shows that the gates are not merely shut.
"""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from benchmarks.tables import head, line
from swap_assets.domain.experiment.gate_policy import CoreMetric, GatePolicy, ReleaseRule
from swap_assets.domain.formats.base import PromptStyle, Track
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.gates.replacement import may_be_asked, release
from swap_assets.domain.gates.scale_up import scale_up
from swap_assets.domain.judging.criteria import criteria_of
from swap_assets.domain.keys import Candidate, base, hosted, tuned
from swap_assets.domain.model import EvalCase
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult
from swap_assets.domain.scoring.row_scoring import score_answer
from swap_assets.domain.scoring.scores import EvalSummary, RowScore
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate

EXPERIMENTS = 200
ROWS = (50, 200, 500)
SOUND = "as right as the LLM"
LLM_RIGHT = (0.0, 0.05, 0.3, 0.75, 0.95)
POLICY = GatePolicy(release=ReleaseRule(real_share=0.0))
_SPOKEN = ("<tool_call>", "</tool_call>", "{", '"name":', "the", "裁", "getString", " policy", "}", "[", "\n", "é", "0")


def _at_random(case: EvalCase, generator: random.Random) -> tuple[str, str]:
    """Return pieces of the vocabulary without sense; a third of such answers happens to end by itself."""
    words = [*_SPOKEN, *(tool.name for tool in case.tools)]
    text = "".join(generator.choices(words, k=generator.randrange(5, 60)))
    return text, "stop" if generator.random() < 1 / 3 else "length"


def _prompt(case: EvalCase) -> str:
    tools = "\n".join(tool.model_dump_json() for tool in case.tools)
    return f"{HERMES.instructions[PromptStyle.HERMES]}\n{tools}\n{case.history[-1].text}"


def _as_text(case: EvalCase, generator: random.Random) -> tuple[str, str]:
    """Return a call in a syntax that is no answer format's, or a broken one."""
    name = generator.choice(case.tools).name if case.tools else "get_weather"
    shapes = ("@(city='Paris')", "[@(city='Paris'), @()]", "I will call it now: @(1)", "@: Paris", "@",
              "<function=@>Oslo", 'Sure. {"function": "@", "city": "Pa', "Action: @\nAction Input: Paris")  # fmt: skip
    return generator.choice(shapes).replace("@", name), "stop"


def _tokens(_case: EvalCase, generator: random.Random) -> tuple[str, str]:
    shapes = ("<|im_end|>", "<tool_response>", "<|im_start|>assistant", "</s>", "null", "None", "Answer: []", "1234567",
              "```json\n```", "the the the the", "user user user user", "[[]]", "{}")  # fmt: skip
    return generator.choice(shapes), "stop"


FOOLING: dict[str, Callable[[EvalCase, random.Random], tuple[str, str]]] = {
    "never calls": lambda case, _: (case.gold_text if not case.gold_calls else "I will see what I can do.", "stop"),
    "says Blah.": lambda *_: ("Blah.", "stop"),
    "random weights": _at_random,
    "copies the request": lambda case, _: (case.history[-1].text, "stop"),
    "copies the prompt": lambda case, _: (_prompt(case), "stop"),
    "says nothing": lambda *_: ("", "stop"),
    "an empty list": lambda *_: ("[]", "stop"),
    "attempted calls as text": _as_text,
    "tokens, null, numbers": _tokens,
}


@cache
def cases() -> tuple[EvalCase, ...]:
    """Return 1,800 generated cases: every assistant turn of so many conversations."""
    settings = GeneratorSettings(rows=1_000, seed=11)
    return tuple(case for row in generate(settings) for case in eval_cases(row))[:1_800]


@cache
def answered(name: str) -> tuple[RowScore, ...]:
    """Return how a fooling model's answers to all cases are scored."""
    generator = random.Random(name)
    return tuple(_scored(case, *FOOLING[name](case, generator)) for case in cases())


@cache
def _right_and_wrong() -> tuple[tuple[RowScore, RowScore], ...]:
    """Return how gold to the letter and a wrong answer are scored: a call where none is right, and no call else."""
    call = HERMES.write(next(case.gold_calls for case in cases() if case.gold_calls))
    right = (HERMES.write(case.gold_calls) if case.gold_calls else case.gold_text or "Yes." for case in cases())
    return tuple(
        (_scored(case, text), _scored(case, "I do not know." if case.gold_calls else call))
        for case, text in zip(cases(), right, strict=True)
    )


def _scored(case: EvalCase, text: str, finish: str = "stop") -> RowScore:
    return score_answer(case, HERMES.read(text), finish_reason=finish)


def experiment(generator: random.Random, rows: int) -> tuple[list[int], list[RowScore], list[RowScore]]:
    """Draw which cases are asked, what the LLM answers to them, and what a model that is as right as it does."""
    right, quiet = generator.choice(LLM_RIGHT), round(rows * generator.uniform(0.1, 0.6))
    calling = [place for place, case in enumerate(cases()) if case.gold_calls]
    silent = [place for place, case in enumerate(cases()) if not case.gold_calls]
    asked = generator.sample(silent, min(quiet, len(silent)))
    asked += generator.sample(calling, rows - len(asked))
    pairs = _right_and_wrong()
    llm = [pairs[place][generator.random() >= right] for place in asked]
    return (
        asked,
        llm,
        [own if generator.random() < 0.9 else pairs[place][0] for place, own in zip(asked, llm, strict=True)],
    )


def evaluation(candidate: Candidate, rows: Sequence[RowScore]) -> Evaluation:
    """Return an evaluation of tool calls; the gates read its rows."""
    summary = EvalSummary(candidate_id=candidate.id, answer_format=HERMES, track=Track.TOOLCALL, cases=len(rows),
                          scored=len(rows), unscored=0, metrics={})  # fmt: skip
    result = TrackResult.model_construct(summary=summary, rows=tuple(rows))
    return Evaluation.model_construct(candidate=candidate, status="evaluated", reason="",
                                      results={Track.TOOLCALL: result}, dataset_hash="", artefact_hash="")  # fmt: skip


def passes(own: Sequence[RowScore], theirs: Sequence[RowScore], policy: GatePolicy = POLICY) -> set[str]:
    """Return which gates and criteria a model passes; one that may go on to the next scale has passed that gate."""
    llm, slm, trained = (evaluation(who, rows) for who, rows in (
        (hosted("llm", "s"), theirs), (base("m", "s"), own), (tuned("m", "s", "paper"), own)))  # fmt: skip
    found = {
        f"criterion {item.name}" for item in criteria_of(trained, llm, policy) if item.verdict == "pass" or item.met
    }
    found |= {"fine_tune"} if fine_tune(slm, llm, policy).verdict == "pass" else set()
    going_on = scale_up([trained], llm, policy, scale="s", next_scale="t")
    found |= {"scale_up"} if going_on.verdict == "pass" or going_on.candidates else set()
    found |= {"sealed rows"} if may_be_asked([trained], llm, policy) else set()
    decided = release([trained], llm, policy, model="m", scale="s", sealed=(trained, llm))
    return found | ({"release"} if decided.verdict == "pass" else set())


def policies() -> Iterator[GatePolicy]:
    """Yield the default policy, and one for each other metric that could be the primary and only core one."""
    for name, unit in (("field_f1", "score"), ("exact_match", "rate"), ("name_match", "rate"), ("valid_json", "rate")):
        metric = CoreMetric.model_validate({"unit": unit})
        yield POLICY.model_copy(update={"primary_metric": name, "core_metrics": {name: metric}})


def tally(name: str, rows: int, experiments: int) -> dict[str, int]:
    """Return how often a model passes each gate and criterion, under one policy after the other."""
    generator, tried, found = random.Random(rows), list(policies()), dict[str, int]()
    for number in range(experiments):
        asked, llm, sound = experiment(generator, rows)
        own = sound if name == SOUND else [answered(name)[place] for place in asked]
        for passed in passes(own, llm, tried[number % len(tried)]):
            found[passed] = found.get(passed, 0) + 1
    return found


def main(experiments: int = EXPERIMENTS) -> None:
    """Print how often each model passes each gate, and any of the success criteria."""
    gates = ("fine_tune", "scale_up", "sealed rows", "release")
    head("model", "n", *gates, "success criteria, all together")
    for name in (*FOOLING, SOUND):
        for rows in ROWS:
            found = tally(name, rows, experiments)
            criteria = sum(times for passed, times in found.items() if passed.startswith("criterion"))
            line(name, rows, *(found.get(gate, 0) for gate in gates), criteria)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EXPERIMENTS)
