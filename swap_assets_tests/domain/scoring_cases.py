"""Hand-worked cases: an expected answer, a given one, what the score must be, and why.

Each figure below was worked out on paper from the rules at the top of `scoring` and `fields`, never copied from a run.
`Case.expect` names figures of `RowScore`; the fields of a call are counted in `fields`.
"""

from dataclasses import dataclass, field
from typing import Any

from swap_assets.domain.contracts import Contract

Calls = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Case:
    """One hand-worked case; the name is its reason."""

    why: str
    gold: Calls
    answer: str
    expect: dict[str, Any]
    contract: Contract = Contract.HERMES
    finish: str = "stop"
    ordered: bool = False
    tools: list[dict[str, Any]] = field(default_factory=list)


def tag(body: str) -> str:
    """Write one Hermes call around a JSON body."""
    return f"<tool_call>\n{body}\n</tool_call>"


WEATHER: Calls = [("weather", {"city": "Oslo", "days": 2})]
RIGHT = '{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}'
PERFECT = {
    "exact_match": 1.0,
    "field_f1": 1.0,
    "field_precision": 1.0,
    "field_recall": 1.0,
    "name_match": 1.0,
    "arguments_exact": 1.0,
}
NOTHING_RIGHT = {"exact_match": 0.0, "field_f1": 0.0, "field_precision": 0.0, "field_recall": 0.0, "name_match": 0.0}
TOOL = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}

