"""When memory does not suffice: the next plan that needs less for the same recipe, or one sentence that says what fits.

Not here: the plans themselves (`batches`), and the estimate (`memory`).
"""

from __future__ import annotations

from collections.abc import Callable

from swap_assets.backends.methods.batches import BatchPlan
from swap_assets.backends.methods.memory import fits
from swap_assets.backends.processes.specs import MemoryEstimate, TrainSpec

_GB = 1000
_SHORTEST = 256  # tokens; shorter rows are no use


class DoesNotFitError(RuntimeError):
    """The training needs more memory than there is, on the last rung too; the message says what would fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the card, or torch's allocator on CPU, has no memory left."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def first_fitting(plan: BatchPlan, estimated: Callable[[BatchPlan], MemoryEstimate]) -> BatchPlan:
    """Return the first plan on the ladder down from `plan` that is expected to fit, the last one where none is."""
    while not fits(estimated(plan)) and (lower := plan.next_rung()):
        plan = lower
    return plan


def sentence(memory: MemoryEstimate, plan: BatchPlan) -> str:
    """Say what is needed beside what is there."""
    there = f"of {memory.available_mb / _GB:.1f} GB free" if memory.available_mb is not None else "(free: not known)"
    return (
        f"memory: about {memory.total_mb / _GB:.1f} GB {there} (weights {memory.weights_mb / _GB:.1f}, adapter and "
        f"optimiser {memory.adapter_mb / _GB:.1f}, activations {memory.activations_mb / _GB:.1f}, logits "
        f"{memory.logits_mb / _GB:.1f}), {plan}"
    )


def what_would_fit(
    spec: TrainSpec, memory: MemoryEstimate, *, at_length: Callable[[TrainSpec, int], MemoryEstimate]
) -> str:
    """Say what to change so that a training fits which does not on the last rung.

    Args:
        spec: The training.
        memory: Its estimate on the last rung.
        at_length: Estimates a spec with rows of so many tokens, on the last rung.
    """
    fixes = []
    longest = spec.training.max_length
    if spec.training.quantisation == "none":
        quantised = spec.model_copy(update={"training": spec.training.model_copy(update={"quantisation": "nf4"})})
        if fits(at_length(quantised, longest)):
            fixes.append("training.quantisation: nf4")
    lengths = range(longest - longest % _SHORTEST, _SHORTEST - 1, -_SHORTEST)
    if shorter := next((length for length in lengths if length < longest and fits(at_length(spec, length))), None):
        fixes.append(f"training.max_length: {shorter}")
    fixes.append(f"a device with {1.1 * memory.total_mb / _GB:.1f} GB free")
    return (
        f"{spec.weights.source} does not fit with one row at once and gradient checkpointing; by the estimate this "
        f"would: {', or '.join(fixes)}"
    )
