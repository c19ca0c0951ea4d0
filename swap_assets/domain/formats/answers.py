"""Reading an answer: what it says to the letter of its answer format, and what can be recovered from it.

`<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>` is one compliant call under HERMES.
The same inside a code fence, behind "Sure:", as Python repr or without its last brace is no compliant answer, yet the
same call: `strict_calls` is empty there and `calls` holds it. Format and ability are so told apart.
Never raises on any text, and never takes longer than about a second: what is too long or too deep is unreadable.
"""

import html
import json
import re

from swap_assets.domain.conversations import ToolCall
from swap_assets.domain.formats.base import AnswerFormat, ParsedAnswer, Track
from swap_assets.domain.formats.calls_in_json import lenient_calls, make_call, strict_call
from swap_assets.domain.formats.literals import LiteralError, read_strict, without_lone_surrogates
from swap_assets.domain.formats.tags import UNREADABLE, Found, find_bare, find_first_object, find_tagged

MAX_LENIENT_CHARS = 1_000_000  # real answers reach 1,524 characters; strict reading has no limit

_BLANK = re.compile(r"[ \t\r\n]*+")
_NAMED_TAG = re.compile(r'<tool_call name="([^"<>]*+)">')
_MARKUP = re.compile(r"[<\[]/?tool_call\b|\"(?:name|tool_name)\"\s*+:")
_MESSAGE_KEYS = frozenset({"role", "content", "tool_calls", "refusal", "annotations", "audio", "function_call"})
_NO_CALLS = "[]"  # how the structured answer format says that nothing is to be called
_WRONG_FORM = "not written to the letter of the answer format"


def parse_answer(answer_format: AnswerFormat, text: str, *, function: str = "") -> ParsedAnswer:
    """Read an answer strictly and leniently.

    Args:
        answer format: how the answer should be written.
        text: the answer as the model gave it.
        function: under JSON_SCHEMA the name of the function whose arguments were asked for; the other answer formats
            carry the name in the answer and ignore it.

    Returns:
        The calls of both readings; it never raises.
    """
    text = without_lone_surrogates(text)
    if answer_format is AnswerFormat.OPENAI:
        text = _message_text(text)
    strict = _read_to_the_letter(answer_format, text.strip(), function)
    if strict is not None:
        json_expected = bool(strict) or answer_format in (AnswerFormat.FLEDGLING_STRUCTURED, AnswerFormat.JSON_SCHEMA)
        return ParsedAnswer(
            calls=strict,
            strict_calls=strict,
            text="" if json_expected else text,
            compliant=True,
            valid_json=True if json_expected else None,
            unread=0,
            problems=(),
        )
    return _read_leniently(answer_format, text, function)


def _read_to_the_letter(answer_format: AnswerFormat, text: str, function: str) -> tuple[ToolCall, ...] | None:
    """Return the calls of a compliant answer (none for a compliant answer in words), None for any other."""
    try:
        if answer_format is AnswerFormat.HERMES:
            calls = _tags(text, "<tool_call>")
        elif answer_format is AnswerFormat.FLEDGLING_TOOLCALL:
            calls = _tags(text, "")
        else:
            calls = _one_value(answer_format, text, function)
    except LiteralError:
        calls = None
    if calls is None and answer_format.track is Track.TOOLCALL and _is_plain_answer(text):
        return ()
    return calls


