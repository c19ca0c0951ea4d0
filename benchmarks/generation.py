"""Rows per second: the guide's loop, plain sorted batches, ours. Run as `python -m benchmarks.generation [--quick]`.

Random weights, so that nothing has to be downloaded: what is computed is the same. Random text ends nowhere, so each
row ends after a number of tokens of its own; nobody is told it beforehand. Prompts and answers are as long as those of
the call rows of Hermes func_calling_singleturn: 3,200 and 295 characters in the median, at 3.4 characters a token.
The ways take turns, `--repeats` times; the table has each way's best time. On a CPU that others use too, seconds of the
clock say little: beside them stands the processor's own time, in which waiting for others does not count.

`python -m benchmarks.generation --device cuda` is the same on one card with a model of the shape of Llama 3.1 8B in
bfloat16: many rows at once against one by one.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.backends.engines.decoding import decode
from swap_assets.backends.engines.rows import Budget, Row
from swap_assets.backends.engines.sharing import sharing

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LIMIT = 448  # tokens of an answer at most, as an experiment would set it
SHAPES: dict[str, dict[str, Any]] = {
    "16m": {"vocab_size": 8192, "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8,
            "num_attention_heads": 6, "num_key_value_heads": 2},
    "8b": {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
           "num_attention_heads": 32, "num_key_value_heads": 8},
}  # fmt: skip
# On a card of 80 GB the 8B shape's weights take 16 GB and the cache of 262,144 tokens 34 GB.
DEFAULTS: dict[str, dict[str, Any]] = {
    "cpu": {"shape": "16m", "rows": 64, "repeats": 2, "batch": 8, "tokens": 32_768},
    "cuda": {"shape": "8b", "rows": 128, "repeats": 1, "batch": 32, "tokens": 262_144},
}


@dataclass(eq=False)
class FixedRow(Row):
    """A row whose answer ends after `length` tokens, which whoever plans the rows cannot see."""

    length: int = 0

    @property
    def ended(self) -> bool:
        """Whether the answer is whole."""
        return len(self.tokens) == self.length


def make_rows(count: int, vocabulary: int, *, seed: int = 1) -> list[FixedRow]:
    """Return rows of Hermes' lengths with random tokens."""
    draw = random.Random(seed)

    def length(median: float, spread: float, least: int, most: int) -> int:
        return round(min(max(median * draw.lognormvariate(0, spread), least), most))

    return [
        FixedRow(
            index,
            [draw.randrange(vocabulary) for _ in range(length(930, 0.3, 500, 1440))],
            LIMIT,
            length=length(87, 0.65, 30, 375),
        )
        for index in range(count)
    ]


