"""A chat request (`messages` with `tool_calls`, `tools`) as a model was trained and measured, written in Jinja.

`served` stands in front of the chat template that is saved with an adapter or a merged model. It does there, for
whatever server renders by that template, what `prompts` does here: system text, tools and answer format in one system
message, calls as text, responses in one turn. Tests hold the two together; what families write themselves lives in
`families`.
"""

import re

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.formats.calls_in_json import dump
from swap_assets.domain.formats.prompts import KEEP, render_tools, system_told

_BEGIN, _END = "{#- chat requests -#}", "{#- as trained -#}"
_SERVED = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_SYSTEM, _TOOLS = "the-system-text", "the-tools"
# Clients send text, none, or text in parts.
_SAID = (
    "{%- macro said(content) -%}{%- if content is string -%}{{- content }}{%- elif content -%}"
    "{%- for part in content -%}{{- ('\\n' if not loop.first else '') ~ part['text'] }}{%- endfor -%}{%- endif -%}"
    "{%- endmacro -%}"
)
_COMPACT = (
    "{%- macro kind(spec) -%}{%- if spec is not mapping -%}any{%- elif spec['enum'] -%}"
    "{{- spec['enum']|join('|') }}{%- elif spec['type'] == 'array' -%}{{- kind(spec['items']) ~ '[]' }}"
    "{%- elif spec['type'] == 'object' and spec['properties'] -%}{{- '{' }}"
    "{%- for name, inner in spec['properties'].items() -%}"
    "{{- (', ' if not loop.first else '') ~ name ~ ': ' ~ kind(inner) }}{%- endfor -%}{{- '}' }}"
    "{%- elif spec['type'] is string -%}{{- spec['type'] }}{%- else -%}{{- (spec['type'] or ['any'])|join('|') }}"
    "{%- endif -%}{%- endmacro -%}"
    "{%- for tool in offered -%}{%- set schema = tool['function']['parameters'] or {} -%}"
    "{{- ('\\n' if not loop.first else '') ~ tool['function']['name'] ~ '(' }}"
    "{%- for name, spec in (schema['properties'] or {}).items() -%}{{- (', ' if not loop.first else '') ~ name ~ "
    "('' if name in (schema['required'] or []) else '?') ~ ': ' ~ kind(spec) }}{%- endfor -%}{{- ')' }}{%- endfor -%}"
    "{%- if not offered -%}no tools{%- endif -%}"
)
_HERMES = (
    "{%%- set listed = namespace(tools=[]) -%%}{%%- for tool in offered -%%}{%%- set f = tool['function'] -%%}"
    "{%%- set listed.tools = listed.tools + [{'type': 'function', 'function': {'name': f['name'], "
    "'description': f['description'] or '', 'parameters': f['parameters'] or {}}}] -%%}{%%- endfor -%%}"
    "{{- %s ~ listed.tools|tojson ~ %s }}"
)
# Each response under its call's name, an object or a list as JSON, else as text: requests hold nothing but text. Those
# to one turn's calls are one message.
_RESPONSE = (
    "{%- set found = namespace(name=message['name'] or (told.calls[told.place]['function']['name'] "
    "if told.calls|length > told.place else '')) -%}"
    "{%- for call in told.calls -%}{%- if not message['name'] and call['id'] and call['id'] == message['tool_call_id'] "
    "-%}{%- set found.name = call['function']['name'] -%}{%- endif -%}{%- endfor -%}"
    "{%- set json = text[:1] ~ text[-1:] in ['{}', '[]'] -%}"
    "{%- set text = '<tool_response>\\n{\"name\": ' ~ found.name|tojson ~ ', \"content\": ' ~ "
    "(text if json else text|tojson) ~ '}\\n</tool_response>' -%}"
    "{%- if told.messages and told.messages[-1]['role'] == 'tool' -%}"
    "{%- set text = told.messages[-1]['content'] ~ '\\n' ~ text -%}{%- set told.messages = told.messages[:-1] -%}"
    "{%- endif -%}{%- set told.place = told.place + 1 -%}"
    "{%- set told.messages = told.messages + [{'role': 'tool', 'content': text}] -%}"
)
_TEXT_TURNS = (
    "{%%- elif message['role'] == 'tool' -%%}%s{%%- elif message['role'] == 'assistant' -%%}"
    "{%%- set told.calls, told.place = message['tool_calls'] or [], 0 -%%}"
    "{%%- set calls = told.calls|map(attribute='function')|list -%%}{%%- set written -%%}%s{%%- endset -%%}"
    "{%%- set told.messages = told.messages + [{'role': 'assistant', 'content': written}] -%%}"
)
_REQUEST = (
    "{%%- set told = namespace(messages=[], system='', calls=[], place=0) -%%}{%%- for message in messages -%%}"
    "{%%- set text -%%}{{- said(message['content']) }}{%%- endset -%%}"
    "{%%- if message['role'] in ['system', 'developer'] -%%}"
    "{%%- set told.system = told.system ~ ('\\n\\n' if told.system else '') ~ text -%%}%s"
    "{%%- else -%%}{%%- set kept = dict(message.items()|selectattr(1), content=text) -%%}"
    "{%%- set told.messages = told.messages + [kept] -%%}{%%- endif -%%}{%%- endfor -%%}"
    "{%%- set system = %s -%%}{%%- set messages = told.messages -%%}"
)
_OPENED = "{%- if system -%}{%- set messages = [{'role': 'system', 'content': system}] + messages -%}{%- endif -%}"


def served(answer_format: AnswerFormat, style: PromptStyle, system: str = KEEP) -> str:
    """Return what stands before a fitted chat template so that chat requests are rendered as the model was trained.

    `system` is what small models are told of the agent's system text. Messages whose system message says already how to
    answer, as all of ours do, are left as they are.
    """
    told = "told.system" if system == KEEP else dump(system_told("", system))
    writer = answer_format.in_jinja
    if not writer:  # the template writes calls itself
        return _BEGIN + _SAID + _REQUEST % ("", told) + _OPENED + _END
    words = _message(answer_format, style)
    turns = _TEXT_TURNS % (_RESPONSE, writer)
    told_already = (
        "messages and messages[0]['role'] == 'system' and "
        f"{dump(answer_format.instructions[style])} in said(messages[0]['content'])"
    )
    request = f"{_REQUEST % (turns, told)}{words}{_OPENED}{{%- set tools = none -%}}"
    return f"{_BEGIN}{_SAID}{{%- if not ({told_already}) -%}}{request}{{%- endif -%}}{_END}"


def not_served(template: str) -> str:
    """Return a saved template without what `served` put before it."""
    return _SERVED.sub("", template)


def _message(answer_format: AnswerFormat, style: PromptStyle) -> str:
    """Return Jinja that makes of `system` the whole system message, as the answer format does."""
    if style is PromptStyle.COMPACT:
        tools = _COMPACT
    else:
        before, _, after = render_tools((), style).partition("[]")
        tools = _HERMES % (dump(before), dump(after))
    parts = []
    for text in (_SYSTEM, ""):
        before, _, rest = answer_format.system_message(text, _TOOLS, style).partition(_TOOLS)
        parts.append(f"{_joined(before)} ~ offered_tools ~ {_joined(rest)}")
    return (
        f"{{%- set offered = tools or [] -%}}{{%- set offered_tools -%}}{tools}{{%- endset -%}}"
        f"{{%- set system = ({parts[0]}) if system else ({parts[1]}) -%}}"
    )


def _joined(text: str) -> str:
    return " ~ system ~ ".join(map(dump, text.split(_SYSTEM)))