FORMATS = [
    Case(
        "a call to the letter is right in every figure",
        WEATHER,
        tag(RIGHT),
        PERFECT | {"format_compliant": 1.0, "valid_json": 1.0, "exact_match_strict": 1.0, "failure": "none"},
    ),
    Case(
        "the keys of a call may come in any order, and its tag on one line: JSON says so",
        WEATHER,
        '<tool_call>{"arguments": {"days": 2, "city": "Oslo"}, "name": "weather"}</tool_call>',
        PERFECT | {"format_compliant": 1.0},
    ),
    Case(
        "prose before the call breaks the format and not the ability",
        WEATHER,
        "Sure, I will look.\n" + tag(RIGHT),
        PERFECT | {"format_compliant": 0.0, "valid_json": 1.0, "exact_match_strict": 0.0, "field_f1_strict": 0.0},
    ),
    Case(
        "prose behind the call breaks the format too",
        WEATHER,
        tag(RIGHT) + "\nHere you are.",
        PERFECT | {"format_compliant": 0.0},
    ),
    Case(
        "a code fence instead of the tag is read leniently",
        WEATHER,
        f"```json\n{RIGHT}\n```",
        PERFECT | {"format_compliant": 0.0, "valid_json": 1.0},
    ),
    Case(
        "a code fence inside the tag is read leniently",
        WEATHER,
        tag(f"```json\n{RIGHT}\n```"),
        PERFECT | {"format_compliant": 0.0, "valid_json": 1.0},
    ),
    Case(
        "Python repr is no JSON, yet the same call",
        WEATHER,
        tag("{'name': 'weather', 'arguments': {'city': 'Oslo', 'days': 2}}"),
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0, "exact_match_strict": 0.0},
    ),
    Case(
        "an apostrophe inside Python repr does not break it: swapping quotes would",
        [("say", {"text": "it's"})],
        tag("""{'name': 'say', 'arguments': {'text': "it's"}}"""),
        PERFECT,
    ),
    Case(
        "only the closers around the arguments are missing: the call is beyond doubt",
        [("weather", {"city": "Oslo"})],
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
    ),
    Case(
        "a brace left out before the closing tag: the model had finished, the call is beyond doubt",
        [("weather", {"city": "Oslo"})],
        tag('{"name": "weather", "arguments": {"city": "Oslo"}'),
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
    ),
    Case(
        "only closers are missing, those of the arguments too: what is there is read, and a field that is not costs",
        WEATHER,
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"',
        {"exact_match": 0.0, "field_precision": 1.0, "field_recall": 0.5, "failure": "missing_argument"},
    ),
    Case(
        "a bare name that was cut is no call: its arguments may have followed",
        [("now", {})],
        '<tool_call>\n{"name": "now"',
        NOTHING_RIGHT | {"failure": "unreadable"},
    ),
    Case(
        "a text cut in its middle is not guessed at: Os may have been Oslo",
        [("weather", {"city": "Os"})],
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Os',
        NOTHING_RIGHT | {"failure": "unreadable"},
    ),
    Case(
        "a number cut at the end is not guessed at: 2 may have been 25",
        WEATHER,
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "days": 2',
        NOTHING_RIGHT | {"failure": "unreadable"},
    ),
    Case(
        "an answer cut at the token limit is classed as truncated",
        WEATHER,
        '<tool_call>\n{"name": "weather", "argum',
        NOTHING_RIGHT | {"failure": "truncated"},
        finish="length",
    ),
    Case(
        "a whole call before a truncated one still counts",
        [("f", {"a": 1}), ("g", {"b": 2})],
        tag('{"name": "f", "arguments": {"a": 1}}') + '\n<tool_call>\n{"name": "g", "argum',
        {"exact_match": 0.0, "field_precision": 1.0, "field_recall": 0.5, "field_f1": 2 / 3, "missing_calls": 1},
        finish="length",
    ),
    Case(
        "a self-closing tag with its arguments as an attribute is recovered",
        WEATHER,
        '<tool_call name="weather" arguments={"city": "Oslo", "days": 2} />',
        PERFECT | {"format_compliant": 0.0},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "arguments as a quoted attribute in Python repr are recovered",
        WEATHER,
        "<tool_call name=\"weather\" args=\"{'city': 'Oslo', 'days': 2}\">{}</tool_call>",
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "arguments with HTML entities for quotes are recovered",
        WEATHER,
        '~<tool_call name="weather" arguments="{&quot;city&quot;: &quot;Oslo&quot;, &quot;days&quot;: 2}"/>',
        PERFECT | {"format_compliant": 0.0},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "arguments spelled out as attributes are recovered: text in quotes, else the value that it is",
        WEATHER,
        '<tool_call name="weather" city="Oslo" days=2 />',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "a number in an attribute's quotes is text, so one of two fields is wrong",
        WEATHER,
        '<tool_call name="weather" city="Oslo" days="2"></tool_call>',
        {"exact_match": 0.0, "name_match": 1.0, "field_f1": 0.5, "failure": "wrong_type"},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "a self-closing tag without arguments calls the function with none",
        [("now", {})],
        '<tool_call name="now"/>',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "a tag closed at once calls the function with no arguments",
        [("now", {})],
        '<tool_call name="now"></tool_call>',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "of a tag that was cut before its body nothing is guessed",
        [("now", {})],
        '<tool_call name="now">',
        NOTHING_RIGHT | {"failure": "unreadable"},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "of a tag that was cut among its attributes nothing is guessed",
        [("weather", {"city": "Oslo"})],
        '<tool_call name="weather" city="Oslo" da',
        NOTHING_RIGHT | {"failure": "unreadable"},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "the named tag to the letter",
        WEATHER,
        '<tool_call name="weather">{"city": "Oslo", "days": 2}</tool_call>',
        PERFECT | {"format_compliant": 1.0},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "a Hermes tag where the named tag was asked for: right call, wrong format",
        WEATHER,
        tag(RIGHT),
        PERFECT | {"format_compliant": 0.0},
        contract=Contract.FLEDGLING_TOOLCALL,
    ),
    Case(
        "a name lifted out of the arguments, as the extraction rows write it",
        [("extract", {"queries": ["a"]})],
        '<tool_call>\\n{"arguments": {"name": "extract", "queries": ["a"]}}\\n</tool_call>',
        PERFECT | {"format_compliant": 0.0},
    ),
    Case(
        "a key written twice is not to the letter; the last one counts, as every JSON reader has it",
        [("weather", {"city": "Oslo"})],
        tag('{"name": "weather", "arguments": {"city": "Rome", "city": "Oslo"}}'),
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
    ),
    Case(
        "a draft inside <think> is not the answer",
        WEATHER,
        "<think>maybe " + tag('{"name": "news", "arguments": {}}') + "</think>" + tag(RIGHT),
        PERFECT | {"format_compliant": 0.0, "extra_calls": 0},
    ),
    Case(
        "placeholders copied from the prompt are no call",
        WEATHER,
        tag("{'arguments': <args-dict>, 'name': <function-name>}"),
        NOTHING_RIGHT | {"failure": "unreadable", "valid_json": 0.0},
    ),
    Case(
        "a tool's schema echoed from the prompt is no call",
        WEATHER,
        '{"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}',
        NOTHING_RIGHT | {"extra_calls": 0},
    ),
    Case(
        "native tool calls to the letter",
        WEATHER,
        '[{"id": "1", "type": "function", "function": {"name": "weather", '
        '"arguments": "{\\"city\\": \\"Oslo\\", \\"days\\": 2}"}}]',
        PERFECT | {"format_compliant": 1.0},
        contract=Contract.OPENAI,
    ),
    Case(
        "native tool calls with arguments as an object instead of a text",
        WEATHER,
        '[{"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo", "days": 2}}}]',
        PERFECT | {"format_compliant": 0.0},
        contract=Contract.OPENAI,
    ),
    Case(
        "native arguments that were cut are unreadable, and not the same as no arguments",
        [("now", {})],
        '[{"id": "1", "type": "function", "function": {"name": "now", "arguments": "{\\"city\\": "}}]',
        NOTHING_RIGHT | {"failure": "unreadable", "valid_json": 0.0},
        contract=Contract.OPENAI,
    ),
    Case(
        "native arguments in Python repr are recovered and are no valid JSON",
        [("weather", {"city": "Oslo"})],
        '[{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{\'city\': \'Oslo\'}"}}]',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        contract=Contract.OPENAI,
    ),
    Case(
        "a whole message may say something beside its calls",
        [("now", {})],
        '{"role": "assistant", "content": "One moment.", "tool_calls": '
        '[{"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]}',
        PERFECT | {"format_compliant": 1.0},
        contract=Contract.OPENAI,
    ),
    Case(
        "a message of the old kind, with a function_call, is recovered",
        [("now", {})],
        '{"role": "assistant", "content": null, "function_call": {"name": "now", "arguments": "{}"}}',
        PERFECT | {"format_compliant": 0.0, "valid_json": 1.0},
        contract=Contract.OPENAI,
    ),
    Case(
        "a refusal where a list was asked for is a refusal, not an unreadable answer",
        WEATHER,
        "I'm sorry, I can't help with that.",
        NOTHING_RIGHT | {"failure": "refusal", "format_compliant": 0.0, "valid_json": 0.0},
        contract=Contract.FLEDGLING_STRUCTURED,
    ),
    Case(
        "arguments alone have no function to name in what is wrong with them",
        [("", {"city": "Oslo"})],
        "{}",
        {"exact_match": 0.0, "failure": "missing_argument", "first_difference": 'city is missing, expected "Oslo"'},
        contract=Contract.JSON_SCHEMA,
    ),
    Case(
        "an empty list is shown as one, and is not an empty object",
        [("f", {"x": []})],
        tag('{"name": "f", "arguments": {"x": {}}}'),
        {"exact_match": 0.0, "failure": "wrong_value", "first_difference": "f: x should be [], got {}"},
    ),
    Case(
        "NaN is shown as NaN, and is not null",
        [("f", {"x": float("nan")})],
        tag('{"name": "f", "arguments": {"x": null}}'),
        {"exact_match": 0.0, "failure": "wrong_value", "first_difference": "f: x should be NaN, got null"},
    ),
    Case(
        "a structured list to the letter",
        WEATHER,
        '[{"tool_name": "weather", "arguments": {"city": "Oslo", "days": 2}}]',
        PERFECT | {"format_compliant": 1.0},
        contract=Contract.FLEDGLING_STRUCTURED,
    ),
    Case(
        "one structured object with its query, as published: the query is never scored",
        WEATHER,
        '{"query": "anything at all", "tool_name": "weather", "arguments": {"city": "Oslo", "days": 2}}',
        PERFECT | {"format_compliant": 1.0},
        contract=Contract.FLEDGLING_STRUCTURED,
    ),
    Case(
        "the arguments alone, by schema",
        WEATHER,
        '{"city": "Oslo", "days": 2}',
        PERFECT | {"format_compliant": 1.0},
        contract=Contract.JSON_SCHEMA,
    ),
    Case(
        "the arguments by schema in a fence with prose",
        WEATHER,
        'Here:\n```json\n{"city": "Oslo", "days": 2}\n```',
        PERFECT | {"format_compliant": 0.0, "valid_json": 1.0},
        contract=Contract.JSON_SCHEMA,
    ),
]