def _message_text(text: str) -> str:
    """Return what a whole chat message says: its `tool_calls` as JSON, else its words; other text as it is."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        message, end, _ = read_strict(text.strip())
    except LiteralError:
        return text
    if end != len(text.strip()) or "content" not in message or not message.keys() <= _MESSAGE_KEYS:
        return text
    calls, words = message.get("tool_calls"), message["content"] or message.get("refusal") or ""
    if calls:
        return json.dumps(calls, ensure_ascii=False)  # a message may say something beside its calls
    return words if isinstance(words, str) and not message.get("function_call") else text


def _tags(text: str, opening: str) -> tuple[ToolCall, ...] | None:
    """Read `<tool_call>` tags and nothing but blanks between them; without `opening` the tag carries the name."""
    calls: list[ToolCall] = []
    at = 0
    while at < len(text):
        name = None if opening else _NAMED_TAG.match(text, at)
        if not (name or (opening and text.startswith(opening, at))):
            return None
        value, end, _ = read_strict(text, _skip(text, name.end() if name else at + len(opening)))
        end = _skip(text, end)
        call = make_call(html.unescape(name.group(1)), value) if name else strict_call(AnswerFormat.HERMES, value)
        if call is None or not text.startswith("</tool_call>", end):
            return None
        calls.append(call)
        at = _skip(text, end + len("</tool_call>"))
    return tuple(calls) or None


def _one_value(answer_format: AnswerFormat, text: str, function: str) -> tuple[ToolCall, ...] | None:
    value, end, _ = read_strict(text)
    if end != len(text):
        return None
    if answer_format is AnswerFormat.JSON_SCHEMA:
        return (ToolCall(name=function, arguments=value),) if isinstance(value, dict) else None
    if isinstance(value, dict) and answer_format is AnswerFormat.FLEDGLING_STRUCTURED:
        value = [value]
    if not isinstance(value, list) or (not value and answer_format is AnswerFormat.OPENAI):
        return None
    calls = [strict_call(answer_format, inner) for inner in value]
    return tuple(call for call in calls if call) if all(calls) else None


def _is_plain_answer(text: str) -> bool:
    """Whether an answer of the tool-call track is words, with no trace of a call in them."""
    return bool(text) and not _MARKUP.search(text) and not find_bare(text[:MAX_LENIENT_CHARS]).calls


def _read_leniently(answer_format: AnswerFormat, text: str, function: str) -> ParsedAnswer:
    if len(text) > MAX_LENIENT_CHARS:
        problem = f"longer than {MAX_LENIENT_CHARS:,} characters and not compliant"
        return ParsedAnswer(text="", compliant=False, valid_json=False, unread=1, problems=(problem,))
    if not text.strip():
        return ParsedAnswer(compliant=False, valid_json=False, problems=("empty",))
    thinking, marker, answer = text.rpartition("</think>")
    found = (
        _find_arguments(answer, function)
        if answer_format is AnswerFormat.JSON_SCHEMA
        else _find_calls(answer_format, answer)
    )
    notes = ("a draft before the answer",) if marker and thinking else ()
    return ParsedAnswer(
        calls=tuple(found.calls),
        strict_calls=(),
        text=found.text,
        compliant=False,
        valid_json=found.json_valid
        and (bool(found.calls) or answer_format.track is Track.TOOLCALL or found.text == _NO_CALLS),
        unread=found.unread,
        problems=notes + found.problems or (_WRONG_FORM,),
    )


def _find_calls(answer_format: AnswerFormat, text: str) -> Found:
    found = find_tagged(text) or find_bare(text)
    if found.calls or found.unread:
        return found
    begun = text.lstrip().startswith(("{", "[{", "```")) or bool(_MARKUP.search(text))
    if answer_format is AnswerFormat.FLEDGLING_STRUCTURED and found.text.removeprefix("json").strip() == _NO_CALLS:
        return Found([], _NO_CALLS)
    return found._replace(unread=int(begun), problems=(UNREADABLE,) if begun else found.problems)


def _find_arguments(text: str, function: str) -> Found:
    """Return the first object of a text as the arguments of `function`; a whole call of it is unwrapped."""
    first = find_first_object(text)
    if first is None:
        return Found([], text, int("{" in text), (UNREADABLE,) if "{" in text else ())
    value, repairs, outside = first
    notes = dict.fromkeys(repairs)
    wrapped = lenient_calls(value, tagged=False, notes=notes)
    if function and len(wrapped) == 1 and wrapped[0].name == function and len(value) == 2:
        return Found(wrapped, outside, 0, tuple(notes))
    return Found([ToolCall(name=function, arguments=value)], outside, 0, repairs)


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def read_reference(answer_format: AnswerFormat, text: str, *, function: str = "") -> tuple[ToolCall, ...]:
    """Read a gold answer, leniently; without any call the reference is an answer in words.

    Raises:
        ValueError: the text holds a call that cannot be read: it must never be compared as if it were empty.
    """
    return calls_of_reference(answer_format, parse_answer(answer_format, text, function=function))


def calls_of_reference(answer_format: AnswerFormat, parsed: ParsedAnswer) -> tuple[ToolCall, ...]:
    """Return the calls of a gold answer that was read; see `read_reference`.

    Raises:
        ValueError: it holds a call that cannot be read.
    """
    words = bool(parsed.text.strip()) and (answer_format.track is Track.TOOLCALL or parsed.text == _NO_CALLS)
    if parsed.unread or not (parsed.calls or parsed.compliant or words):
        raise ValueError(f"the reference holds a call that cannot be read ({', '.join(parsed.problems)})")
    return parsed.calls
