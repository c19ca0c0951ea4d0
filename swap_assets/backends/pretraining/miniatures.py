"""Makes the demo's miniature models from nothing but seeds: `python -m swap_assets.backends.pretraining.miniatures`.

The student is pre-trained in two stages on the foreign conversations of `domain.pretraining.stream`: it copies
values it never saw, and knows nothing of the demo's formats. The teacher starts as the student and goes on with the
demo's own kind of conversation (`teacher`). A killed run goes on from its last checkpoint in the scratch
folder; what is done is not done again.
"""

import argparse
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swap_assets.backends.pretraining.exam import Question, exact_match, held_out_questions
from swap_assets.backends.pretraining.loop import Recipe, Trainer, build_model
from swap_assets.backends.pretraining.teacher import exam_questions, teacher_conversation
from swap_assets.backends.pretraining.tokenizer import ConversationEncoder, load_tokenizer, train_tokenizer
from swap_assets.domain.contracts import Contract
from swap_assets.domain.pretraining.stream import SECOND_STAGE, Message, pretraining_row

log = logging.getLogger(__name__)

SEED = 2718
FIRST_STAGE_RECIPE = Recipe(tokens=8_000_000)
SECOND_STAGE_RECIPE = Recipe(tokens=4_000_000, matrix_rate=0.01, other_rate=1.5e-3, decay_from=0.0)
TEACHER_RECIPE = Recipe(tokens=2_500_000, matrix_rate=0.01, other_rate=1.5e-3, decay_from=0.2)
EXAM_ROWS = 128


@dataclass(frozen=True)
class Miniature:
    """What makes a miniature: its recipe, the rows it learns from, and the questions that its curve is measured on."""

    name: str
    recipe: Recipe
    conversation: Callable[[int], list[Message]]
    exams: Mapping[str, Sequence[Question]]


def student(name: str, recipe: Recipe, first_row: int) -> Miniature:
    """Return the making of the student in one of its stages, which begins at `first_row` of the stream."""
    exams = {"held_out": held_out_questions(EXAM_ROWS)}
    return Miniature(name, recipe, lambda index: list(pretraining_row(SEED, first_row + index).messages), exams)


def teacher(recipe: Recipe) -> Miniature:
    """Return the making of the teacher; its curve is measured on rows of the training pool, never of the test pool."""
    exams = {
        contract.value: exam_questions(contract, EXAM_ROWS, narrow=True, pool="train")
        for contract in (Contract.HERMES, Contract.FLEDGLING_STRUCTURED)
    }
    return Miniature("teacher", recipe, lambda index: teacher_conversation(SEED, index), exams)


def make(miniature: Miniature, *, scratch: Path, out: Path, start: Path | None = None) -> None:
    """Train a miniature, or go on doing so, and save it under `out`; it begins as the model in `start` if given."""
    from transformers import AutoModelForCausalLM

    tokenizer = _tokenizer(scratch)
    if start is None:
        model = build_model(SEED, len(tokenizer), pad=tokenizer.pad_token_id, end=tokenizer.eos_token_id)
    else:
        model = AutoModelForCausalLM.from_pretrained(start, dtype="float32")

    def examine(trained: Any) -> dict[str, float]:
        scores = {name: exact_match(trained, tokenizer, questions) for name, questions in miniature.exams.items()}
        return {f"{name} {kind}": rate for name, rates in scores.items() for kind, rate in rates.items()}

    trainer = Trainer(
        model, ConversationEncoder(tokenizer), recipe=miniature.recipe, conversation=miniature.conversation
    )
    progress = trainer.run(scratch / f"{miniature.name}.pt", examine)
    save(model, tokenizer, out / miniature.name)
    (scratch / f"{miniature.name}-curve.json").write_text(json.dumps(progress.curve, indent=1))


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model in float16 with its tokenizer and greedy generation settings; the model itself stays float32."""
    import copy

    import torch
    from transformers import GenerationConfig

    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    half = copy.deepcopy(model).to(torch.float16)
    half.generation_config = GenerationConfig(do_sample=False, eos_token_id=end, pad_token_id=pad)
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(scratch: Path) -> Any:
    folder = scratch / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        train_tokenizer(SEED).save_pretrained(folder)
    return load_tokenizer(folder)


def main() -> None:
    """Read the command line and make the miniatures."""
    parser = argparse.ArgumentParser(description="Make the demo's miniature models.")
    parser.add_argument("--out", type=Path, default=Path("swap_assets/miniatures"))
    parser.add_argument("--scratch", type=Path, default=Path(".swap/miniatures"), help="checkpoints and curves")
    parser.add_argument("--tokens", type=int, default=FIRST_STAGE_RECIPE.tokens, help="the student's first stage")
    parser.add_argument(
        "--more-tokens", type=int, default=SECOND_STAGE_RECIPE.tokens, help="the student's second stage"
    )
    parser.add_argument(
        "--teacher-tokens", type=int, default=TEACHER_RECIPE.tokens, help="what the teacher learns after that"
    )
    parser.add_argument("--only", choices=("student", "teacher"), help="make one; a teacher starts from OUT/student")
    parser.add_argument("--threads", type=int, default=1, help="more only helps on an idle machine")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)

    import torch

    torch.set_num_threads(arguments.threads)
    paths = {"scratch": arguments.scratch, "out": arguments.out}
    if arguments.only != "teacher":
        first = student("student-first", replace(FIRST_STAGE_RECIPE, tokens=arguments.tokens), 0)
        make(first, scratch=arguments.scratch, out=arguments.scratch)
        second = student("student", replace(SECOND_STAGE_RECIPE, tokens=arguments.more_tokens), SECOND_STAGE)
        make(second, **paths, start=arguments.scratch / first.name)
    if arguments.only != "student":
        recipe = replace(TEACHER_RECIPE, tokens=arguments.teacher_tokens)
        make(teacher(recipe), **paths, start=arguments.out / "student")


if __name__ == "__main__":
    main()
