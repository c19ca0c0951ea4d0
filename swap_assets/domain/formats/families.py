"""How model families write calls: the syntax of each, read to the letter or leniently, and written in Jinja.

Published templates differ in what they write of it: Gemma 3's knows neither tools nor calls, Phi-4-mini's no calls,
DeepSeek V3's no tools (and a single call without its end), Llama 3.1's and gpt-oss's one call a turn. What a template
lacks is written by the entry of its family here, the one whose `mark` the template holds. Finding out what it lacks
lives in the backends.
"""

import ast
import re
from contextlib import suppress
from typing import Any, NamedTuple

from swap_assets.domain.formats.calls_in_json import call_of_shape, calls_in_jinja, calls_of_list, make_call
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.literals import read_strict, read_whole, readable
from swap_assets.domain.formats.tags import UNREADABLE, Found
from swap_assets.domain.model import ToolCall

Calls = tuple[ToolCall, ...] | None
_LONGEST_CODE = 20_000  # characters of calls written as Python
_MOST_CALLS = 200  # that are looked for in one loose text
_OFFERED = "{%- for tool in tools -%}{{- '\\n' ~ tool['function']|tojson }}{%- endfor -%}"
_LLAMA = calls_in_jinja('{"name": "NAME", "parameters": ', "}", between="; ")
_HARMONY = "<|channel|>commentary json<|message|>"
# gpt-oss is told of one call a turn, each with its response, as its template says it; several at once can only be the
# last turn, where all but the last call end as messages do.
_HARMONY_CALLS = (
    "{%- set laid = namespace(messages=[], told=0) -%}{%- for message in messages -%}{%- set at = loop.index0 -%}"
    "{%- if laid.told and message['role'] == 'tool' -%}{%- set laid.told = laid.told - 1 -%}"
    "{%- elif not message['tool_calls'] or message['tool_calls']|length == 1 -%}"
    "{%- set laid.messages = laid.messages + [message] -%}"
    "{%- elif loop.last -%}{%- set joined = namespace(name='') -%}{%- for call in message['tool_calls'] -%}"
    "{%- set f = call['function'] -%}{%- set joined.name = joined.name ~ f['name'] ~ ('' if loop.last else '"
    + _HARMONY
    + "' ~ f['arguments']|tojson ~ '<|end|><|start|>assistant to=functions.') -%}{%- endfor -%}"
    "{%- set one = {'name': joined.name, 'arguments': message['tool_calls'][-1]['function']['arguments']} -%}"
    "{%- set laid.messages = laid.messages + [dict(message, tool_calls=[{'function': one}])] -%}"
    "{%- else -%}{%- for call in message['tool_calls'] -%}"
    "{%- set text = message['content'] if loop.first else '' -%}{%- set reply = messages[at + loop.index] -%}"
    "{%- set laid.messages = laid.messages + [dict(message, content=text, tool_calls=[call])] -%}"
    "{%- if reply and reply['role'] == 'tool' and laid.told == loop.index0 -%}"
    "{%- set laid.messages = laid.messages + [reply] -%}{%- set laid.told = laid.told + 1 -%}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}{%- endfor -%}{%- set messages = laid.messages -%}"
)


class Family(NamedTuple):
    """A family's syntax in Jinja: `tools` in the system message, or beside it, and `calls` in an answer.

    `several` takes the place of both where a template writes one call a turn and its history is laid out anew.
    """

    mark: str
    calls: str
    tools: str
    beside: bool = False
    several: str = ""


