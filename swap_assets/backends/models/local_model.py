"""Loading a local model and its tokenizer, with or without an adapter: one way for training, answering and merging."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends.models.chat_template import ensure_training_template, require_round_trip
from swap_assets.backends.processes.specs import Weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class ModelUnavailableError(RuntimeError):
    """A model cannot be loaded; the message is one sentence that says what to do."""


def quiet_libraries() -> None:
    """Switch off telemetry, progress bars and advice that would bury the worker's own lines."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for library in ("trl", "bitsandbytes", "mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.ERROR)
    # Deprecations between the pinned libraries themselves; nobody who reads a training log can act on them.
    warnings.filterwarnings("ignore", category=FutureWarning)


def limit_threads(threads: int) -> None:
    """Give torch so many CPU threads; 0 leaves its own choice. More threads than cores cost up to 20x."""
    if threads:
        import torch

        torch.set_num_threads(threads)


def device_name() -> str:
    """Return `cuda` where torch sees a card, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_tokenizer(weights: Weights, *, padding_side: str = "right") -> PreTrainedTokenizerBase:
    """Load a tokenizer whose chat template marks what the assistant says.

    Raises:
        ModelUnavailableError: there is no such model, or it may not be read.
        TemplateError: no template with generation marks is known for it.
        TokenizerError: it does not give back what answers are made of.
    """
    from transformers import AutoTokenizer

    tokenizer = _loaded(AutoTokenizer.from_pretrained, weights, padding_side=padding_side)
    # Some tokenizers tidy " ," into "," when they decode, which would change values in answers.
    tokenizer.clean_up_tokenization_spaces = False
    require_round_trip(tokenizer, weights.source)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    ensure_training_template(tokenizer, weights.source)
    return tokenizer


def load_config(weights: Weights) -> Any:
    """Load a model's configuration, which says among others whether its weights are stored quantised.

    Raises:
        ModelUnavailableError: there is no such model, or it may not be read.
    """
    from transformers import AutoConfig

    return _loaded(AutoConfig.from_pretrained, weights)


def load_base(weights: Weights, *, quantisation: str = "none") -> PreTrainedModel:
    """Load a base model in evaluation mode on the device there is.

    `quantisation` "nf4" loads it in 4 bit with double quantisation and bfloat16 arithmetic (QLoRA, Dettmers 2023).

    Raises:
        ModelUnavailableError: there is no such model, or it may not be read.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    # Pickled weights could run code of strangers; a repository that has no others is refused.
    options: dict[str, Any] = {"dtype": getattr(torch, weights.dtype), "use_safetensors": True}
    if quantisation == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    if device_name() == "cuda":
        # Of several processes (`accelerate launch`) each has the card of its number.
        options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}
    return _loaded(AutoModelForCausalLM.from_pretrained, weights, **options).eval()


def load_adapted(weights: Weights, adapter: Path | None) -> PreTrainedModel:
    """Load a base model with an adapter laid over it, or the base alone where `adapter` is None.

    Raises:
        ModelUnavailableError: the base or the adapter is not there.
    """
    base = load_base(weights)
    if adapter is None:
        return base
    if not (adapter / "adapter_config.json").is_file():
        raise ModelUnavailableError(f"{adapter} holds no adapter; train it first")
    from peft import PeftModel

    return PeftModel.from_pretrained(base, str(adapter)).eval()  # type: ignore[return-value]


def _loaded(loader: Any, weights: Weights, **options: Any) -> Any:
    source = weights.source
    if Path(source).is_absolute() and not Path(source).is_dir():
        raise ModelUnavailableError(f"there is no model folder {source}; correct the model's path")
    try:
        return loader(
            source, revision=weights.revision or "main", trust_remote_code=weights.trust_remote_code, **options
        )
    except (OSError, ValueError) as error:
        raise ModelUnavailableError(explain_loading(source, str(error))) from error


def explain_loading(source: str, message: str) -> str:
    """Turn a library's complaint about a model into one sentence that says what to do."""
    lowered = message.lower()
    if "gated" in lowered or "401" in lowered or "403" in lowered:
        return (
            f"{source} is gated: accept its licence on huggingface.co and set HUGGING_FACE_HUB_TOKEN to a token "
            "that may read it"
        )
    if "trust_remote_code" in lowered:
        return f"{source} runs code of its own: set trust_remote_code: true in the model's entry if you trust it"
    if "offline" in lowered or "connect" in lowered or "cached files" in lowered:
        return f"{source} is neither on this machine nor reachable: check the network, HF_HUB_OFFLINE and the name"
    return f"{source} cannot be loaded: {message.strip().splitlines()[0] if message.strip() else 'no reason given'}"