VALUES = [
    Case(
        "1 and 1.0 are one JSON number",
        [("f", {"n": 1})],
        tag('{"name": "f", "arguments": {"n": 1.0}}'),
        PERFECT,
    ),
    Case(
        "1 and true are two values, although Python says they are equal",
        [("f", {"n": 1})],
        tag('{"name": "f", "arguments": {"n": true}}'),
        {"exact_match": 0.0, "field_f1": 0.0, "name_match": 1.0, "failure": "wrong_value"},
    ),
    Case(
        '1 and "1" are two values; the class says that only the type is wrong',
        [("f", {"n": 1})],
        tag('{"name": "f", "arguments": {"n": "1"}}'),
        {"exact_match": 0.0, "field_f1": 0.0, "failure": "wrong_type"},
    ),
    Case(
        "a post code keeps its leading zero",
        [("f", {"zip": "02139"})],
        tag('{"name": "f", "arguments": {"zip": 2139}}'),
        {"exact_match": 0.0, "failure": "wrong_type"},
    ),
    Case(
        "0.0 and -0.0 are one number",
        [("f", {"n": 0.0})],
        tag('{"name": "f", "arguments": {"n": -0.0}}'),
        PERFECT,
    ),
    Case(
        "0.1 + 0.2 is not 0.3: no tolerance is invented",
        [("f", {"n": 0.3})],
        tag('{"name": "f", "arguments": {"n": 0.30000000000000004}}'),
        {"exact_match": 0.0, "failure": "wrong_value"},
    ),
    Case(
        "huge integers compare exactly, not as floats",
        [("f", {"n": 10**30})],
        tag('{"name": "f", "arguments": {"n": 1000000000000000000000000000001}}'),
        {"exact_match": 0.0, "failure": "wrong_value"},
    ),
    Case(
        "a huge integer equals itself",
        [("f", {"n": 10**30})],
        tag('{"name": "f", "arguments": {"n": 1000000000000000000000000000000}}'),
        PERFECT | {"format_compliant": 1.0},
    ),
    Case(
        "NaN equals NaN, and is no JSON to the letter",
        [("f", {"n": float("nan")})],
        tag('{"name": "f", "arguments": {"n": NaN}}'),
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
    ),
    Case(
        "null is a value: leaving the key out is another answer",
        [("f", {"a": None, "b": 1})],
        tag('{"name": "f", "arguments": {"b": 1}}'),
        {"exact_match": 0.0, "field_precision": 1.0, "field_recall": 0.5, "failure": "missing_argument"},
    ),
    Case(
        "composed and decomposed é are one text (NFC)",
        [("f", {"name": "caf\u00e9"})],
        tag('{"name": "f", "arguments": {"name": "cafe\u0301"}}'),
        PERFECT,
    ),
    Case(
        "an escaped é is the same text",
        [("f", {"name": "caf\u00e9"})],
        tag('{"name": "f", "arguments": {"name": "caf\\u00e9"}}'),
        PERFECT | {"format_compliant": 1.0},
    ),
    Case(
        "full-width letters are other letters: NFC, not NFKC",
        [("f", {"name": "Ａ"})],
        tag('{"name": "f", "arguments": {"name": "A"}}'),
        {"exact_match": 0.0, "failure": "wrong_value"},
    ),
    Case(
        "capitals and blanks count",
        [("f", {"city": "Oslo"})],
        tag('{"name": "f", "arguments": {"city": "oslo "}}'),
        {"exact_match": 0.0, "field_f1": 0.0, "name_match": 1.0},
    ),
    Case(
        "a dot in a key is no path",
        [("f", {"a.b": 1})],
        tag('{"name": "f", "arguments": {"a": {"b": 1}}}'),
        {"exact_match": 0.0, "field_f1": 0.0},
    ),
    Case(
        'the key "0" is no list index',
        [("f", {"a": {"0": "x"}})],
        tag('{"name": "f", "arguments": {"a": ["x"]}}'),
        {"exact_match": 0.0, "field_f1": 0.0},
    ),
    Case(
        "the order of a list counts: of two places none agrees",
        [("f", {"a": [1, 2]})],
        tag('{"name": "f", "arguments": {"a": [2, 1]}}'),
        {"exact_match": 0.0, "field_f1": 0.0, "failure": "wrong_value"},
    ),
    Case(
        "a longer list: two of three predicted places are right, both gold places found",
        [("f", {"a": [1, 2]})],
        tag('{"name": "f", "arguments": {"a": [1, 2, 3]}}'),
        {"field_precision": 2 / 3, "field_recall": 1.0, "field_f1": 0.8, "failure": "wrong_value"},
    ),
    Case(
        "an empty list is a value of its own",
        [("f", {"a": [], "b": 1})],
        tag('{"name": "f", "arguments": {"a": {}, "b": 1}}'),
        {"exact_match": 0.0, "field_precision": 0.5, "field_recall": 0.5, "field_f1": 0.5},
    ),
    Case(
        "one of two fields wrong: half of the fields on both sides",
        WEATHER,
        tag('{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}'),
        {"exact_match": 0.0, "field_precision": 0.5, "field_recall": 0.5, "field_f1": 0.5, "failure": "wrong_value"},
    ),
    Case(
        "an added field costs precision alone: 2 of 3",
        WEATHER,
        tag('{"name": "weather", "arguments": {"city": "Oslo", "days": 2, "unit": "C"}}'),
        {"field_precision": 2 / 3, "field_recall": 1.0, "field_f1": 0.8, "failure": "extra_argument"},
    ),
    Case(
        "a missing field costs recall alone: 1 of 2",
        WEATHER,
        tag('{"name": "weather", "arguments": {"city": "Oslo"}}'),
        {"field_precision": 1.0, "field_recall": 0.5, "field_f1": 2 / 3, "failure": "missing_argument"},
    ),
    Case(
        "a nested field is compared by its whole path",
        [("f", {"to": {"city": "Oslo", "zip": "1"}})],
        tag('{"name": "f", "arguments": {"to": {"city": "Oslo", "zip": "2"}}}'),
        {"field_f1": 0.5, "first_difference": 'f: to.zip should be "1", got "2"'},
    ),
]

