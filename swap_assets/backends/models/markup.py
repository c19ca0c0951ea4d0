"""Whether a tokenizer gives back, letter by letter, what answers are made of; looked at without transformers.

A tokenizer that takes `<tool_call>` for a special token drops it when an answer is read, and one that tidies blanks
changes values: both look like a model that cannot call.
"""

import json
from collections.abc import Callable
from typing import Any

from swap_assets.backends.models.chat_template import family_template, has_generation_marks
from swap_assets.backends.models.files import ModelFiles
from swap_assets.backends.models.findings import Finding

PROBES = (
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    '<tool_call name="weather">{"city": "Oslo"}</tool_call>',
    '[{"tool_name": "weather", "arguments": {"days": 3, "share": 2.50, "exact": true, "note": null}}]',
    '{"city": "Þórshöfn, 東京 · Ελλάδα 🌧️", "escaped": "\\u00e9\\n\\t\\""}',
    '{"text": "two  blanks,\\n a comma , and don \'t . Stop !"}\n\n  {"indented":\ttrue}',
)


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
        raise TokenizerError(f"the tokenizer of {name} changes answers: {changed}; {_REMEDY}")


_REMEDY = "save a copy of it in which these are ordinary tokens and no blank is tidied, and name that folder as path"


def round_trip(files: ModelFiles) -> Finding:
    """Check the tokenizer file of a model."""
    from tokenizers import Tokenizer

    path = files.read("tokenizer.json")
    if path is None:
        return Finding(what="tokenizer", state="warn", detail="it has no tokenizer.json; checked when it is loaded")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more exact
        return Finding(what="tokenizer", state="fail", detail=f"{path} cannot be read ({error}); fetch it again")
    changed = changed_probe(
        lambda text: tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=True)
    )
    if changed:
        return Finding(what="tokenizer", state="fail", detail=f"it changes answers: {changed}; {_REMEDY}")
    return Finding(what="tokenizer", state="ok", detail=f"{len(PROBES)} answers come back letter by letter")


def template(files: ModelFiles) -> Finding:
    """Check that the chat template marks what the assistant says, or that its family has one that does."""
    text = _template_text(files)
    if text and has_generation_marks(text):
        return Finding(what="template", state="ok", detail="its own marks the assistant's text")
    if text and family_template(text):
        return Finding(what="template", state="ok", detail="its family's marked template takes its place")
    if text:
        detail = "no mark of the assistant's text and no known family: training refuses unless trl knows it exactly"
        return Finding(what="template", state="warn", detail=f"{detail}; add {{% generation %}} to it")
    detail = "it has no chat template, so it cannot be asked as an assistant; name its instruct version"
    return Finding(what="template", state="fail", detail=detail)


def _template_text(files: ModelFiles) -> str:
    if path := files.read("chat_template.jinja"):
        return path.read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json"):
        if path := files.read(name):
            found = json.loads(path.read_text(encoding="utf-8")).get("chat_template") or ""
            if isinstance(found, list):  # named templates, as some tokenizers have them
                found = next((item["template"] for item in found if item.get("name") == "default"), "")
            if found:
                return str(found)
    return ""
