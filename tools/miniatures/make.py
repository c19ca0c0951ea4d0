"""Makes the demo's miniature models from nothing but seeds: `python -m tools.miniatures.make`.

The student is pre-trained in three stages on the foreign conversations of `stream`, the last of them
in two parts: it copies values it never saw, and knows nothing of the demo's formats. The pupil is the student after the
first part less one of its four layers, with a little training to get used to that: the same skills, weaker. The teacher
goes on from the student with the demo's own kind of conversation (`teacher`), so briefly that it knows every tool a
little and none well, as a generalist does. A killed run goes on from its last checkpoint in the scratch folder; what is
done is not done again.
"""

import argparse
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from tools.miniatures.exam import Question, exact_match, held_out_questions
from tools.miniatures.loop import Recipe, Trainer, build_model
from tools.miniatures.stages import SECOND_STAGE, THIRD_STAGE
from tools.miniatures.stream import Message, pretraining_row
from tools.miniatures.teacher import exam_questions, teacher_conversation
from tools.miniatures.tokenizer import ConversationEncoder, load_tokenizer, train_tokenizer

log = logging.getLogger(__name__)

SEED = 2718
FIRST_STAGE_RECIPE = Recipe(tokens=8_000_000)
SECOND_STAGE_RECIPE = Recipe(tokens=4_000_000, matrix_rate=0.01, other_rate=1.5e-3, decay_from=0.0)
_GOES_ON = Recipe(tokens=0, matrices="adamw", matrix_rate=4e-4, other_rate=4e-4, decay_from=0.0)
THIRD_STAGE_RECIPE = replace(_GOES_ON, tokens=2_000_000, checkpoint_every=500_000)
LONGER_RECIPE = replace(_GOES_ON, tokens=5_000_000, matrix_rate=5e-4, other_rate=5e-4)
LONGER_ROW = THIRD_STAGE + 4_000_000
PUPIL_RECIPE = replace(_GOES_ON, tokens=200_000, matrix_rate=1e-3, other_rate=1e-3)
PUPIL_LAYERS = (0, 2, 3)
PUPIL_ROW = THIRD_STAGE + 2_000_000
TEACHER_RECIPE = replace(LONGER_RECIPE, tokens=200_000)
EXAM_ROWS = 128
NAMES = ("student", "pupil", "teacher")


@dataclass(frozen=True)
class Miniature:
    """What makes a miniature: its recipe, the rows it learns from, and the questions that its curve is measured on."""

    name: str
    recipe: Recipe
    conversation: Callable[[int], list[Message]]
    exams: Mapping[str, Sequence[Question]]
    layers: Sequence[int] = ()


def student(name: str, recipe: Recipe, first_row: int, *, layers: Sequence[int] = ()) -> Miniature:
    """Return the making of a student in one of its stages, which begins at `first_row` of the stream.

    Where `layers` names some, the others are taken out of the model that it starts as.
    """
    exams = {"held_out": held_out_questions(EXAM_ROWS)}
    return Miniature(name, recipe, lambda index: list(pretraining_row(SEED, first_row + index).messages), exams, layers)


def teacher(recipe: Recipe) -> Miniature:
    """Return the making of the teacher; its curve is measured on rows of the training pool, never of the test pool."""
    exams = {
        answer_format.name: exam_questions(answer_format, EXAM_ROWS, narrow=True, pool="train")
        for answer_format in (HERMES, FLEDGLING_STRUCTURED)
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
    if miniature.layers:
        keep_layers(model, miniature.layers)

    def examine(trained: Any) -> dict[str, float]:
        scores = {name: exact_match(trained, tokenizer, questions) for name, questions in miniature.exams.items()}
        return {f"{name} {kind}": rate for name, rates in scores.items() for kind, rate in rates.items()}

    trainer = Trainer(
        model, ConversationEncoder(tokenizer), recipe=miniature.recipe, conversation=miniature.conversation
    )
    progress = trainer.run(scratch / f"{miniature.name}.pt", examine)
    save(model, tokenizer, out / miniature.name)
    (scratch / f"{miniature.name}-curve.json").write_text(json.dumps(progress.curve, indent=1))


def keep_layers(model: Any, layers: Sequence[int]) -> None:
    """Take every other layer out of a model, in place."""
    import torch

    model.model.layers = torch.nn.ModuleList([model.model.layers[place] for place in layers])
    kept: list[Any] = list(model.model.layers)
    for place, layer in enumerate(kept):
        layer.self_attn.layer_idx = place  # its place in the cache of keys and values
    model.config.num_hidden_layers = len(layers)


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


def make_all(only: str | None, *, scratch: Path, out: Path) -> None:
    """Make the miniatures one after the other, or `only` one of `NAMES`."""
    if only in (None, "student"):
        first, second = (
            student("student-1", FIRST_STAGE_RECIPE, 0),
            student("student-2", SECOND_STAGE_RECIPE, SECOND_STAGE),
        )
        make(first, scratch=scratch, out=scratch)
        make(second, scratch=scratch, out=scratch, start=scratch / first.name)
        third = student("student-3", THIRD_STAGE_RECIPE, THIRD_STAGE)
        make(third, scratch=scratch, out=scratch, start=scratch / second.name)
        longer = student("student", LONGER_RECIPE, LONGER_ROW)
        make(longer, scratch=scratch, out=out, start=scratch / third.name)
    if only in (None, "pupil"):
        pupil = student("pupil", PUPIL_RECIPE, PUPIL_ROW, layers=PUPIL_LAYERS)
        make(pupil, scratch=scratch, out=out, start=scratch / "student-3")
    if only in (None, "teacher"):
        make(teacher(TEACHER_RECIPE), scratch=scratch, out=out, start=out / "student")


def main() -> None:
    """Read the command line and make the miniatures."""
    parser = argparse.ArgumentParser(description="Make the demo's miniature models.")
    parser.add_argument("--out", type=Path, default=Path("swap_assets/miniatures"))
    parser.add_argument("--scratch", type=Path, default=Path(".swap/miniatures"), help="checkpoints and curves")
    parser.add_argument("--only", choices=NAMES, help="make one; the others start from what the student left")
    parser.add_argument("--threads", type=int, default=1, help="more only helps on an idle machine")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)

    import torch

    torch.set_num_threads(arguments.threads)
    make_all(arguments.only, scratch=arguments.scratch, out=arguments.out)


if __name__ == "__main__":
    main()
