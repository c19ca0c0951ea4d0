"""Loading a local model and its tokenizer, with or without an adapter: one way for training, answering and merging.

Its chat template is fitted once (`chat_template`): the one that trained is saved with the adapter and answers too.

A tokenizer that takes `<tool_call>` for a special token drops it when an answer is read, and one that tidies blanks
changes values: both look like a model that cannot call.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends.models.chat_template import fit_tokenizer
from swap_assets.backends.processes.specs import Weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Texts that answers are made of.
PROBES = (
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    '<tool_call name="weather">{"city": "Oslo"}</tool_call>',
    '[{"tool_name": "weather", "arguments": {"days": 3, "share": 2.50, "exact": true, "note": null}}]',
    '{"city": "Þórshöfn, 東京 · Ελλάδα 🌧️", "escaped": "\\u00e9\\n\\t\\""}',
    '{"text": "two  blanks,\\n a comma , and don \'t . Stop !"}\n\n  {"indented":\ttrue}',
)
REMEDY = "save a copy of it in which these are ordinary tokens and no blank is tidied, and name that folder as path"
# What libraries say when a model cannot be loaded, and what it means.
_COMPLAINTS = {
    ("gated", "401", "403"): "is gated: accept its licence on huggingface.co and set HUGGING_FACE_HUB_TOKEN to a token "
    "that may read it",
    ("trust_remote_code",): "runs code of its own: set trust_remote_code: true in the model's entry if you trust it",
    ("offline", "connect", "cached files"): "is neither on this machine nor reachable: check the network, "
    "HF_HUB_OFFLINE and the name",
}


class ModelUnavailableError(RuntimeError):
    """A model cannot be loaded; the message is one sentence that says what to do."""


def quiet_libraries() -> None:
    """Switch off telemetry, progress bars and advice that would bury the worker's own lines."""
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    os.environ.update({name: value for name, value in quiet.items() if name not in os.environ})
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


def load_tokenizer(weights: Weights, *, padding_side: str = "right", thinking: bool = False) -> PreTrainedTokenizerBase:
    """Load a tokenizer with a chat template that takes every conversation, and asks for `thinking` or for none.

    Raises:
        ModelUnavailableError: there is no such model, or it may not be read.
        TemplateError: its chat template cannot be used.
        TokenizerError: it does not give back what answers are made of.
    """
    from transformers import AutoTokenizer

    tokenizer = _loaded(AutoTokenizer.from_pretrained, weights, padding_side=padding_side)
    # Some tokenizers tidy " ," into "," when they decode, which would change values in answers.
    tokenizer.clean_up_tokenization_spaces = False
    require_round_trip(tokenizer, weights.source)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    fit_tokenizer(tokenizer, weights.source, thinking=thinking)
    return tokenizer


def load_config(weights: Weights) -> Any:
    """Load a model's configuration, which says whether it is stored quantised; ModelUnavailableError as `load_base`."""
    from transformers import AutoConfig

    return _loaded(AutoConfig.from_pretrained, weights)


def load_base(weights: Weights, *, quantisation: str = "none") -> PreTrainedModel:
    """Load a base model in evaluation mode on the device there is.

    `quantisation` "nf4" loads it in 4 bit with double quantisation and bfloat16 arithmetic (QLoRA, Dettmers 2023).
    ModelUnavailableError where there is no such model, or it may not be read.
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
    """Load a base model with an adapter laid over it, or the base alone; ModelUnavailableError where one is missing."""
    base = load_base(weights)
    if adapter is None:
        return base
    require_adapter(adapter)
    from peft import PeftModel
    from peft.tuners.trainable_tokens import TrainableTokensLayer

    adapted = PeftModel.from_pretrained(base, str(adapter)).eval()
    for part in adapted.modules():
        # Else each token that is said copies the whole embedding twice: 1.4 s instead of 0.2 s with Gemma 3 270M.
        if isinstance(part, TrainableTokensLayer):
            part.merge()
    return adapted  # type: ignore[return-value]


def require_adapter(folder: Path) -> None:
    """Make sure that an adapter is there; ModelUnavailableError where there is none."""
    if not (folder / "adapter_config.json").is_file():
        raise ModelUnavailableError(f"{folder} holds no adapter; train it first")


def trains_tokens(adapter: Path) -> bool:
    """Say whether an adapter holds embeddings beside its low-rank maps."""
    settings = adapter / "adapter_config.json"
    return settings.is_file() and bool(json.loads(settings.read_text("utf-8")).get("trainable_token_indices"))


def _loaded(loader: Any, weights: Weights, **options: Any) -> Any:
    source = weights.source
    if Path(source).is_absolute() and not Path(source).is_dir():
        raise ModelUnavailableError(f"there is no model folder {source}; correct the model's path")
    options |= {"revision": weights.revision or "main", "trust_remote_code": weights.trust_remote_code}
    try:
        return loader(source, **options)
    except (OSError, ValueError) as error:
        raise ModelUnavailableError(explain_loading(source, str(error))) from error


def explain_loading(source: str, message: str) -> str:
    """Turn a library's complaint about a model into one sentence that says what to do."""
    for signs, told in _COMPLAINTS.items():
        if any(sign in message.lower() for sign in signs):
            return f"{source} {told}"
    return f"{source} cannot be loaded: {message.strip().splitlines()[0] if message.strip() else 'no reason given'}"


class TokenizerError(ValueError):
    """A tokenizer changes what it reads; the message names an example."""


def changed_probe(there_and_back: Callable[[str], str]) -> str:
    """Return how the first probe that does not survive comes back, an empty text where all do."""
    backs = ((probe, there_and_back(probe)) for probe in PROBES)
    return next((f"{probe!r} comes back as {back!r}" for probe, back in backs if back != probe), "")


def require_round_trip(tokenizer: Any, name: str) -> None:
    """Make sure that a loaded tokenizer gives back what answers are made of; TokenizerError where it does not."""

    def there_and_back(text: str) -> str:
        return tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"], skip_special_tokens=True)

    if changed := changed_probe(there_and_back):
        raise TokenizerError(f"the tokenizer of {name} changes answers: {changed}; {REMEDY}")
