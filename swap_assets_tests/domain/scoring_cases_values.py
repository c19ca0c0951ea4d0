"""Hand-worked cases of when two values, and so two fields, are the same."""

from swap_assets_tests.domain.scoring_cases import PERFECT, WEATHER, Case, tag

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
