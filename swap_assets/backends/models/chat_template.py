"""A model's chat template: looked at once, given what it lacks; what is asked by it, and which token ends an answer.

Templates are published for chatting. Some know no system or tool message (Gemma 3, gpt-oss without its own calls), some
want strict alternation, some read the clock (gpt-oss) and some write before an answer what they don't ask with (Qwen3's
empty thinking, gpt-oss's channel). `fitted` mends that in the text of the template itself, so that training, answering
and whoever serves the saved model render the same; a template that lacks nothing stays as it is, letter by letter.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from swap_assets.domain.formats.prompts import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")
# Llama 3.1's template has this day where others ask the clock: prompts may not change overnight.
_DAY = datetime.date(2024, 7, 26)
_CLOCK = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
_ASKED, _SAID, _TOLD, _SYSTEM = "asked-word", "said-word", "told-word", "system-word"
_USER, _ASSISTANT = {"role": "user", "content": _ASKED}, {"role": "assistant", "content": _SAID}
_ROLES = {"system": {"role": "system", "content": _SYSTEM}, "tool": {"role": "tool", "content": _TOLD}}
# What a role that the template lacks has to say is told by the user, whose neighbouring messages become one.
_LAID_BEFORE = (
    "{%%- set laid = namespace(messages=[]) -%%}{%%- for message in messages -%%}"
    "{%%- set role = 'user' if message['role'] in %s else message['role'] -%%}"
    "{%%- set before = laid.messages[-1] if laid.messages else none -%%}"
    "{%%- if before and before['role'] == role == 'user' -%%}"
    "{%%- set whole = before['content'] ~ '\\n\\n' ~ message['content'] -%%}"
    "{%%- set laid.messages = laid.messages[:-1] + [{'role': role, 'content': whole}] -%%}"
    "{%%- elif role != message['role'] -%%}"
    "{%%- set laid.messages = laid.messages + [{'role': role, 'content': message['content']}] -%%}"
    "{%%- else -%%}{%%- set laid.messages = laid.messages + [message] -%%}{%%- endif -%%}{%%- endfor -%%}"
    "{%%- set messages = laid.messages -%%}"
)
_THINKS = "{%- set enable_thinking = true -%}{%- set thinking = true -%}"
_ASKS_ITSELF = (
    "{%%- set asks = add_generation_prompt -%%}{%%- set add_generation_prompt = false -%%}%s"
    "{%%- if asks -%%}{{- %s -}}{%%- endif -%%}"
)


class TemplateError(ValueError):
    """A chat template cannot be used; the message is one sentence that says why."""


class Fitted(NamedTuple):
    """A chat template that takes every conversation, and what it was given for that, in words."""

    text: str
    given: tuple[str, ...]


def fitted(template: str, special: Mapping[str, Any], *, name: str, thinking: bool = False) -> Fitted:
    """Return a template that takes system, tool and neighbouring messages, no clock, and asks as it writes answers.

    `special` are the tokenizer's tokens that templates name, such as `bos_token`. What is fitted already stays. One
    that is to ask for `thinking` asks as it was published: such answers are read, and never trained.

    Raises:
        TemplateError: there is no template, it renders no conversation, or its prompt does not begin its own answers.
    """
    if not template:
        raise TemplateError(f"{name} has no chat template, so it cannot be asked; name its instruct version")
    text = _CLOCK.sub(lambda found: json.dumps(_DAY.strftime(found[2])), template)
    given = ["a fixed day in place of the clock"] * (text != template)
    lacks = [role for role, said in _ROLES.items() if not _shows(text, special, _conversation(role, said))]
    whole = [_ROLES["system"], _USER, _ASSISTANT, _ROLES["tool"], _ROLES["tool"], _USER, _USER, _ASSISTANT]
    if lacks or not _shows(text, special, whole):
        text = _LAID_BEFORE % lacks + text
        given += [f"{role} messages as the user's" for role in lacks] + ["neighbouring messages of the user's as one"]
    try:
        render(text, special, whole)
        asked, answered = render(text, special, [_USER], ask=True), render(text, special, [_USER, _ASSISTANT])
    except TemplateError as error:
        raise TemplateError(f"{name} cannot be used: {error}") from None
    if not _shows(text, special, whole):
        raise TemplateError(
            f"the chat template of {name} leaves messages out: save its tokenizer with one that does not"
        )
    if thinking:
        return Fitted(_THINKS + text, (*given, "it is asked to think"))
    before = render(text, special, [_USER])
    if not answered.startswith(asked) and answered.startswith(before) and "<think>" in asked[len(before) :]:
        # It asks for a thought that it does not write into what was said (DeepSeek R1): ask without one.
        lead = answered[len(before) : answered.index(_SAID, len(before))]
        text = _ASKS_ITSELF % (text, json.dumps(lead))
        asked, given = before + lead, [*given, f"asks with {lead!r} in place of {asked[len(before) :]!r}"]
    if not answered.startswith(asked) or _SAID not in answered:
        raise TemplateError(
            f"the chat template of {name} asks for an answer with {asked[-40:]!r} and writes it another way: no "
            "prompt is the beginning of a training row: save its tokenizer with a template that asks as it answers"
        )
    if lead := answered[len(asked) : answered.index(_SAID, len(asked))]:
        text += "{%- if add_generation_prompt %}{{- " + json.dumps(lead) + " }}{%- endif %}"
        given.append(f"answers are asked for from behind {lead!r}")
    return Fitted(text, tuple(given))


def _conversation(role: str, said: Message) -> list[Message]:
    return [said, _USER, _ASSISTANT] if role == "system" else [_USER, _ASSISTANT, said, _ASSISTANT]


def _shows(template: str, special: Mapping[str, Any], messages: Sequence[Message]) -> bool:
    """Say whether a template renders messages without an error, every one of them."""
    try:
        text = render(template, special, messages)
    except TemplateError:
        return False
    wanted = [message["content"] for message in messages]
    return all(text.count(content) >= wanted.count(content) for content in wanted)


def render(template: str, special: Mapping[str, Any], messages: Sequence[Message], *, ask: bool = False) -> str:
    """Return messages as a template writes them, as transformers would; `ask` ends with where the assistant speaks.

    TemplateError where the template refuses them.
    """
    from transformers.utils.chat_template_utils import render_jinja_template

    told, tools = with_tools(messages)
    if tools and not ("tools" in template and "tool_calls" in template):
        raise TemplateError(
            "the chat template writes no tools or no tool_calls, which the answer format native leaves to it: name "
            "another answer format, such as hermes"
        )
    how: Any = {"chat_template": template, "tools": tools, "add_generation_prompt": ask, **special}
    try:
        [text], _ = render_jinja_template([told], **how)
    except Exception as error:  # whatever jinja or the template raises
        raise TemplateError(f"the chat template does not take the messages: {error}") from None
    return text


def with_tools(messages: Sequence[Message]) -> tuple[list[Message], list[dict[str, Any]] | None]:
    """Return messages as a template takes them, and the tools that the first one carries where calls are native."""
    if not messages or "tools" not in messages[0]:
        return list(messages), None
    head = {name: value for name, value in messages[0].items() if name != "tools"}
    return [head] * bool(head["content"]) + list(messages[1:]), messages[0]["tools"] or None


def fit_tokenizer(tokenizer: PreTrainedTokenizerBase, name: str, *, thinking: bool = False) -> Fitted:
    """Give a tokenizer its fitted template, which it is saved with; TemplateError as `fitted`."""
    template = tokenizer.chat_template or ""
    own = template.get("default", "") if isinstance(template, dict) else template
    found = fitted(own, tokenizer.special_tokens_map, name=name, thinking=thinking)
    tokenizer.chat_template = found.text
    return found


def has_generation_marks(template: str) -> bool:
    """Say whether a chat template marks the assistant's text."""
    return bool(_MARK.search(template))


