"""Hand-worked cases of several calls, and of rows on which no call is right."""

from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets_tests.domain.scoring_cases import NOTHING_RIGHT, PERFECT, RIGHT, TOOL, WEATHER, Case, tag

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
        answer_format=FLEDGLING_STRUCTURED,
    ),
    Case(
        "structured: words where a list was asked for are no call, in the wrong format",
        [],
        "There is nothing to call.",
        {"no_call_correct": 1.0, "format_compliant": 0.0, "valid_json": 0.0},
        answer_format=FLEDGLING_STRUCTURED,
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
