"""Chat templates that mark what the assistant says, so that only that is trained.

A template without `{% generation %}` masks every token silently. In this order: the tokenizer's own template where it
has the marks, a file of `chat_templates/` for a family that lacks them, TRL's patched copy where it knows the exact
template; else a clear error. The template that trained is saved with the adapter and answers with it too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FOLDER = Path(__file__).parent / "chat_templates"
_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")
# family -> a text that its own template holds and no other family's does
_FAMILIES = {
    "phi-4-mini": "<|tool|>",
    "llama-3": "<|start_header_id|>",
    "chatml": "<|im_start|>",
}


class TemplateError(ValueError):
    """No chat template with generation marks is known for a model."""


def has_generation_marks(template: str) -> bool:
    """Say whether a chat template marks the assistant's text."""
    return bool(_MARK.search(template))


def ensure_training_template(tokenizer: PreTrainedTokenizerBase, name: str) -> str:
    """Give a tokenizer a template with generation marks and return it.

    Raises:
        TemplateError: the model's family is not known.
    """
    template = tokenizer.chat_template or ""
    own = template.get("default", "") if isinstance(template, dict) else template
    if not has_generation_marks(own):
        own = family_template(own) or _trl_template(tokenizer) or ""
    if not own:
        raise TemplateError(
            f"the chat template of {name} marks no assistant text, so nothing could be trained: save its tokenizer "
            "with a template that wraps the assistant's content in {% generation %} and name that folder as the model"
        )
    tokenizer.chat_template = own
    return own


def family_template(template: str) -> str | None:
    """Return this package's marked template for the family that a plain template belongs to, None for no family."""
    for family, sign in _FAMILIES.items():
        if sign in template:
            return (_FOLDER / f"{family}.jinja").read_text(encoding="utf-8")
    return None


def _trl_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    if not tokenizer.chat_template:
        return None
    from trl.chat_template_utils import get_training_chat_template

    try:
        return get_training_chat_template(tokenizer)
    except ValueError:
        return None