def render_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """Return the text that the model reads: the chat template up to where the assistant speaks."""
    return render(str(tokenizer.chat_template), tokenizer.special_tokens_map, messages, ask=True)


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Return the tokens of a rendered text, without any that the tokenizer would add."""
    encoded: Any = tokenizer(prompt, add_special_tokens=False)
    return list(encoded["input_ids"])


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that ends an answer: the last special one of an assistant's turn, wherever the turn stands.

    Behind it some templates write a line break (Gemma), or an end of text behind the last turn alone (Phi-4-mini).
    TemplateError where a turn ends without a special token.
    """
    how = str(tokenizer.chat_template), tokenizer.special_tokens_map
    last, between = (
        prompt_tokens(tokenizer, render(*how, [_USER, _ASSISTANT, *more]).partition(_SAID)[2]) for more in ([], [_USER])
    )
    everywhere = [one for one, other in takewhile(lambda pair: pair[0] == pair[1], zip(last, between, strict=False))]
    special = {token for token, known in tokenizer.added_tokens_decoder.items() if known.special}
    # gpt-oss ends the last turn of all with another token than those before: that is the one to stop at.
    for tokens in (everywhere, last):
        if ends := [token for token in tokens if token in special]:
            return ends[-1]
    raise TemplateError(
        f"the chat template of {tokenizer.name_or_path} ends an answer with no special token, so no answer would end: "
        "save its tokenizer with a template that writes eos_token behind what the assistant says"
    )
