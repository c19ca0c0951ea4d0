"""Tools and calls by a chat template: what a published one writes of them, and what is laid before it for the rest.

Gemma 3's template knows neither, Phi-4-mini's no calls, DeepSeek V3's no tools, Llama 3.1's one call a turn. What is
missing is written in the syntax of the model's family (`domain.formats.families`), in Jinja, so that whoever serves the
model writes the same. Prompts without tools and calls are the business of `chat_template`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from swap_assets.domain.formats.families import family_of
from swap_assets.domain.formats.prompts import Message

ASKED, SAID, TOLD, SYSTEM = "asked-word", "said-word", "told-word", "system-word"
USER, ASSISTANT = {"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}
ROLES = {"system": {"role": "system", "content": SYSTEM}, "tool": {"role": "tool", "content": TOLD}}
_KEY = {"type": "object", "properties": {"key-word": {"type": "string", "description": "d"}}, "required": ["key-word"]}
_OFFER = {"type": "function", "function": {"name": "offered-word", "description": "d", "parameters": _KEY}}
HEAD: Message = {"role": "system", "content": "", "tools": [_OFFER]}


def _calling(*names: str) -> Message:
    functions = [{"name": name, "arguments": {"key-word": f"{name}-given"}} for name in names]
    calls = [{"id": f"call{at:05}", "type": "function", "function": one} for at, one in enumerate(functions)]
    return {"role": "assistant", "content": "", "tool_calls": calls}


ONE_CALL, _TWO_CALLS = _calling("called"), _calling("called", "another")
# Calls that the template does not write are text to it, in the syntax of its family.
_AS_TEXT = (
    "{%%- set laid = namespace(messages=[]) -%%}{%%- for message in messages -%%}"
    "{%%- if message['tool_calls'] and %s -%%}"
    "{%%- set calls = message['tool_calls']|map(attribute='function')|list -%%}"
    "{%%- set text -%%}{{- message['content'] ~ '\\n' if message['content'] else '' }}%s{%%- endset -%%}"
    "{%%- set message = {'role': 'assistant', 'content': text} -%%}{%%- endif -%%}"
    "{%%- set laid.messages = laid.messages + [message] -%%}{%%- endfor -%%}{%%- set messages = laid.messages -%%}"
)
_TOOLS_TOLD = (
    "{%%- if tools -%%}{%%- set offered -%%}%s{%%- endset -%%}{%%- set tools = none -%%}"
    "{%%- set system = messages[0]['content'] if messages and messages[0]['role'] == 'system' else '' -%%}"
    "{%%- set messages = [{'role': 'system', %s}] + (messages[1:] if messages and messages[0]['role'] == 'system' "
    "else messages) -%%}{%%- endif -%%}"
)
_INSIDE, _BESIDE = "'content': system ~ ('\\n\\n' if system else '') ~ offered", "'content': system, 'tools': offered"


class TemplateError(ValueError):
    """A chat template cannot be used; the message is one sentence that says why."""


class Fitted(NamedTuple):
    """A chat template that takes every conversation, and what it was given for that, in words."""

    text: str
    given: tuple[str, ...]


def has_calls(template: str, special: Mapping[str, Any]) -> bool:
    """Say whether a template writes one call, as the last turn and with its response and an answer behind it."""
    answered = [{**ROLES["tool"], "tool_call_id": "call00000", "name": "called"}, ASSISTANT]
    words = "called", "key-word", "called-given"
    return all(_writes(template, special, [USER, ONE_CALL, *rest], *words, *map(_content, rest))
               for rest in ([], answered))  # fmt: skip


@cache
def _laid_for_calls(template: str, known: tuple[tuple[str, Any], ...]) -> Fitted:
    """Return what a template needs before it for `tools` and `tool_calls`, by its family's entry, and that in words."""
    family, special = family_of(template), dict(known)
    laid, given = "", list[str]()
    if not has_calls(template, special):
        laid, given = _AS_TEXT % ("true", family.calls), ["tool calls as text"]
    elif not _writes(template, special, [USER, _TWO_CALLS], "called-given", "another-given"):
        many = "(message['tool_calls']|length > 1 or message['tool_calls'][0]['function']['arguments'] is string)"
        laid, given = family.several or _AS_TEXT % (many, family.calls), ["several tool calls in one turn"]
    if not _writes(template, special, [USER], "offered-word"):
        where = _BESIDE if family.beside else _INSIDE
        laid, given = laid + _TOOLS_TOLD % (family.tools, where), [*given, "tools in the system message"]
    return Fitted(laid, tuple(given))


def for_calls(template: str, special: Mapping[str, Any]) -> Fitted:
    """Return a fitted template that writes tools and calls too, and what it was given for that, in words."""
    laid = _laid_for_calls(template, tuple((name, one) for name, one in special.items() if isinstance(one, str)))
    return Fitted(laid.text + template, laid.given)


def _writes(template: str, special: Mapping[str, Any], messages: list[Message], *words: str) -> bool:
    try:
        text = written(template, special, messages, [_OFFER])
    except TemplateError:
        return False
    return all(word in text for word in words)


def _content(message: Message) -> str:
    return str(message["content"])


def written(
    template: str, special: Mapping[str, Any], messages: list[Message], tools: list[Any] | None, *, ask: bool = False
) -> str:
    """Return messages as a template writes them, as transformers would; TemplateError where it refuses them."""
    from transformers.utils.chat_template_utils import render_jinja_template

    how: Any = {"chat_template": template, "tools": tools, "add_generation_prompt": ask, **special}
    try:
        [text], _ = render_jinja_template([messages], **how)
    except Exception as error:  # whatever jinja or the template raises
        raise TemplateError(f"the chat template does not take the messages: {error}") from None
    return text
