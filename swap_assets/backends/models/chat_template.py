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
from typing import TYPE_CHECKING, Any

from swap_assets.backends.models.native_calls import (
    ASKED,
    ASSISTANT,
    HEAD,
    ONE_CALL,
    ROLES,
    SAID,
    TOLD,
    USER,
    Fitted,
    TemplateError,
    for_calls,
    has_calls,
    written,
)  # fmt: skip
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.chat_requests import not_served
from swap_assets.domain.formats.prompts import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")
# Llama 3.1's template has this day where others ask the clock: prompts may not change overnight.
_DAY = datetime.date(2024, 7, 26)
_CLOCK = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
# What a role that the template lacks has to say is told by the user, whose neighbouring messages become one. Behind
# calls that the template writes itself a response keeps its role.
_LAID_BEFORE = (
    "{%%- set laid = namespace(messages=[]) -%%}"
    "{%%- set lacks = %s if messages|selectattr('tool_calls')|list else %s -%%}"
    "{%%- for message in messages -%%}"
    "{%%- set role = 'user' if message['role'] in lacks else message['role'] -%%}"
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
# Ours puts tags around a response; a template that does the same gets it without.
_TAGS = "<tool_response>\n", "\n</tool_response>"
_UNTAGGED = (
    "{%- set laid = namespace(messages=[]) -%}{%- for message in messages -%}"
    "{%- if message['role'] == 'tool' and message['content'].startswith('<tool_response>\\n') -%}"
    "{%- set message = dict(message, content=message['content'][16:-17]) -%}{%- endif -%}"
    "{%- set laid.messages = laid.messages + [message] -%}{%- endfor -%}{%- set messages = laid.messages -%}"
)


def fitted(template: str, special: Mapping[str, Any], *, name: str, thinking: bool = False) -> Fitted:
    """Return a template that takes system, tool and neighbouring messages, no clock, and asks as it writes answers.

    `special` are the tokenizer's tokens that templates name, such as `bos_token`. What is fitted already stays. One
    that is to ask for `thinking` asks as it was published: such answers are read, and never trained.

    Raises:
        TemplateError: there is no template, it renders no conversation, or its prompt does not begin its own answers.
    """
    if not template:
        raise TemplateError(f"{name} has no chat template, so it cannot be asked; name its instruct version")
    text = _CLOCK.sub(lambda found: json.dumps(_DAY.strftime(found[2])), not_served(template))
    given = ["a fixed day in place of the clock"] * (text != not_served(template))
    own_calls = has_calls(text, special)
    lacks = [role for role, said in ROLES.items() if not _shows(text, special, _conversation(role, said))]
    whole = [ROLES["system"], USER, ASSISTANT, ROLES["tool"], ROLES["tool"], USER, USER, ASSISTANT]
    if lacks or not _shows(text, special, whole):
        behind_calls = [role for role in lacks if role != "tool"] if own_calls else lacks
        text = _LAID_BEFORE % (behind_calls, lacks) + text
        given += [f"{role} messages as the user's" for role in lacks] + ["neighbouring messages of the user's as one"]
    tagged = {"role": "tool", "content": TOLD.join(_TAGS)}
    try:
        if TOLD.join(_TAGS).join(_TAGS) in render(text, special, _conversation("tool", tagged)):
            text = _UNTAGGED + text
            given.append("responses without tags of ours inside its own")
        render(text, special, whole)
    except TemplateError as error:
        raise TemplateError(f"{name} cannot be used: {error}") from None
    if not _shows(text, special, whole):
        raise TemplateError(
            f"the chat template of {name} leaves messages out: save its tokenizer with one that does not"
        )
    if thinking:
        return Fitted(_THINKS + text, (*given, "it is asked to think"))
    return _asking_as_it_answers(text, special, given, name=name, own_calls=own_calls)


def _asking_as_it_answers(
    text: str, special: Mapping[str, Any], given: list[str], *, name: str, own_calls: bool
) -> Fitted:
    asked, answered = render(text, special, [USER], ask=True), render(text, special, [USER, ASSISTANT])
    before = render(text, special, [USER])
    if not answered.startswith(asked) and answered.startswith(before) and "<think>" in asked[len(before) :]:
        # It asks for a thought that it does not write into what was said (DeepSeek R1): ask without one.
        lead = answered[len(before) : answered.index(SAID, len(before))]
        text = _ASKS_ITSELF % (text, json.dumps(lead))
        asked, given = before + lead, [*given, f"asks with {lead!r} in place of {asked[len(before) :]!r}"]
    if not answered.startswith(asked) or SAID not in answered:
        raise TemplateError(
            f"the chat template of {name} asks for an answer with {asked[-40:]!r} and writes it another way: no "
            "prompt is the beginning of a training row: save its tokenizer with a template that asks as it answers"
        )
    if lead := answered[len(asked) : answered.index(SAID, len(asked))]:
        # Where calls go out on another channel than words, the model says which as soon as tools are on offer.
        one_way = not own_calls or render(text, special, [HEAD, USER, ONE_CALL]).startswith(
            render(text, special, [HEAD, USER], ask=True) + lead
        )
        only = "" if one_way else " and not tools"
        text += "{%- if add_generation_prompt" + only + " %}{{- " + json.dumps(lead) + " }}{%- endif %}"
        given.append(f"answers {'' if one_way else 'without tools '}are asked for from behind {lead!r}")
    return Fitted(text, tuple(given))


def template_for(tokenizer: PreTrainedTokenizerBase, answer_format: AnswerFormat) -> str:
    """Return the template by which a tokenizer's model is asked in an answer format."""
    template = str(tokenizer.chat_template)
    return for_calls(template, tokenizer.special_tokens_map).text if answer_format.marks else template


def _conversation(role: str, said: Message) -> list[Message]:
    return [said, USER, ASSISTANT] if role == "system" else [USER, ASSISTANT, said, ASSISTANT]


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
    told, tools = with_tools(messages)
    if tools or any(message.get("tool_calls") for message in told):
        template = for_calls(template, special).text
    return written(template, special, told, tools, ask=ask)


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


def ends_of_turn(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end an answer: that of words first, and of calls where it is another (gpt-oss).

    TemplateError as `end_of_turn`.
    """
    calls = _last_special(tokenizer, [HEAD, USER, ONE_CALL], "called-given")
    return list(dict.fromkeys([end_of_turn(tokenizer), *calls]))


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that ends an answer: the last special one of an assistant's turn, wherever the turn stands.

    Behind it some templates write a line break (Gemma), or an end of text behind the last turn alone (Phi-4-mini).
    TemplateError where a turn ends without a special token.
    """
    if ends := _last_special(tokenizer, [USER, ASSISTANT], SAID):
        return ends[0]
    raise TemplateError(
        f"the chat template of {tokenizer.name_or_path} ends an answer with no special token, so no answer would end: "
        "save its tokenizer with a template that writes eos_token behind what the assistant says"
    )


def _last_special(tokenizer: PreTrainedTokenizerBase, messages: list[Message], word: str) -> list[int]:
    """Return the last special token behind the `word` that a turn says last, none where it has none."""
    how = str(tokenizer.chat_template), tokenizer.special_tokens_map
    last, between = (
        prompt_tokens(tokenizer, render(*how, [*messages, *more]).rpartition(word)[2].partition(ASKED)[0])
        for more in ([], [USER])
    )
    everywhere = [one for one, other in takewhile(lambda pair: pair[0] == pair[1], zip(last, between, strict=False))]
    special = {token for token, known in tokenizer.added_tokens_decoder.items() if known.special}
    # gpt-oss ends the last turn of all with another token than those before: that is the one to stop at.
    for tokens in (everywhere, last):
        if ends := [token for token in tokens if token in special]:
            return ends[-1:]
    return []