CALLS = [
    Case("a call without arguments can be right", [("now", {})], tag('{"name": "now", "arguments": {}}'), PERFECT),
    Case(
        "arguments where none belong: the field 'no arguments' is missed and one is added",
        [("now", {})],
        tag('{"name": "now", "arguments": {"zone": "UTC"}}'),
        {"exact_match": 0.0, "field_f1": 0.0, "name_match": 1.0, "failure": "extra_argument"},
    ),
    Case(
        "the wrong function without arguments is wrong, although no field differs",
        [("now", {})],
        tag('{"name": "today", "arguments": {}}'),
        NOTHING_RIGHT | {"failure": "wrong_function"},
    ),
    Case(
        "fields of another function are not the fields that were asked for",
        WEATHER,
        tag('{"name": "news", "arguments": {"city": "Oslo", "days": 2}}'),
        NOTHING_RIGHT | {"arguments_exact": 1.0, "failure": "wrong_function", "extra_calls": 1, "missing_calls": 1},
    ),
    Case(
        "a function that is not on offer is invented",
        WEATHER,
        tag('{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}'),
        NOTHING_RIGHT | {"failure": "unknown_function", "schema_valid": 0.0},
        tools=[TOOL],
    ),
    Case(
        "parallel calls in another order are the same answer",
        [("f", {"a": 1}), ("g", {"b": 2})],
        tag('{"name": "g", "arguments": {"b": 2}}') + "\n" + tag('{"name": "f", "arguments": {"a": 1}}'),
        PERFECT | {"format_compliant": 1.0},
    ),
    Case(
        "where one call uses the result of another their order counts",
        [("f", {"a": 1}), ("g", {"b": "$functions.f.result"})],
        tag('{"name": "g", "arguments": {"b": "$functions.f.result"}}') + tag('{"name": "f", "arguments": {"a": 1}}'),
        {"exact_match": 0.0, "field_f1": 1.0, "name_match": 1.0, "failure": "wrong_order"},
        ordered=True,
    ),
    Case(
        "two identical calls asked for, one given: compared as multisets",
        [("roll", {"dice": 6}), ("roll", {"dice": 6})],
        tag('{"name": "roll", "arguments": {"dice": 6}}'),
        {
            "exact_match": 0.0,
            "field_precision": 1.0,
            "field_recall": 0.5,
            "missing_calls": 1,
            "failure": "missing_call",
        },
    ),
    Case(
        "one call asked for, the same given twice",
        [("roll", {"dice": 6})],
        tag('{"name": "roll", "arguments": {"dice": 6}}') * 2,
        {"exact_match": 0.0, "field_precision": 0.5, "field_recall": 1.0, "extra_calls": 1, "failure": "extra_call"},
    ),
    Case(
        "calls of one function are paired so that most fields agree: 3 of 4, whatever the order",
        [("f", {"a": 1, "b": 1}), ("f", {"a": 2, "b": 2})],
        tag('{"name": "f", "arguments": {"a": 2, "b": 2}}') + tag('{"name": "f", "arguments": {"a": 1, "b": 9}}'),
        {"field_precision": 0.75, "field_recall": 0.75, "field_f1": 0.75, "missing_calls": 0, "extra_calls": 0},
    ),
    Case(
        "the pairing is best as a whole: the closest two calls (3 fields) are not paired, for 2 + 2 is more than 3 + 0",
        [("f", {"a": 1, "b": 1}), ("f", {"a": 1, "b": 1, "c": 3, "d": 4})],
        tag('{"name": "f", "arguments": {"a": 1, "b": 1, "c": 3}}')
        + tag('{"name": "f", "arguments": {"c": 3, "d": 4}}'),
        {"true_positives": 4, "field_recall": 4 / 6, "field_precision": 4 / 5},
    ),
    Case(
        "two calls in one tag as a list are both read",
        [("f", {"a": 1}), ("g", {"b": 2})],
        tag('[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {"b": 2}}]'),
        PERFECT | {"format_compliant": 0.0},
    ),
    Case(
        "arguments that break the schema: days must be a whole number",
        [("weather", {"city": "Oslo", "days": 2})],
        tag('{"name": "weather", "arguments": {"city": "Oslo", "days": "two"}}'),
        {"schema_valid": 0.0, "exact_match": 0.0, "valid_json": 1.0},
        tools=[TOOL],
    ),
    Case(
        "a wrong value can still fit the schema",
        WEATHER,
        tag('{"name": "weather", "arguments": {"city": "Rome"}}'),
        {"schema_valid": 1.0, "exact_match": 0.0},
        tools=[TOOL],
    ),
]

