"""What an answer format is: its words in the prompt, how calls are written, how an answer is read, its grammar.

`<tool_call>\\n{"name": "weather", "arguments": {"city": "Oslo"}}\\n</tool_call>` is one compliant call under `hermes`.
The same inside a code fence, behind "Sure:", as Python repr or without its last brace is no compliant answer, yet the
same call: `strict_calls` is empty there and `calls` holds it. Format and ability are so told apart.

Formats are files of this package that `answer_formats` finds; what finds calls in loose text lives in `tags`. Law, held
by the tests: `format.read(format.write(calls))` gives back `calls`, strictly.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from swap_assets.domain.formats.calls_in_json import calls_grammar, calls_in_jinja, dump, words_rule
from swap_assets.domain.formats.literals import LiteralError, without_lone_surrogates
from swap_assets.domain.formats.tags import UNREADABLE, Found, begins_a_call, find_bare, find_tagged
from swap_assets.domain.model import Frozen, ToolCall, ToolSpec, Turn

MAX_LENIENT_CHARS = 1_000_000  # real answers reach 1,524 characters; strict reading has no limit


class Track(StrEnum):
    """What family of answers an answer format belongs to; candidates are compared within a track."""

    TOOLCALL = "toolcall"
    STRUCTURED = "structured"


class PromptStyle(StrEnum):
    """How the system message describes the tools."""

    HERMES = "hermes"
    COMPACT = "compact"


class Interface(StrEnum):
    """How a hosted model is asked: by the small model's prompt, or its own `tools` and `response_format`."""

    TEXT = "text"
    NATIVE = "native"


