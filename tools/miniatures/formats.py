"""Foreign ways to list tools and to write calls: what a miniature is pre-trained on, none of it the demo's own.

The demo's answer formats use `{ } [ ] " : , < > / _ =` and line breaks. A symbol that was never a training target
cannot be
produced after a LoRA fine-tune, so each of them is written here, in other formats:

    {"fn": "mend_barrel", "args": {"owner": "Drusa", "tally": 4}}
    <act fn="mend_barrel">{"owner": "Drusa", "tally": 4}</act>
    mend_barrel(owner="Drusa", tally=4)
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a made-up tool; `kind` names the vocabulary of its values, a choice has `options` instead."""

    name: str
    kind: str
    required: bool = True
    options: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The plain type word of the kind: integer, number, boolean, list, string, or the options."""
        if self.options:
            return "/".join(self.options)
        return {"whole": "integer", "decimal": "number", "flag": "boolean", "several": "list"}.get(self.kind, "string")


@dataclass(frozen=True)
class Tool:
    """A made-up tool: its name as written, the words that a request uses for it, and its parameters."""

    name: str
    words: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class AnswerFormat:
    """How the answers of one conversation are written: the sentence that asks for it, and the writer."""

    name: str
    sentence: str
    write: Callable[[Sequence[Call]], str]


_KEYS = (("fn", "args"), ("do", "with"), ("action", "params"), ("op", "data"), ("run", "input"), ("use", "values"))
_TAGS = ("act", "run", "do", "step", "job", "cmd")
_TYPES = (
    {},
    {"string": "str", "integer": "int", "number": "float", "boolean": "bool"},
    {"string": "text", "integer": "whole", "boolean": "yes/no"},
)


def draw_format(random: Random, *, short: bool = False) -> AnswerFormat:
    """Return one of the answer formats, its keys and tags drawn too; with `short`, mostly one of those in JSON."""
    weights = [weight * (0.2 if short and make in _WITHOUT_JSON else 1) for make, weight in _FORMATS.items()]
    make = random.choices(list(_FORMATS), weights)[0]
    return make(random)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _each(write: Callable[[str, dict[str, Any]], str]) -> Callable[[Sequence[Call]], str]:
    return lambda calls: "\n".join(write(name, arguments) for name, arguments in calls)


def _json_line(random: Random) -> AnswerFormat:
    name_key, args_key = random.choice(_KEYS)
    sentence = random.choice(('Reply {{"{0}", "{1}"}}', 'One json with "{0}" and "{1}" a line'))
    return AnswerFormat(
        "json_line", sentence.format(name_key, args_key), _each(lambda n, a: _dump({name_key: n, args_key: a}))
    )


def _json_array(random: Random) -> AnswerFormat:
    name_key, args_key = random.choice(_KEYS)
    sentence = random.choice(('Reply [{{"{0}", "{1}"}}]', 'Array of objects, keys "{0}" and "{1}"'))
    return AnswerFormat(
        "json_array",
        sentence.format(name_key, args_key),
        lambda calls: _dump([{name_key: name, args_key: arguments} for name, arguments in calls]),
    )


def _json_keyed(random: Random) -> AnswerFormat:
    if random.random() < 0.5:
        return AnswerFormat("json_keyed", "Reply {fn: {..}}", _each(lambda n, a: _dump({n: a})))
    return AnswerFormat("json_pair", "Reply [fn, {..}]", _each(lambda n, a: _dump([n, a])))


def _json_flat(random: Random) -> AnswerFormat:
    key = random.choice(_KEYS)[0]
    return AnswerFormat("json_flat", f'Flat json, "{key}" first', _each(lambda n, a: _dump({key: n, **a})))


def _tag_json(random: Random) -> AnswerFormat:
    tag, key = random.choice(_TAGS), random.choice(("fn", "id", "of"))
    return AnswerFormat(
        "tag_json", f"Reply <{tag} {key}> args </{tag}>", _each(lambda n, a: f'<{tag} {key}="{n}">{_dump(a)}</{tag}>')
    )


def _tag_lines(random: Random) -> AnswerFormat:
    tag, (name_key, args_key) = random.choice(_TAGS), random.choice(_KEYS)
    if random.random() < 0.5:
        return AnswerFormat(
            "tag_name_line",
            f"Reply <{tag}> fn, args </{tag}>",
            _each(lambda n, a: f"<{tag}>\n{n}\n{_dump(a)}\n</{tag}>"),
        )
    return AnswerFormat(
        "tag_object",
        f'Reply <{tag}> "{name_key}", "{args_key}" </{tag}>',
        _each(lambda n, a: f"<{tag}>{_dump({name_key: n, args_key: a})}</{tag}>"),
    )


def _xml(random: Random) -> AnswerFormat:
    gap = random.choice(("", "\n"))

    def write(name: str, arguments: dict[str, Any]) -> str:
        inner = [f"<{key}>{_bare(value)}</{key}>" for key, value in arguments.items()]
        return gap.join([f"<{name}>", *inner, f"</{name}>"])

    return AnswerFormat("xml", f"Reply in xml, {'a line each' if gap else 'one line'}", _each(write))


def _python(random: Random) -> AnswerFormat:
    def write(name: str, arguments: dict[str, Any]) -> str:
        return f"{name}({', '.join(f'{key}={_dump(value)}' for key, value in arguments.items())})"

    if random.random() < 0.4:
        return AnswerFormat("python_list", "Reply [fn(..)]", lambda calls: f"[{', '.join(write(*c) for c in calls)}]")
    return AnswerFormat("python", "Reply fn(..)", _each(write))


def _assignments(random: Random) -> AnswerFormat:
    head = random.choice(("[{}]", "# {}", "call = {}"))

    def write(name: str, arguments: dict[str, Any]) -> str:
        return "\n".join([head.format(name), *(f"{key} = {_dump(value)}" for key, value in arguments.items())])

    return AnswerFormat("assignments", f"Lines under {head.format('fn')}", _each(write))


def _yaml(random: Random) -> AnswerFormat:
    name_key, args_key = random.choice(_KEYS)

    def write(name: str, arguments: dict[str, Any]) -> str:
        inner = [f"  {key}: {_bare(value)}" for key, value in arguments.items()]
        return "\n".join([f"- {name_key}: {name}", f"  {args_key}:", *("  " + line for line in inner)])

    return AnswerFormat("yaml", f"Reply in yaml, {name_key} and {args_key}", _each(write))


def _shell(random: Random) -> AnswerFormat:
    dash = random.choice(("--{} {}", "{}={}", "/{} {}"))

    def write(name: str, arguments: dict[str, Any]) -> str:
        return " ".join([name, *(dash.format(key, _dump(value)) for key, value in arguments.items())])

    return AnswerFormat("shell", f"Reply fn {dash.format('key', 'value')}", _each(write))


_FORMATS: dict[Callable[[Random], AnswerFormat], float] = {
    _json_line: 3,
    _json_array: 4,
    _json_keyed: 1.5,
    _json_flat: 1,
    _tag_json: 3,
    _tag_lines: 3,
    _xml: 1,
    _python: 1.5,
    _assignments: 1,
    _yaml: 0.7,
    _shell: 0.8,
}
_WITHOUT_JSON = {_xml, _python, _assignments, _yaml, _shell}


def _bare(value: Any) -> str:
    return value if isinstance(value, str) else _dump(value)


def list_tools(random: Random, tools: Sequence[Tool]) -> str:
    """Return the tools, one a line, in a rendering that is drawn once for the whole list."""
    render, types = random.choice(_LISTINGS), random.choice(_TYPES)
    return "\n".join(render(tool, [types.get(each.type, each.type) for each in tool.parameters]) for tool in tools)


def _semicolons(tool: Tool, types: list[str]) -> str:
    parts = [f"{p.name}{'' if p.required else '?'}: {t}" for p, t in zip(tool.parameters, types, strict=True)]
    return f"{tool.name}({'; '.join(parts)})"


def _type_first(tool: Tool, types: list[str]) -> str:
    parts = [f"{t} {p.name}{'' if p.required else '?'}" for p, t in zip(tool.parameters, types, strict=True)]
    return f"{tool.name}({', '.join(parts)})"


def _dashes(tool: Tool, types: list[str]) -> str:
    parts = [f"{p.name}{':' if p.required else '?:'}{t}" for p, t in zip(tool.parameters, types, strict=True)]
    return f"- {tool.name} {' '.join(parts)}"


def _brackets(tool: Tool, types: list[str]) -> str:
    named = [f"{p.name}={t}" for p, t in zip(tool.parameters, types, strict=True)]
    parts = [f"<{n}>" if p.required else f"[{n}]" for p, n in zip(tool.parameters, named, strict=True)]
    return f"{tool.name} {' '.join(parts)}"


def _object(tool: Tool, types: list[str]) -> str:
    return _dump({tool.name: {p.name: t for p, t in zip(tool.parameters, types, strict=True)}})


def _pipes(tool: Tool, types: list[str]) -> str:
    parts = [f"{p.name} ({t}{'' if p.required else ', may lack'})" for p, t in zip(tool.parameters, types, strict=True)]
    return f"{tool.name}: {' | '.join(parts)}"


def _element(tool: Tool, types: list[str]) -> str:
    parts = [f'{p.name}="{t}"' for p, t in zip(tool.parameters, types, strict=True)]
    return f"<{tool.name} {' '.join(parts)}/>"


_LISTINGS = (_semicolons, _semicolons, _type_first, _dashes, _brackets, _object, _pipes, _element)
