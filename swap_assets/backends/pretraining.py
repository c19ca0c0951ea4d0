"""Makes the demo's miniature models from nothing but seeds: `python -m swap_assets.backends.pretraining`.

The student is pre-trained on the foreign conversations of `swap_assets.domain.pretraining`: it copies values it never
saw, and knows nothing of the demo's formats. A killed run goes on from its last checkpoint in the scratch folder.
"""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from swap_assets.backends.pretraining_exam import exact_match, held_out_questions
from swap_assets.backends.pretraining_loop import Recipe, Trainer, build_model
from swap_assets.backends.pretraining_tokenizer import ConversationEncoder, load_tokenizer, train_tokenizer
from swap_assets.domain.pretraining import pretraining_row

log = logging.getLogger(__name__)

SEED = 2718
STUDENT = Recipe(tokens=12_000_000)
EXAM_ROWS = 128


def make_student(scratch: Path, out: Path, recipe: Recipe) -> None:
    """Pre-train the student, or go on doing so, and save it under `out`/student."""
    tokenizer = _tokenizer(scratch)
    model = build_model(SEED, len(tokenizer), pad=tokenizer.pad_token_id, end=tokenizer.eos_token_id)
    trainer = Trainer(
        model,
        ConversationEncoder(tokenizer),
        recipe=recipe,
        conversation=lambda index: list(pretraining_row(SEED, index).messages),
    )
    questions = held_out_questions(EXAM_ROWS)
    progress = trainer.run(scratch / "student.pt", lambda trained: exact_match(trained, tokenizer, questions))
    save(model, tokenizer, out / "student")
    (scratch / "student-curve.json").write_text(json.dumps(progress.curve, indent=1))


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
    parser.add_argument("--tokens", type=int, default=STUDENT.tokens, help="tokens to pre-train the student on")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)

    import torch

    torch.set_num_threads(arguments.threads)
    make_student(arguments.scratch, arguments.out, replace(STUDENT, tokens=arguments.tokens))


if __name__ == "__main__":
    main()
