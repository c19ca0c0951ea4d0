"""Hand-worked cases of answers as Hermes writes them, and of what is recovered from around them."""

from swap_assets_tests.domain.scoring_cases import NOTHING_RIGHT, PERFECT, RIGHT, WEATHER, Case, tag

HERMES = [
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
]
