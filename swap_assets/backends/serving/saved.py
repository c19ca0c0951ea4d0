"""What is saved beside weights so that any OpenAI-compatible server asks and ends as training and evaluation did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from swap_assets.backends.engines.local import stop_tokens
from swap_assets.backends.models.chat_template import template_for
from swap_assets.backends.processes.specs import TrainSpec
from swap_assets.backends.store.whole import write_text
from swap_assets.domain.formats.chat_requests import served

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

GENERATION = "generation_config.json"


def save_tokenizer(
    folder: Path, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, own_stops: int | list[int] | None
) -> None:
    """Save a tokenizer whose template takes chat requests as `spec` trained them, and a configuration for decoding.

    That is greedy and ends with every token that ends an answer; `own_stops` are the base's.
    """
    how = spec.answer_format, spec.prompt_style, spec.system
    fitted = str(tokenizer.chat_template)
    tokenizer.chat_template = served(*how) + template_for(tokenizer, spec.answer_format)
    try:
        tokenizer.save_pretrained(str(folder))
    finally:
        tokenizer.chat_template = fitted
    ends = {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id}
    # A server that samples unless told otherwise reads the temperature; transformers reads do_sample.
    greedy = {"do_sample": False, "temperature": 0.0, "eos_token_id": stop_tokens(own_stops, tokenizer)}
    known = {name: one for name, one in (ends | greedy).items() if one is not None}
    write_text(folder / GENERATION, json.dumps(known, indent=1) + "\n")
