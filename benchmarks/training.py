"""Training beside plain `trl`, on the same rows, model, cap and rows a step: `python -m benchmarks.training`.

Every way trains LoRA on all linear maps without dropout, in a process of its own, and its losses must be those of plain
trl. From row to row of the table one thing changes: what trl's `SFTTrainer` does by default, no gradient checkpointing,
one row at a time (nothing padded, as many rows a step), then the project's own trainer, whose output head runs only
where there is loss. Useful tokens are those of the rows, without padding; seconds are processor time on CPU.

CPU: a Llama of 9 million random weights, one thread, 6 steps of 4 rows. Then, where there is a card: shapes of
Llama-3.1-8B and Phi-4-mini with random weights, LoRA in bfloat16 and QLoRA in nf4, 6 steps of 16 rows after as many to
warm up; utilisation counts 4 operations for each weight of the layers' maps and useful token.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.training_models import SHAPES, config_of, frozen_parameters, peak_operations
from benchmarks.training_rows import Lengths, NotEnoughRowsError, prepare, real_rows, synthetic_rows
from benchmarks.training_tables import curves_agree, lost_rows, speed_table
from benchmarks.training_turns import WayFailedError, measure_all
from benchmarks.training_ways import Job, Way
from swap_assets.backends.methods.batches import BatchPlan

CAP, TRL_CAP = 2048, 1024  # tokens of a row; TRL's own default
TOLERANCE = {"cpu": 1e-3, "cuda": 5e-2}  # between losses of one step, in nats: float32, bfloat16
TARGET = {"cpu": 2.5, "cuda": 1.5}


def ways(batch: int, accumulation: int, device: str, *, packing: bool) -> list[Way]:
    """Return the ladder from plain trl to ours; packing is another recipe and comes after it."""
    plain = BatchPlan(micro_batch=batch, accumulation=accumulation, checkpointing=True)
    kept = plain.model_copy(update={"checkpointing": False})
    ladder = [Way("plain trl", plain), Way("no gradient checkpointing", kept)]
    if device == "cpu":
        ladder.append(Way("one row at a time", BatchPlan(micro_batch=1, accumulation=batch * accumulation)))
    ladder.append(Way("ours: and the head only where there is loss" if device == "cpu" else "ours", ours=True))
    if packing:
        ladder += [Way("trl, packed", plain, packing=True), Way("ours, packed", ours=True, packing=True)]
    return ladder


def compare(options: argparse.Namespace, *, device: str, shape: str, quantisation: str) -> bool:
    """Measure every way on one model, print the tables, and say whether the losses agree."""
    accumulation = options.accumulation or (1 if device == "cpu" else 4)
    with tempfile.TemporaryDirectory(prefix="bench-training-") as name:
        folder = Path(name)
        rows = real_rows(Path(os.environ["SWAP_REAL_DATA_DIR"])) if options.real else synthetic_rows()
        vocabulary = min(SHAPES[shape]["vocab_size"], SHAPES["9m"]["vocab_size"])
        used = options.steps * options.batch * accumulation
        lengths = prepare(rows, folder, vocabulary=vocabulary, used=used, caps=(options.cap, TRL_CAP))
        config_of(shape).save_pretrained(folder)
        chosen = ways(options.batch, accumulation, device, packing=options.packing)
        epochs = 1 if device == "cpu" else 2  # a card compiles its kernels in the first, which is not timed
        rate = options.learning_rate or (5e-3 if device == "cpu" else 2e-4)
        jobs = [
            Job(way, folder, shape, quantisation, device, options.batch, accumulation, options.cap, rate, epochs)
            for way in chosen
        ]
        print(_headline(options, lengths, device=device, shape=shape, quantisation=quantisation), flush=True)
        results = measure_all(jobs)
    print(speed_table(chosen, results, lengths, card=_card(shape) if device == "cuda" else None))
    print(lost_rows(chosen, results, lengths))
    return curves_agree(chosen, results, tolerance=TOLERANCE[device], target=TARGET[device])


def _headline(options: argparse.Namespace, lengths: Lengths, *, device: str, shape: str, quantisation: str) -> str:
    every, _, head = frozen_parameters(shape)
    return (
        f"\n### {shape} ({every / 1e6:,.1f}M random weights, {head:.0%} of them in the output head), "
        f"{'QLoRA nf4' if quantisation == 'nf4' else 'LoRA'} on {device}\n\n"
        f"{'real' if options.real else 'synthetic'} rows, {lengths.used} of {lengths.read} used, cap {options.cap}: "
        f"{lengths.tokens / lengths.used:,.0f} tokens each, {lengths.characters_a_token:.1f} characters a token; the "
        f"assistant's share is {lengths.assistant_share:.1%} of the characters and "
        f"{lengths.trained / lengths.tokens:.1%} of the tokens; {_versions()}\n"
    )


def _versions() -> str:
    from importlib.metadata import version

    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "trl", "peft"))
    return f"{libraries}, Python {platform.python_version()}"


def _card(shape: str) -> tuple[int, float | None]:
    import torch

    name = torch.cuda.get_device_name()
    print(f"card: {name}")
    return frozen_parameters(shape)[1], peak_operations(name)


def main(arguments: Sequence[str]) -> int:
    """Run the part for CPU, the part for a card, or both; return 1 where losses differ or a way failed."""
    options = parse(arguments)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    agree = True
    try:
        if options.device != "cuda":
            agree &= compare(options, device="cpu", shape=options.shape or "9m", quantisation="none")
        if options.device != "cpu":
            agree &= on_card(options)
    except (WayFailedError, NotEnoughRowsError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(not agree)


def on_card(options: argparse.Namespace) -> bool:
    """Measure both shapes in both precisions on the card; without one say so, which is no failure."""
    import torch

    if not torch.cuda.is_available():
        print("\nNo CUDA device: Llama-3.1-8B's and Phi-4-mini's shapes were not measured.")
        return True
    shapes = (options.shape,) if options.shape else ("llama-3.1-8b", "phi-4-mini")
    runs = [(shape, precision) for shape in shapes for precision in ("none", "nf4")]
    agree = True
    for shape, precision in runs:
        agree &= compare(options, device="cuda", shape=shape, quantisation=precision)
    return agree


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--device", choices=("both", "cpu", "cuda"), default="both")
    parser.add_argument("--shape", choices=tuple(SHAPES), help="9m on CPU, both large ones on a card by default")
    parser.add_argument("--quick", action="store_true", help="2 steps")
    parser.add_argument("--steps", type=int, default=6, help="optimiser steps")
    parser.add_argument("--batch", type=int, default=4, help="rows that plain trl takes at once")
    parser.add_argument("--accumulation", type=int, default=0, help="times that it does so in a step; 1, on a card 4")
    parser.add_argument("--cap", type=int, default=CAP, help="tokens of a row at most")
    parser.add_argument("--learning-rate", type=float, default=0.0)
    parser.add_argument("--real", action="store_true", help="real Hermes rows, of the folder SWAP_REAL_DATA_DIR")
    parser.add_argument("--packing", action="store_true", help="packed ways too, which are other recipes")
    options = parser.parse_args(arguments)
    options.steps = 2 if options.quick else options.steps
    if options.real and not os.environ.get("SWAP_REAL_DATA_DIR"):
        parser.error("--real wants SWAP_REAL_DATA_DIR, a folder with Hermes rows as docs/data.md describes it")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
