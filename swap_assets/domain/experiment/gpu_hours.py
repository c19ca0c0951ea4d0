"""How long cards work, by arithmetic: training by its operations, answering by what the memory has to move.

Training takes 6 operations a parameter and token (Kaplan et al. 2020: 2 forward, 4 backward, all parameters counted).
LoRA saves the gradients of frozen weights (then 4), and recomputing activations is a second forward pass (then 6), so 6
stays for every recipe. A card reaches 30 % of its peak in batches as small as here, and nf4 weights, which are
unpacked for each product, cost 15 % more. Several cards share a training without loss, which is kind to them.

Answering reads every weight once for each token of a batch, at 60 % of the memory's bandwidth, after the prompts went
through the model like a forward pass of training. Loading a model and compiling are left out: minutes each.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_OPERATIONS, _FORWARD = 6, 2
_SHARE_OF_PEAK, _SHARE_OF_BANDWIDTH = 0.30, 0.60
_UNPACKING = 1.15
_LENGTHS = (2048, 4096, 8192)
_MIB_A_TOKEN = 6  # of one row in training, with room for the weights: 4,096 tokens on 24 GiB, 8,192 on 48
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


class Card(NamedTuple):
    """A card by its maker's data sheet: dense bf16 with float32 sums in TFLOPS, memory in GiB, bandwidth in GB/s."""

    name: str
    tflops: float
    memory_gib: int
    bandwidth: float


# NVIDIA's data sheets; of the RTX cards, appendix A of the white papers on GA102 and AD102. Sparsity is not counted.
CARDS = (
    Card("H200", 989, 141, 4800),
    Card("H100 PCIe", 756, 80, 2000),
    Card("H100", 989, 80, 3350),
    Card("A100", 312, 80, 2039),
    Card("L40S", 362, 48, 864),
    Card("RTX 4090", 165, 24, 1008),
    Card("RTX 3090", 71, 24, 936),
    Card("A10", 125, 24, 600),
    Card("L4", 121, 24, 300),
)


def card_named(name: str) -> Card | None:
    """Return the card that a name means, also as `nvidia-smi` writes it (`NVIDIA H100 80GB HBM3`); None: not known."""
    if "Laptop" in name:
        return None
    return next((card for card in CARDS if re.search(rf"\b{re.escape(card.name)}\b", name)), None)


def length_for(rows: Sequence[int], card: Card) -> int:
    """Return the least of three lengths that 19 of 20 rows fit, in tokens, or the most that a card has room for."""
    room = [length for length in _LENGTHS if length * _MIB_A_TOKEN <= card.memory_gib * 1024]
    return next((length for length in room if sum(row <= length for row in rows) >= 0.95 * len(rows)), room[-1])


def training_hours(*, billions: float, tokens: float, nf4: bool, card: Card) -> float:
    """Return the hours of one card that training a model of so many billion parameters on `tokens` takes."""
    operations = _OPERATIONS * billions * 1e9 * tokens * (_UNPACKING if nf4 else 1)
    return operations / (card.tflops * 1e12 * _SHARE_OF_PEAK) / 3600


def answering_hours(
    answers: int, *, billions: float, dtype: str, prompt: float, written: float, rows: int, card: Card
) -> float:
    """Return the hours of one card for so many answers, of which so many `rows` are written at once.

    `billions` are of parameters of a `dtype`, `prompt` and `written` are tokens of a prompt and of an answer.
    """
    reading = _FORWARD * billions * 1e9 * prompt / (card.tflops * 1e12 * _SHARE_OF_PEAK)
    writing = written * billions * 1e9 * _BYTES[dtype] / (card.bandwidth * 1e9 * _SHARE_OF_BANDWIDTH) / rows
    return answers * (reading + writing) / 3600
