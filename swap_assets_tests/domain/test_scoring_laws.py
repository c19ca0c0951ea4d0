"""Laws of scoring that hold for any answer."""

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from swap_assets.domain.formats.base import AnswerFormat, ParsedAnswer, answer_formats
from swap_assets.domain.formats.json_schema import JSON_SCHEMA
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec
from swap_assets.domain.schemas import calls_fit_schemas
from swap_assets.domain.scoring.fields import compare, fields_of, overlap
from swap_assets.domain.scoring.row_scoring import score_answer
from swap_assets.domain.scoring.scores import RowScore

settings.register_profile("unhurried", deadline=None)  # the first call imports scipy
settings.load_profile("unhurried")
keys = st.sampled_from(["a", "b", "c.d", "é", "0"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, "x", "1", "é", ""])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2))
arguments = st.dictionaries(keys, values, max_size=3)
calls = st.builds(ToolCall, name=st.sampled_from(["f", "g"]), arguments=arguments)
some_calls = st.lists(calls, max_size=4).map(tuple)
at_least_one = st.lists(calls, min_size=1, max_size=4).map(tuple)
FIGURES = ("exact_match", "name_match", "arguments_exact", "field_precision", "field_recall", "field_f1")


def score(gold: tuple[ToolCall, ...], given_calls: tuple[ToolCall, ...], *, ordered: bool = False) -> RowScore:
    parsed = ParsedAnswer(calls=given_calls, strict_calls=given_calls, compliant=True, text="" if given_calls else "no")
    return score_answer(case_of(gold, ordered=ordered), parsed)


def case_of(gold: tuple[ToolCall, ...], *, ordered: bool = False) -> EvalCase:
    return EvalCase(
        id="case", conversation_id="c", turn=0, tools=(), history=(), gold_calls=gold, ordered=ordered, origin="real"
    )


@given(at_least_one, st.sampled_from([c for c in answer_formats().values() if c is not JSON_SCHEMA]))
def test_gold_against_itself_is_perfect_in_every_format(gold: tuple[ToolCall, ...], answer_format: AnswerFormat):
    found = score_answer(case_of(gold), answer_format.read(answer_format.write(gold)))
    assert [getattr(found, name) for name in FIGURES] == [1.0] * len(FIGURES)
    assert found.failure == "none" and found.format_compliant == 1.0


@given(some_calls, some_calls, st.randoms(use_true_random=False))
def test_the_order_of_parallel_calls_changes_nothing(gold: Any, answer: Any, random: Any):
    shuffled, reordered = list(answer), list(gold)
    random.shuffle(shuffled)
    random.shuffle(reordered)
    one, other = score(gold, answer), score(tuple(reordered), tuple(shuffled))
    assert [getattr(one, name) for name in FIGURES] == [getattr(other, name) for name in FIGURES]


@given(at_least_one, at_least_one, st.integers(0, 3))
def test_an_added_wrong_field_never_raises_precision_recall_or_f1(gold: Any, answer: Any, place: int):
    chosen = place % len(answer)
    added = ToolCall(name=answer[chosen].name, arguments=answer[chosen].arguments | {"never in gold": 1})
    before, after = score(gold, answer), score(gold, (*answer[:chosen], added, *answer[chosen + 1 :]))
    for name in ("field_precision", "field_recall", "field_f1", "exact_match"):
        assert getattr(after, name) <= getattr(before, name) + 1e-12


@given(at_least_one, some_calls)
def test_an_added_call_of_an_unknown_function_never_raises_a_figure(gold: Any, answer: Any):
    before, after = score(gold, answer), score(gold, (*answer, ToolCall(name="unknown", arguments={"a": 1})))
    for name in FIGURES:
        assert getattr(after, name) <= getattr(before, name)


@given(some_calls, some_calls)
def test_every_figure_lies_between_0_and_1_and_f1_between_precision_and_recall(gold: Any, answer: Any):
    found = score(gold, answer)
    for name in FIGURES:
        value = getattr(found, name)
        assert value is None or 0.0 <= value <= 1.0
    low, high = sorted([found.field_precision or 0.0, found.field_recall or 0.0])
    assert low - 1e-12 <= (found.field_f1 or 0.0) <= high + 1e-12


@given(some_calls, some_calls)
def test_exact_means_that_every_other_figure_is_perfect_and_that_no_failure_is_named(gold: Any, answer: Any):
    found = score(gold, answer)
    assert (found.exact_match == 1.0) == (found.failure == "none")
    assert bool(found.first_difference) == (found.failure != "none")
    if found.exact_match == 1.0:
        assert all(getattr(found, name) in (1.0, None) for name in FIGURES)


@given(at_least_one, some_calls)
def test_extra_and_missing_calls_account_for_the_difference_in_number(gold: Any, answer: Any):
    found = score(gold, answer)
    assert len(answer) - found.extra_calls == len(gold) - found.missing_calls


@given(at_least_one, some_calls)
def test_swapping_gold_and_answer_swaps_precision_and_recall(gold: Any, answer: Any):
    assume(answer)
    one, other = score(gold, answer), score(answer, gold)
    assert (one.field_precision, one.field_recall) == (other.field_recall, other.field_precision)


@given(st.lists(calls, max_size=4), st.lists(calls, max_size=4))
def test_the_pairing_of_calls_agrees_on_as_many_fields_as_any_pairing_could(gold: Any, answer: Any):
    left, right = [fields_of(call) for call in gold], [fields_of(call) for call in answer]
    assert compare(left, right).true_positives == best_by_trying_all(left, right)


def best_by_trying_all(left: list, right: list) -> int:
    if not left:
        return 0
    first, rest = left[0], left[1:]
    best = best_by_trying_all(rest, right)
    for index, other in enumerate(right):
        if other.name == first.name:
            gain = overlap(first.leaves, other.leaves)
            best = max(best, gain + best_by_trying_all(rest, right[:index] + right[index + 1 :]))
    return best


types = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
bounds = st.integers(0, 3)
schemas = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": types | st.lists(types, min_size=1, max_size=2, unique=True),
            "enum": st.lists(scalars, min_size=1, max_size=3),
            "minimum": bounds,
            "exclusiveMaximum": bounds,
            "maxLength": bounds,
            "minItems": bounds,
            "description": st.just("words"),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": types,
            "properties": st.dictionaries(keys, inner, max_size=3),
            "required": st.lists(keys, max_size=2, unique=True),
            "additionalProperties": st.booleans(),
            "items": inner,
        },
    ),
    max_leaves=4,
)


@given(schemas, values)
def test_a_call_fits_a_schema_exactly_where_jsonschema_says_so(schema: dict[str, Any], value: Any):
    asked = {"type": "object", "properties": {"a": schema}}
    expected = Draft202012Validator(asked).is_valid({"a": value})
    fits = calls_fit_schemas((ToolCall(name="f", arguments={"a": value}),), (ToolSpec(name="f", parameters=asked),))
    assert fits == expected