def make_model(shape: str, device: str) -> PreTrainedModel:
    """Return a Llama of a shape with random weights: float32 on a CPU, bfloat16 on a card."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(**SHAPES[shape], max_position_embeddings=4096, tie_word_embeddings=True, eos_token_id=None)
    config.dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        before = torch.get_default_dtype()
        torch.set_default_dtype(config.dtype)
        model = LlamaForCausalLM(config).eval()
        torch.set_default_dtype(before)
    return model


def in_batches(model: PreTrainedModel, rows: Sequence[FixedRow], *, size: int) -> None:
    """Answer as transformers does: left-padded batches sorted by length; of size 1 it is the guide's loop."""
    import torch

    ordered = sorted(rows, key=lambda row: -len(row.prompt))
    for start in range(0, len(ordered), size):
        batch = ordered[start : start + size]
        longest = max(len(row.prompt) for row in batch)
        ids = torch.tensor([[0] * (longest - len(row.prompt)) + row.prompt for row in batch], device=model.device)
        mask = torch.tensor([[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in batch])
        # A batch lasts until its longest answer has ended; `generate` goes on computing the ended rows just so.
        most = max(row.length for row in batch)
        with torch.inference_mode():
            generator: Any = model
            found = generator.generate(
                inputs=ids, attention_mask=mask.to(model.device), do_sample=False, max_new_tokens=most, pad_token_id=0
            )
        for row, answer in zip(batch, found[:, longest:].tolist(), strict=True):
            row.tokens = answer[: row.length]


def ours(model: PreTrainedModel, rows: Sequence[FixedRow], *, budget: int) -> None:
    """Answer over one cache whose slots are filled again."""
    assert not sharing(model).reason
    for _ in decode(model, rows, stops=frozenset(), budget=Budget(budget)):
        pass


class Seconds(NamedTuple):
    """What a way takes, by the clock and of this process's processor time."""

    clock: float
    processor: float


def timed(way: Callable[[Sequence[FixedRow]], None], rows: Sequence[FixedRow], device: str) -> Seconds:
    """Return the seconds that a way takes."""
    import torch

    began, spent = time.perf_counter(), time.process_time()
    way(rows)
    if device == "cuda":
        torch.cuda.synchronize()
    return Seconds(time.perf_counter() - began, time.process_time() - spent)


def main(arguments: Sequence[str]) -> int:
    """Print the table; return 1 where a text differs in float32, 2 where there is no card."""
    options = parse(arguments)
    import torch
    from transformers.utils import logging

    if options.device == "cuda" and not torch.cuda.is_available():
        print("--device cuda needs an NVIDIA card and a torch built for it, and torch sees none", file=sys.stderr)
        return 2
    logging.set_verbosity_error()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = make_model(options.shape, options.device)
    size = sum(parameter.numel() for parameter in model.parameters())
    ways: dict[str, Callable[[Sequence[FixedRow]], None]] = {
        "one by one, `generate`": lambda rows: in_batches(model, rows, size=1),
        f"sorted batches of {options.batch}, `generate`": lambda rows: in_batches(model, rows, size=options.batch),
        f"one cache, {options.tokens} tokens": lambda rows: ours(model, rows, budget=options.tokens),
    }
    best, texts = measured(ways, options)
    print(f"{size / 1e6:,.0f}M parameters, {options.rows} rows, {where(options.device)}\n")
    print(table(best, texts, rows=options.rows))
    reference = next(iter(texts.values()))
    return int(options.device == "cpu" and any(found != reference for found in texts.values()))


def measured(
    ways: Mapping[str, Callable[[Sequence[FixedRow]], None]], options: argparse.Namespace
) -> tuple[dict[str, Seconds], dict[str, list[list[int]]]]:
    """Return each way's least seconds and its tokens; the ways take turns after a warm-up."""
    vocabulary = SHAPES[options.shape]["vocab_size"]
    best, texts = dict.fromkeys(ways, Seconds(float("inf"), float("inf"))), {}
    for way in ways.values():
        way(make_rows(2, vocabulary, seed=9))
    for _ in range(options.repeats):
        for name, way in ways.items():
            rows = make_rows(options.rows, vocabulary)
            taken = timed(way, rows, options.device)
            best[name] = Seconds(*map(min, best[name], taken))
            texts[name] = [row.tokens for row in rows]
    return best, texts


def where(device: str) -> str:
    """Say what computed."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def table(best: Mapping[str, Seconds], texts: Mapping[str, Sequence[Sequence[int]]], *, rows: int) -> str:
    """Return the ways as a Markdown table; the first one is what the others are compared with."""
    loop, reference = next(iter(best.values())), next(iter(texts.values()))
    lines = [
        "| way | rows a second | against one by one | the same in processor time | identical texts |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, seconds in best.items():
        same = sum(one == other for one, other in zip(reference, texts[name], strict=True))
        ratios = f"{loop.clock / seconds.clock:.2f}x | {loop.processor / seconds.processor:.2f}x"
        lines.append(f"| {name} | {rows / seconds.clock:.2f} | {ratios} | {same} of {rows} |")
    return "\n".join(lines)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="24 rows, once")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--shape", choices=tuple(SHAPES), help="16m on a cpu, 8b on a card")
    parser.add_argument("--rows", type=int, help="64 on a cpu, 128 on a card")
    parser.add_argument("--repeats", type=int, help="2 on a cpu, 1 on a card")
    parser.add_argument("--batch", type=int, help="rows of a plain batch: 8 on a cpu, 32 on a card")
    parser.add_argument("--tokens", type=int, help="our way's budget: 32,768 tokens on a cpu, 262,144 on a card")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rows, options.repeats = 24, 1
    for name, value in DEFAULTS[options.device].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