NO_CALLS = [
    Case(
        "no call is right and words are given: right in the field figures too",
        [],
        "I can't look that up, but here is what I know.",
        {"exact_match": 1.0, "no_call_correct": 1.0, "field_f1": 1.0, "name_match": None, "valid_json": None},
    ),
    Case(
        "no call is right and one is made",
        [],
        tag(RIGHT),
        {
            "exact_match": 0.0,
            "no_call_correct": 0.0,
            "field_f1": 0.0,
            "failure": "called_when_it_should_not",
            "extra_calls": 1,
        },
    ),
    Case(
        "a garbled call where none is right is an attempt to call",
        [],
        '<tool_call>\n{"name": "weather", "argu',
        {"no_call_correct": 0.0, "failure": "unreadable"},
    ),
    Case(
        "saying nothing is no answer, even where no call is right",
        [],
        "   ",
        {"no_call_correct": 0.0, "exact_match": 0.0, "failure": "empty"},
    ),
    Case(
        "structured: an empty list says that no call is right",
        [],
        "[]",
        {"no_call_correct": 1.0, "format_compliant": 1.0, "valid_json": 1.0},
        contract=Contract.FLEDGLING_STRUCTURED,
    ),
    Case(
        "structured: words where a list was asked for are no call, in the wrong format",
        [],
        "There is nothing to call.",
        {"no_call_correct": 1.0, "format_compliant": 0.0, "valid_json": 0.0},
        contract=Contract.FLEDGLING_STRUCTURED,
    ),
    Case(
        "a call is right and words are given: no JSON where JSON was called for",
        WEATHER,
        "It is sunny.",
        NOTHING_RIGHT | {"valid_json": 0.0, "schema_valid": 0.0, "failure": "missing_call", "format_compliant": 1.0},
        tools=[TOOL],
    ),
    Case(
        "where no tools are known the schema figure applies to no row, be the answer right or wrong",
        WEATHER,
        "It will be sunny.",
        {"schema_valid": None, "valid_json": 0.0},
    ),
    Case(
        "a refusal in words is a wrong answer with a class of its own",
        WEATHER,
        "I'm sorry, I cannot help with that.",
        NOTHING_RIGHT | {"failure": "refusal"},
    ),
    Case(
        "a refusal by the provider's filter is wrong, whatever text came with it",
        WEATHER,
        tag(RIGHT),
        NOTHING_RIGHT | {"failure": "refusal", "format_compliant": 0.0},
        finish="content_filter",
    ),
    Case(
        "a refusal where no call is right is still a refusal",
        [],
        "",
        {"exact_match": 0.0, "no_call_correct": 0.0, "failure": "refusal"},
        finish="content_filter",
    ),
    Case(
        "an empty answer costs precision too: it is charged with as many fields as gold has",
        WEATHER,
        "",
        NOTHING_RIGHT | {"predicted_fields": 2, "gold_fields": 2, "true_positives": 0, "failure": "empty"},
    ),
]

ALL_CASES = [*FORMATS, *VALUES, *CALLS, *NO_CALLS]
