"""Chat templates that mark what the assistant says, and tokenizers that give back what answers are made of.

A template without `{% generation %}` masks every token silently. In this order: the tokenizer's own template where it
has the marks, a file of `chat_templates/` for a family that lacks them, TRL's patched copy where it knows the exact
template; else a clear error. The template that trained is saved with the adapter and answers with it too.

A tokenizer that takes `<tool_call>` for a special token drops it when an answer is read, and one that tidies blanks
changes values: both look like a model that cannot call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Texts that answers are made of.
PROBES = (
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    '<tool_call name="weather">{"city": "Oslo"}</tool_call>',
    '[{"tool_name": "weather", "arguments": {"days": 3, "share": 2.50, "exact": true, "note": null}}]',
    '{"city": "Þórshöfn, 東京 · Ελλάδα 🌧️", "escaped": "\\u00e9\\n\\t\\""}',
    '{"text": "two  blanks,\\n a comma , and don \'t . Stop !"}\n\n  {"indented":\ttrue}',
)
REMEDY = "save a copy of it in which these are ordinary tokens and no blank is tidied, and name that folder as path"
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


class TokenizerError(ValueError):
    """A tokenizer changes what it reads; the message names an example."""


def changed_probe(there_and_back: Callable[[str], str]) -> str:
    """Return how the first probe that does not survive comes back, an empty text where all do."""
    for probe in PROBES:
        back = there_and_back(probe)
        if back != probe:
            return f"{probe!r} comes back as {back!r}"
    return ""


def require_round_trip(tokenizer: Any, name: str) -> None:
    """Make sure that a loaded tokenizer gives back what answers are made of.

    Raises:
        TokenizerError: it does not.
    """

    def there_and_back(text: str) -> str:
        return tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"], skip_special_tokens=True)

    if changed := changed_probe(there_and_back):
        raise TokenizerError(f"the tokenizer of {name} changes answers: {changed}; {REMEDY}")