FAMILIES = (
    Family("<|start_header_id|>", _LLAMA, ""),
    Family("<|channel|>", "", "", several=_HARMONY_CALLS),
    Family("<|tool|>", calls_in_jinja('{"name": "NAME", "arguments": ', "}", between=", ", begin="<|tool_call|>[",
                                      end="]<|/tool_call|>"),
           "{{- tools|map(attribute='function')|list|tojson }}", beside=True),
    Family("<start_of_turn>", _LLAMA,
           "You have access to functions. If you decide to invoke any of the function(s), you MUST put it in the format"
           ' of\n{"name": function name, "parameters": dictionary of argument name and its value}, several parted by ;'
           "\n\nYou SHOULD NOT include any other text in the response if you call a function" + _OFFERED),
    Family("<｜tool▁calls▁begin｜>", calls_in_jinja(
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n", "\n```<｜tool▁call▁end｜>",
        begin="<｜tool▁calls▁begin｜>", end="<｜tool▁calls▁end｜>"),
           "## Tools\n\nYou may call these functions:" + _OFFERED),
)  # fmt: skip
OTHER = Family("", HERMES.in_jinja.partition("}}")[2],
               "# Tools\n\nYou may call one or more functions to assist with the user query:\n<tools>" + _OFFERED +
               "\n</tools>\n\n" + next(iter(HERMES.instructions.values())))  # fmt: skip


def family_of(template: str) -> Family:
    """Return the family whose mark a chat template holds; one without any gets the tags of Hermes."""
    return next((family for family in FAMILIES if family.mark in template), OTHER)


class _Named(NamedTuple):
    """Calls whose name stands outside their JSON: what opens one, a group of it the name, and what closes it."""

    opening: re.Pattern[str]
    closing: re.Pattern[str]


# gpt-oss, DeepSeek V3 and V3.1, Mistral since v11
_NAMED = (
    _Named(re.compile(r"(?:<\|start\|>assistant)?(?:<\|channel\|>commentary)?+ ?to=functions\.([^\s<]++)"
                      r"(?:<\|channel\|>commentary)? ?(?:<\|constrain\|>)?(?:json)?<\|message\|>"),
           re.compile(r"<\|(?:call|end)\|>|\Z")),
    _Named(re.compile(r"(?:<｜tool▁calls▁begin｜>|\s?)<｜tool▁call▁begin｜>function<｜tool▁sep｜>([^\n<]++)\n```json\n"),
           re.compile(r"\n```<｜tool▁call▁end｜>(?:<｜tool▁calls▁end｜>)?")),
    _Named(re.compile(r"(?:<｜tool▁calls▁begin｜>|\s?)<｜tool▁call▁begin｜>([^\n<]++)<｜tool▁sep｜>"),
           re.compile(r"<｜tool▁call▁end｜>(?:<｜tool▁calls▁end｜>)?")),
    _Named(re.compile(r"\[TOOL_CALLS\]([^\[\]{}\s]++)(?:\[CALL_ID\][^\[\]]*+)?\[ARGS\]"), re.compile("")),
)  # fmt: skip
_LISTED = (("<|tool_call|>", "<|/tool_call|>"), ("[TOOL_CALLS]", ""))  # Phi-4-mini, Mistral before
_PYTHON_TAG = "<|python_tag|>"
_FENCE = re.compile(r"```tool_code\n(.*)\n```", re.DOTALL)
_CODE = re.compile(r"\[[A-Za-z_][\w.]*+\(.*\)\]", re.DOTALL)
_CODE_BEGUN = re.compile(r"\[[A-Za-z_][\w.]*+\((?:\w++=|\))")
_NEXT = re.compile(r"[ \t\r\n]*+;[ \t\r\n]*+")
_MARKS = ("to=functions.", "<｜tool▁call", "[TOOL_CALLS]", "<|tool_call|>", _PYTHON_TAG, "```tool_code", "<tool_call>")
_DRAFT = re.compile(r"<\|channel\|>analysis<\|message\|>(?:[^<]|<(?!\|))*+<\|end\|>(?:<\|start\|>assistant)?")
_FINAL = re.compile(r"<\|channel\|>final(?: <\|constrain\|>\w++)?<\|message\|>(.*?)(?:<\|return\|>)?", re.DOTALL)


def spoken(text: str) -> str:
    """Return an answer without gpt-oss's drafts and, where it is words, without the channel they go out on."""
    if not text.startswith("<|channel|>"):
        return text
    text = _DRAFT.sub("", text)
    return found.group(1) if (found := _FINAL.fullmatch(text)) else text


def begins(text: str) -> bool:
    """Say whether a text holds the beginning of a call in any family's syntax."""
    return bool(_CODE_BEGUN.match(text.strip())) or any(mark in text for mark in _MARKS)


def read_family(text: str) -> Calls:
    """Return the calls of an answer in a family's syntax to the letter; None or a LiteralError where it is in none."""
    bare = text.removeprefix(_PYTHON_TAG)
    if bare.startswith("{"):
        return _semicolons(bare)
    for opening, closing in _LISTED:
        if text.startswith(opening) and text[len(opening) :].lstrip().startswith("["):
            inner = text.removeprefix(opening).removesuffix(closing)
            listed = read_whole(inner.strip()) if text == opening + inner + closing else None
            return calls_of_list(listed, lambda one: call_of_shape(one, "name", optional={"id"})) or None
    for named in _NAMED:
        if named.opening.match(text):
            return _named_calls(text, named)
    code = _FENCE.fullmatch(text)
    return _python_calls(bare if code is None else code[1]) if code or bare != text or _CODE.fullmatch(text) else None


def find_named(text: str) -> Found | None:
    """Return the calls whose names stand outside their JSON, however it is written; None where a text has none."""
    calls, unread, problems = list[ToolCall](), 0, dict[str, None]()
    for named in _NAMED:
        for found in list(named.opening.finditer(text))[:_MOST_CALLS] if not calls and not unread else ():
            literal = readable(text, found.end())
            call = make_call(found[1], literal.value) if literal else None
            calls += [call] if call else []
            unread += not call
            problems |= dict.fromkeys(literal.repairs if literal and call else (UNREADABLE,))
    return Found(calls, "", unread, tuple(problems)) if calls or unread else None


def _named_calls(text: str, named: _Named) -> Calls:
    calls, at = list[ToolCall](), 0
    while at < len(text):
        if not (opened := named.opening.match(text, at)):
            return None
        value, at, _ = read_strict(text, opened.end())
        call, closed = make_call(opened[1], value), named.closing.match(text, at)
        if call is None or closed is None:
            return None
        calls.append(call)
        at = closed.end()
    return tuple(calls) or None


def _semicolons(text: str) -> Calls:
    """Return the calls of `{"name": ..., "parameters": {...}}`, several parted by semicolons: Llama 3, Gemma 3."""
    calls, at = list[ToolCall](), 0
    while True:
        value, at, _ = read_strict(text, at)
        fits = isinstance(value, dict) and value.keys() == {"name", "parameters"}
        call = make_call(value["name"], value["parameters"]) if fits else None
        if call is None:
            return None
        calls.append(call)
        if at == len(text):
            return tuple(calls)
        if not (more := _NEXT.match(text, at)):
            return None
        at = more.end()


def _python_calls(code: str) -> Calls:
    """Return calls written as Python: `f(a=1)` a line (`print(...)` around it or not), a list, or `f.call(a=1)`."""
    if len(code) > _LONGEST_CODE:
        return None
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        nodes: list[Any] = [getattr(line, "value", None) for line in ast.parse(code.strip()).body]
        if len(nodes) == 1 and isinstance(nodes[0], ast.List):
            nodes = nodes[0].elts
        calls = list(map(_python_call, nodes))
        return tuple(call for call in calls if call) if calls and all(calls) else None
    return None


def _python_call(node: Any) -> ToolCall | None:
    match node:
        case ast.Call(func=ast.Name(id="print"), args=[inner], keywords=[]):
            return _python_call(inner)
        case ast.Call(func=ast.Name() | ast.Attribute() as called, args=[], keywords=given) if all(
            one.arg for one in given
        ):
            name = ast.unparse(called).removesuffix(".call")
            return make_call(name, {str(one.arg): ast.literal_eval(one.value) for one in given})
    return None
