"""How much memory a training will need, and what to do when it does not suffice: the ladder of batch plans.

The estimate is made from shapes alone, before any weight is loaded; accelerate's is of weights only. Its search for a
batch size that fits (`find_executable_batch_size`, the trainer's `auto_find_batch_size`) begins the training anew with
fewer rows a step, which is another recipe: here the rows of a step stay, and the training goes on before the step that
failed.

What autograd keeps of a Llama-like layer with LoRA on every linear map, for each token and in bytes (b: bytes of the
compute dtype, h: hidden, q: heads x head size, f: intermediate, d: b plus the byte of dropout's mask, with dropout):

    two norms in float32                        8 h
    inputs of q, k, v, gate and up maps         5 d h   (without dropout: two shared ones, 2 b h)
    queries, keys, values, attention's output   4 b q   (grouped keys and values are repeated for the kernel)
    input of the output map                       d q   (without dropout it is attention's output)
    gate, its activation, up                    3 b f
    input of the down map                         d f   (without dropout b f)

Under gradient checkpointing a layer keeps its input alone (b h), and one layer at a time all of the above.
Loss takes the logits of the positions that carry loss, once in b and three times in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from swap_assets.backends.methods.batches import BatchPlan
from swap_assets.backends.models.local_model import load_config
from swap_assets.backends.processes.hardware import hardware
from swap_assets.backends.processes.specs import MemoryEstimate, TrainSpec

_MB = 1_000_000
_GB = 1000  # MB
_SHORTEST = 256  # tokens; shorter rows are no use
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# 4 bits a weight, and 8-bit scales of 64 weights with 32-bit scales of 256 of those (QLoRA, section 3).
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
_SPARE = 1.1  # fragmentation, workspaces


class DoesNotFitError(RuntimeError):
    """The training needs more memory than there is, on the last rung too; the message says what would fit."""


class ModelShape(NamedTuple):
    """What a base model's memory depends on."""

    parameters: int
    linear_parameters: int  # in the maps inside the layers, which nf4 stores in 4 bits
    adapter_parameters: int
    layers: int
    hidden: int
    attention: int
    intermediate: int
    vocabulary: int


def model_shape(spec: TrainSpec) -> ModelShape:
    """Read a model's shape from its configuration; no weight is loaded."""
    import torch
    from transformers import AutoModelForCausalLM

    config = load_config(spec.weights)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=spec.weights.trust_remote_code)
    head = model.get_output_embeddings()
    modules = model.named_modules()
    maps = {name: part for name, part in modules if isinstance(part, torch.nn.Linear) and part is not head}
    targets = spec.lora.target_modules
    adapted = [part for name, part in maps.items() if targets == "all-linear" or name.split(".")[-1] in targets]
    text = config.get_text_config()
    head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return ModelShape(
        parameters=sum(part.numel() for part in model.parameters()),
        linear_parameters=sum(part.weight.numel() for part in maps.values()),
        adapter_parameters=sum(spec.lora.r * (part.in_features + part.out_features) for part in adapted),
        layers=text.num_hidden_layers, hidden=text.hidden_size, attention=text.num_attention_heads * head_size,
        intermediate=getattr(text, "intermediate_size", None) or 4 * text.hidden_size, vocabulary=text.vocab_size,
    )  # fmt: skip


def estimate(
    spec: TrainSpec, shape: ModelShape, plan: BatchPlan, *, longest: int, most_trained: int, device: str
) -> MemoryEstimate:
    """Estimate the peak memory of a training on `cpu` or `cuda`.

    `longest` are the tokens of the longest row, `most_trained` the most of one row that carry loss.
    """
    nf4 = spec.training.quantisation == "nf4"
    stored = _BYTES[spec.weights.dtype]
    # On a card arithmetic is bfloat16 whatever the weights are.
    compute = 2 if device == "cuda" else stored
    small = shape.linear_parameters if nf4 else 0
    tokens = plan.micro_batch * longest
    layer = _layer_bytes(shape, b=compute, d=compute + 1 if spec.lora.dropout > 0 else 0)
    kept = shape.layers * (compute * shape.hidden if plan.checkpointing else layer) + layer * plan.checkpointing
    return MemoryEstimate(
        weights_mb=round(((shape.parameters - small) * stored + small * _NF4_BYTES) / _MB, 1),
        # The adapter, its gradients and Adam's two moments; TRL keeps a QLoRA adapter in bfloat16.
        adapter_mb=round(shape.adapter_parameters * 4 * (2 if nf4 else 4) / _MB, 1),
        activations_mb=round(tokens * kept / _MB, 1),
        logits_mb=round(plan.micro_batch * most_trained * shape.vocabulary * (compute + 12) / _MB, 1),
        available_mb=available_mb(device, alone=plan.processes == 1),
    )


def _layer_bytes(shape: ModelShape, *, b: int, d: int) -> int:
    """Return the sum of the table above; `d` is 0 without dropout."""
    h, q, f = shape.hidden, shape.attention, shape.intermediate
    return 8 * h + (5 * d or 2 * b) * h + (4 * b + d) * q + (3 * b + (d or b)) * f


def available_mb(device: str, *, alone: bool) -> float | None:
    """Return the free memory of the card, or of the machine; None where the system does not say.

    Several processes have to come to the same plan, and what is free differs between them: for them it is all of a card
    (cards of one training are of one kind), and on a machine that they share it is not known.
    """
    if device == "cuda":
        import torch

        free, total = torch.cuda.mem_get_info()
        return round((free if alone else total) / _MB, 1)
    available = hardware().memory_free_gib if alone else None
    return round(available * 1024**3 / _MB, 1) if available is not None else None


def fits(memory: MemoryEstimate) -> bool:
    """Whether an estimate, with a tenth to spare, is below what is there; so where that is not known."""
    return memory.available_mb is None or memory.total_mb * _SPARE <= memory.available_mb


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
    """Say what to change so that a training fits which does not, by its estimate, on the last rung.

    `at_length` estimates a spec with rows of so many tokens on that rung.
    """
    fixes, longest = [], spec.training.max_length
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
