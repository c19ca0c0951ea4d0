"""The models of the training benchmark: shapes with random weights, made where they are used."""

from __future__ import annotations

from typing import Any

# "9m" has the output head's share of Phi-4-mini (17 % of the parameters; 16 % there, 7 % in Llama-3.1-8B).
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": True},
    "phi-tiny": {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                 "num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": True},
    "9m": {"vocab_size": 6144, "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8,
           "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True},
    "phi-4-mini": {"vocab_size": 200064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
                   "num_attention_heads": 24, "num_key_value_heads": 8, "tie_word_embeddings": True,
                   "partial_rotary_factor": 0.75, "sliding_window": None},
    "llama-3.1-8b": {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                     "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": False},
}  # fmt: skip
# Dense bfloat16 products, 10^12 operations a second, by the makers' data sheets; the first name that fits counts.
PEAKS = {"H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "H200": 989, "GH200": 989, "A100": 312, "L40S": 362}


def config_of(shape: str) -> Any:
    """Return a shape's configuration: Phi's maps are fused, the others are Llamas."""
    from transformers import LlamaConfig, Phi3Config

    family = Phi3Config if shape.startswith("phi") else LlamaConfig
    special = {"bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0, "attention_dropout": 0.0}
    return family(**SHAPES[shape], **special, max_position_embeddings=4096)


def make_model(shape: str, *, device: str, quantisation: str = "none") -> Any:
    """Return a shape with random weights on a device: float32 on CPU, bfloat16 on a card; "nf4" quantises its maps."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config_of(shape), dtype=dtype)
    if quantisation == "nf4":
        quantise(model)
    return model.eval()


def quantise(model: Any) -> None:
    """Store the linear maps of a model, all but its head, in nf4 with double quantisation (QLoRA), in place."""
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit

    head = model.get_output_embeddings()
    is_map = {name: isinstance(part, torch.nn.Linear) and part is not head for name, part in model.named_modules()}
    for name in (name for name, wanted in is_map.items() if wanted):
        part = model.get_submodule(name)  # not kept in a list, so that its full weights are freed at once
        small = Linear4bit(
            part.in_features, part.out_features, part.bias is not None,
            compute_dtype=torch.bfloat16, compress_statistics=True, quant_type="nf4", device="meta",
        )  # fmt: skip
        weight = Params4bit(part.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4")
        small.weight, small.bias = weight.to(part.weight.device), part.bias
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, small)
    model.is_loaded_in_4bit = True  # peft and trl ask for this


def frozen_parameters(shape: str) -> tuple[int, int, float]:
    """Return a shape's parameters, those in the maps of its layers, and the output head's share of all."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config_of(shape))
    every = sum(part.numel() for part in model.parameters())
    head = model.get_output_embeddings()
    maps = [part for part in model.modules() if isinstance(part, torch.nn.Linear) and part is not head]
    return every, sum(part.weight.numel() for part in maps), head.weight.numel() / every


def peak_operations(name: str) -> float | None:
    """Return a card's dense bfloat16 operations a second by its name, None where it is not known."""
    return next((1e12 * peak for card, peak in PEAKS.items() if card in name), None)
