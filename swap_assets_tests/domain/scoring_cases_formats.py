"""Hand-worked cases of the other answer formats: named tags, native tool calls, structured lists, arguments alone."""

from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.formats.json_schema import JSON_SCHEMA
from swap_assets.domain.formats.openai import OPENAI
from swap_assets_tests.domain.scoring_cases import NOTHING_RIGHT, PERFECT, RIGHT, WEATHER, Case, tag

NAMED_TAGS = [
    Case(
        "a self-closing tag with its arguments as an attribute is recovered",
        WEATHER,
        '<tool_call name="weather" arguments={"city": "Oslo", "days": 2} />',
        PERFECT | {"format_compliant": 0.0},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "arguments as a quoted attribute in Python repr are recovered",
        WEATHER,
        "<tool_call name=\"weather\" args=\"{'city': 'Oslo', 'days': 2}\">{}</tool_call>",
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "arguments with HTML entities for quotes are recovered",
        WEATHER,
        '~<tool_call name="weather" arguments="{&quot;city&quot;: &quot;Oslo&quot;, &quot;days&quot;: 2}"/>',
        PERFECT | {"format_compliant": 0.0},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "arguments spelled out as attributes are recovered: text in quotes, else the value that it is",
        WEATHER,
        '<tool_call name="weather" city="Oslo" days=2 />',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "a number in an attribute's quotes is text, so one of two fields is wrong",
        WEATHER,
        '<tool_call name="weather" city="Oslo" days="2"></tool_call>',
        {"exact_match": 0.0, "name_match": 1.0, "field_f1": 0.5, "failure": "wrong_type"},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "a self-closing tag without arguments calls the function with none",
        [("now", {})],
        '<tool_call name="now"/>',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "a tag closed at once calls the function with no arguments",
        [("now", {})],
        '<tool_call name="now"></tool_call>',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "of a tag that was cut before its body nothing is guessed",
        [("now", {})],
        '<tool_call name="now">',
        NOTHING_RIGHT | {"failure": "unreadable"},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "of a tag that was cut among its attributes nothing is guessed",
        [("weather", {"city": "Oslo"})],
        '<tool_call name="weather" city="Oslo" da',
        NOTHING_RIGHT | {"failure": "unreadable"},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "the named tag to the letter",
        WEATHER,
        '<tool_call name="weather">{"city": "Oslo", "days": 2}</tool_call>',
        PERFECT | {"format_compliant": 1.0},
        answer_format=FLEDGLING_TOOLCALL,
    ),
    Case(
        "a Hermes tag where the named tag was asked for: right call, wrong format",
        WEATHER,
        tag(RIGHT),
        PERFECT | {"format_compliant": 0.0},
        answer_format=FLEDGLING_TOOLCALL,
    ),
]

OTHER_FORMATS = [
    Case(
        "native tool calls to the letter",
        WEATHER,
        '[{"id": "1", "type": "function", "function": {"name": "weather", '
        '"arguments": "{\\"city\\": \\"Oslo\\", \\"days\\": 2}"}}]',
        PERFECT | {"format_compliant": 1.0},
        answer_format=OPENAI,
    ),
    Case(
        "native tool calls with arguments as an object instead of a text",
        WEATHER,
        '[{"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo", "days": 2}}}]',
        PERFECT | {"format_compliant": 0.0},
        answer_format=OPENAI,
    ),
    Case(
        "native arguments that were cut are unreadable, and not the same as no arguments",
        [("now", {})],
        '[{"id": "1", "type": "function", "function": {"name": "now", "arguments": "{\\"city\\": "}}]',
        NOTHING_RIGHT | {"failure": "unreadable", "valid_json": 0.0},
        answer_format=OPENAI,
    ),
    Case(
        "native arguments in Python repr are recovered and are no valid JSON",
        [("weather", {"city": "Oslo"})],
        '[{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{\'city\': \'Oslo\'}"}}]',
        PERFECT | {"format_compliant": 0.0, "valid_json": 0.0},
        answer_format=OPENAI,
    ),
    Case(
        "a whole message may say something beside its calls",
        [("now", {})],
        '{"role": "assistant", "content": "One moment.", "tool_calls": '
        '[{"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]}',
        PERFECT | {"format_compliant": 1.0},
        answer_format=OPENAI,
    ),
    Case(
        "a message of the old kind, with a function_call, is recovered",
        [("now", {})],
        '{"role": "assistant", "content": null, "function_call": {"name": "now", "arguments": "{}"}}',
        PERFECT | {"format_compliant": 0.0, "valid_json": 1.0},
        answer_format=OPENAI,
    ),
    Case(
        "a refusal where a list was asked for is a refusal, not an unreadable answer",
        WEATHER,
        "I'm sorry, I can't help with that.",
        NOTHING_RIGHT | {"failure": "refusal", "format_compliant": 0.0, "valid_json": 0.0},
        answer_format=FLEDGLING_STRUCTURED,
    ),
    Case(
        "arguments alone have no function to name in what is wrong with them",
        [("", {"city": "Oslo"})],
        "{}",
        {"exact_match": 0.0, "failure": "missing_argument", "first_difference": 'city is missing, expected "Oslo"'},
        answer_format=JSON_SCHEMA,
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
        answer_format=FLEDGLING_STRUCTURED,
    ),
    Case(
        "one structured object with its query, as published: the query is never scored",
        WEATHER,
        '{"query": "anything at all", "tool_name": "weather", "arguments": {"city": "Oslo", "days": 2}}',
        PERFECT | {"format_compliant": 1.0},
        answer_format=FLEDGLING_STRUCTURED,
    ),
    Case(
        "the arguments alone, by schema",
        WEATHER,
        '{"city": "Oslo", "days": 2}',
        PERFECT | {"format_compliant": 1.0},
        answer_format=JSON_SCHEMA,
    ),
    Case(
        "the arguments by schema in a fence with prose",
        WEATHER,
        'Here:\n```json\n{"city": "Oslo", "days": 2}\n```',
        PERFECT | {"format_compliant": 0.0, "valid_json": 1.0},
        answer_format=JSON_SCHEMA,
    ),
]