class ParsedAnswer(Frozen):
    """What was read out of an answer.

    `compliant` is True where the text follows its answer format to the letter (strict); `calls` are what could be
    recovered leniently, `strict_calls` what the strict reading gives (none where the text is not compliant).
    `unread` counts calls that were begun and could not be read. `valid_json` is None where the answer holds no JSON
    and its answer format does not call for any. `problems` says, in order, what the strict reading could not accept.
    """

    calls: tuple[ToolCall, ...] = ()
    strict_calls: tuple[ToolCall, ...] = ()
    text: str = ""
    compliant: bool
    valid_json: bool | None = None
    unread: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class AnswerFormat(ABC):
    """One way to write an answer: one instance each, written in files, records and `--format` as its name.

    `track` is what it is compared within, `instructions` how the system message says to answer, in each style, and
    `no_call` how an answer says that nothing is to be called, "" where it says so in words. `marks` says that special
    tokens around calls belong to an answer's text.
    """

    name: str
    track: Track
    instructions: Mapping[PromptStyle, str]
    no_call: str = ""
    marks: bool = False

    def write(self, calls: tuple[ToolCall, ...], text: str = "") -> str:
        """Return the assistant's answer; without calls it is `text`."""
        written = [dump(call.arguments).join(self._around(call.name)) for call in calls]
        return "\n".join([text] * bool(text) + written)

    def system_message(self, system: str, tools: str, style: PromptStyle) -> str:
        """Return the system message: the agent's own text, the tools, how to answer; formats may order otherwise."""
        return "\n\n".join([system] * bool(system) + [f"{tools}\n{self.instructions[style]}"])

    def own_messages(
        self, system: str, tools: tuple[ToolSpec, ...], history: tuple[Turn, ...]
    ) -> list[dict[str, Any]] | None:
        """Return messages for a chat template that writes tools and calls itself; None: they are written as text."""
        return None

    @property
    def in_jinja(self) -> str:
        """Jinja that writes `calls` and `text` as `write` does, "" where the chat template writes calls."""
        return "{{- text ~ ('\\n' if text and calls else '') }}" + calls_in_jinja(*self._around("NAME"))

    @cached_property
    def opening(self) -> str:
        """What no answer in words holds: the first line of what stands before a call's name; a format may say other."""
        before, _, _ = self.write((ToolCall(name="NAME", arguments={"NAME": 0}),)).partition("NAME")
        return before.strip().partition("\n")[0]

    def _around(self, name: str) -> tuple[str, str]:
        """Return what stands before and after the arguments in a call; for formats that write calls a line each."""
        raise NotImplementedError

    @abstractmethod
    def _read_strictly(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        """Return the calls of an answer that holds them to the letter; None or a LiteralError where it does not."""

    def _find(self, text: str, function: str) -> Found:
        """Return what calls a text holds, however they are written; `function` is used by some formats only."""
        found = find_tagged(text) or find_bare(text)
        if found.calls or found.unread:
            return found
        if self.no_call and found.text.removeprefix("json").strip() == self.no_call:
            return Found([], self.no_call)
        begun = text.lstrip().startswith(("{", "[{", "```")) or self._begins(text)
        return found._replace(unread=int(begun), problems=(UNREADABLE,) if begun else found.problems)

    def _begins(self, text: str) -> bool:
        """Say whether a text begins a call somewhere."""
        return begins_a_call(text, self.opening)

    def _unwrap(self, text: str) -> str:
        """Return what an answer says, where a server's message may stand around it."""
        return text

    def read(self, text: str, *, function: str = "") -> ParsedAnswer:
        """Read an answer strictly and leniently.

        `function` is whose arguments were asked for; formats whose answers carry the name ignore it. It never raises,
        and never takes longer than about a second: what is too long or too deep is unreadable.
        """
        text = self._unwrap(without_lone_surrogates(text))
        strict = self._to_the_letter(text.strip(), function)
        if strict is None:
            return self._read_leniently(text, function)
        said, valid_json = ("", True) if strict or self.no_call else (text, None)
        return ParsedAnswer(calls=strict, strict_calls=strict, text=said, compliant=True, valid_json=valid_json)

    def _to_the_letter(self, text: str, function: str) -> tuple[ToolCall, ...] | None:
        """Return the calls of a compliant answer (none for a compliant answer in words), None for any other."""
        try:
            calls = self._read_strictly(text, function)
        except LiteralError:
            calls = None
        words = calls is None and not self.no_call and text and not self._begins(text)
        return () if words and not find_bare(text[:MAX_LENIENT_CHARS]).calls else calls

    def _read_leniently(self, text: str, function: str) -> ParsedAnswer:
        if len(text) > MAX_LENIENT_CHARS:
            problem = f"longer than {MAX_LENIENT_CHARS:,} characters and not compliant"
            return ParsedAnswer(compliant=False, valid_json=False, unread=1, problems=(problem,))
        if not text.strip():
            return ParsedAnswer(compliant=False, valid_json=False, problems=("empty",))
        thinking, marker, answer = text.rpartition("</think>")
        found = self._find(answer, function)
        answered = bool(found.calls) or not self.no_call or found.text == self.no_call
        notes = ("a draft before the answer",) if marker and thinking else ()
        return ParsedAnswer(
            calls=tuple(found.calls), text=found.text, compliant=False, valid_json=found.json_valid and answered,
            unread=found.unread, problems=notes + found.problems or ("not written to the letter of the answer format",),
        )  # fmt: skip

    def reference_calls(self, read: ParsedAnswer) -> tuple[ToolCall, ...]:
        """Return the calls of a gold answer; a ValueError where one cannot be read: it never counts as empty."""
        words = bool(read.text.strip()) and (not self.no_call or read.text == self.no_call)
        if read.unread or not (read.calls or read.compliant or words):
            raise ValueError(f"the reference holds a call that cannot be read ({', '.join(read.problems)})")
        return read.calls

    def grammar(self, tools: tuple[ToolSpec, ...], schemas: tuple[dict[str, Any], ...]) -> str:
        """Return the Lark grammar of answers to tools whose arguments follow `schemas`; a ValueError: none is made."""
        start = ('WORDS | call ("\\n" call)*' if tools else "WORDS") + f"\n{words_rule(self.opening)}"
        return calls_grammar(tools, schemas, start=start, around=self._around)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<answer format {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return named_format, (self.name,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let records and settings hold a format under its name."""
        return core_schema.no_info_plain_validator_function(
            named_format,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )


@cache
def answer_formats() -> dict[str, AnswerFormat]:
    """Return every answer format of this package by its name."""
    names = [found.name for found in pkgutil.iter_modules(importlib.import_module(str(__package__)).__path__)]
    modules = [importlib.import_module(f"{__package__}.{name}") for name in names]
    made = [value for module in modules for value in vars(module).values() if isinstance(value, AnswerFormat)]
    return {each.name: each for each in sorted(made, key=str)}


def named_format(name: Any) -> AnswerFormat:
    """Return the answer format of a name, a format as it is; a ValueError names those there are."""
    if isinstance(name, AnswerFormat):
        return name
    if not isinstance(name, str) or name not in answer_formats():
        raise ValueError(f"no answer format has this name: choose one of {', '.join(answer_formats())}")
    return answer_formats()[name]
