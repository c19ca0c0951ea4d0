import re
from hashlib import sha256

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.data import write_row
from swap_assets.domain.reading.parsing import parse_row
from swap_assets.domain.schemas import calls_fit_schemas
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.synthetic.dialogues import KINDS, WORDINGS
from swap_assets.domain.synthetic.generator import (
    GeneratorSettings,
    KindWeights,
    Novelty,
    fill_settings,
    generate,
)
from swap_assets.domain.synthetic.tools import ALL_TOOLS, DOMAINS, POOLS
from swap_assets.domain.synthetic.values import entity_pool, vocabulary

DEMO = GeneratorSettings(rows=400, tools_per_domain=1, max_distractors=1, verbatim_values=True, closing=False)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(0, 20))
def test_asking_for_more_rows_changes_no_earlier_row(seed, rows, more):
    few = list(generate(GeneratorSettings(seed=seed, rows=rows)))
    many = list(generate(GeneratorSettings(seed=seed, rows=rows + more)))
    assert many[:rows] == few


def test_another_seed_gives_other_rows():
    one, other = (list(generate(GeneratorSettings(seed=seed, rows=50))) for seed in (1, 2))
    assert not {row.id for row in one} & {row.id for row in other}


def test_every_call_is_to_an_offered_tool_and_valid_against_its_schema():
    for row in generate(GeneratorSettings(rows=1500)):
        offered = {tool.name: tool.parameters for tool in row.tools}
        for turn in row.turns:
            for call in turn.calls:
                jsonschema.validate(call.arguments, offered[call.name])


@pytest.mark.parametrize("rows", [10_000, pytest.param(100_000, marks=pytest.mark.campaign)])
def test_many_rows_have_99_percent_distinct_requests_and_are_all_valid(rows):
    seen = set()
    for row in generate(GeneratorSettings(rows=rows)):
        seen.add(row.turns[0].text)
        assert all(calls_fit_schemas(turn.calls, row.tools) for turn in row.turns if turn.calls)
    assert len(seen) >= 0.99 * rows


def test_every_schema_is_itself_a_valid_schema():
    for plan in ALL_TOOLS:
        jsonschema.Draft202012Validator.check_schema(plan.spec.parameters)


def test_every_kind_carries_the_label_that_it_was_made_for():
    expected = {"simple": "single_turn", "moderate": "single_turn", "complex": "single_turn"}
    for row in generate(GeneratorSettings(rows=1500)):
        labels, kind = eval_cases(row)[0].labels, row.subcategory
        if kind in expected:
            assert labels["single_turn"] == kind
        elif kind in ("parallel", "no_call"):
            assert kind in labels
        else:
            assert labels["multi_turn"] == kind
        assert labels["domain"] == row.category


def test_all_kinds_all_domains_and_all_tools_are_made():
    rows = list(generate(GeneratorSettings(rows=1500)))
    assert {row.subcategory for row in rows} == set(KINDS)
    assert {row.category for row in rows} == set(DOMAINS)
    assert {row.task for row in rows} == {plan.name for plan in ALL_TOOLS}


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, list) else [value]


def test_verbatim_values_stand_in_what_was_said_before_the_call():
    for row in generate(DEMO):
        said = ""
        for turn in row.turns:
            for call in turn.calls:
                assert all(str(leaf) in said for leaf in _leaves(call.arguments)), row
            said += turn.text + str([response.content for response in turn.responses])


def test_demo_rows_are_short():
    lengths = sorted(len(row.turns[0].text.split()) for row in generate(DEMO))
    assert lengths[len(lengths) // 2] <= 20
    assert lengths[-1] <= 60


def test_no_phrasing_and_no_entity_belongs_to_both_pools():
    for plan in ALL_TOOLS:
        assert not set(plan.phrasings["train"]) & set(plan.phrasings["test"])
    train, test = (vocabulary(pool) for pool in POOLS)
    for one, other in zip(train, test, strict=True):
        assert one
        assert other
        assert not {entry.casefold() for entry in one} & {entry.casefold() for entry in other}


def _patterns(pool):
    return [
        re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(phrasing)), re.IGNORECASE)
        for plan in ALL_TOOLS
        for phrasing in plan.phrasings[pool]
    ]


def test_no_test_row_can_come_out_of_the_training_stream():
    kinds = KindWeights(clarification=0)  # asks by intent, which the requests of both pools share no words of
    for pool, other in (("train", "test"), ("test", "train")):
        share = float(pool == "test")
        foreign = _patterns(other)
        for row in generate(GeneratorSettings(rows=300, test_share=share, kinds=kinds)):
            assert row.provenance.config == pool
            assert not any(pattern.search(row.turns[0].text) for pattern in foreign), row.turns[0].text


def test_no_value_of_a_test_row_is_ever_a_value_of_a_training_row():
    listed = {option for plan in ALL_TOOLS for slot in plan.slots if slot.kind == "enum" for option in slot.options}
    seen = {"train": set(), "test": set()}
    for row in generate(GeneratorSettings(rows=6000, test_share=0.5, novelty=Novelty(values=1, wordings=1))):
        for turn in row.turns:
            leaves = [leaf for call in turn.calls for leaf in _leaves(call.arguments)]
            seen[row.provenance.config] |= {str(leaf) for leaf in leaves if leaf is not True}
    assert min(len(values) for values in seen.values()) > 3000
    assert seen["train"] & seen["test"] <= listed


def test_test_rows_of_new_values_are_worded_like_training_rows_and_ask_for_their_tools():
    kinds, domains = KindWeights(clarification=0, no_call=0), ("weather", "finance")
    made = GeneratorSettings(
        rows=200, test_share=1, kinds=kinds, domains=domains, novelty=Novelty(values=1, wordings=0)
    )
    known = _patterns("train")
    for row in generate(made):
        assert row.category in domains
        assert any(pattern.search(row.turns[0].text) for pattern in known), row.turns[0].text


def test_only_test_rows_ask_for_the_tools_of_unseen_domains_and_offer_no_others():
    made = GeneratorSettings(
        rows=400, test_share=0.5, domains=("weather", "finance"), unseen_domains=("maps", "files"),
        novelty=Novelty(values=1, wordings=0, tools=1),
    )  # fmt: skip
    names = {domain: {plan.name for plan in ALL_TOOLS if plan.domain == domain} for domain in DOMAINS}
    unseen, pools = names["maps"] | names["files"], set()
    for row in generate(made):
        offered = {tool.name for tool in row.tools}
        assert not offered & unseen or offered <= unseen
        if offered & unseen:
            pools.add(row.provenance.config)
    assert pools == {"test"}


def test_names_in_a_row_are_of_the_pool_that_the_row_is_of():
    for row in generate(GeneratorSettings(rows=300, tools_per_domain=1)):
        for turn in row.turns:
            for call in turn.calls:
                if call.name == "transfer_money":
                    assert {entity_pool(part) for part in call.arguments["recipient"].split()} == {
                        row.provenance.config
                    }


def test_fill_rows_are_test_rows_only():
    assert {row.provenance.config for row in generate(fill_settings(DEMO, rows=50, seed=3))} == {"test"}


def test_generated_rows_survive_being_written_and_parsed():
    for row in generate(GeneratorSettings(rows=200)):
        again = parse_row(write_row(row), source="x")
        assert again.id == row.id


@pytest.mark.parametrize(
    "wrong",
    [
        {"domains": ["weather", "cooking"]},
        {"kinds": dict.fromkeys(KINDS, 0)},
        {"domains": ["weather"], "tools_per_domain": 1},
        {"rows": 0},
        {"novelty": {"wordings": 0}},
        {"novelty": {"tools": 1}},
        {"domains": ["weather", "files"], "unseen_domains": ["files", "maps"]},
        {"unseen_domains": ["cooking"]},
        {"domains": ["weather", "files"], "unseen_domains": ["maps"], "tools_per_domain": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        GeneratorSettings.model_validate(wrong)


def test_no_wording_belongs_to_both_pools_but_the_bare_request_and_the_bare_value():
    for table in WORDINGS.values():
        assert set(table["train"]) & set(table["test"]) <= {"{}"}


def test_a_seed_gives_the_rows_that_it_always_gave():
    varied = {"values": 1, "wordings": 1, "tools": 1}
    settings = [
        GeneratorSettings(rows=300),
        GeneratorSettings(rows=200, seed=3, verbatim_values=True, closing=False, test_share=1.0),
        GeneratorSettings.model_validate(
            {"rows": 200, "domains": ("weather", "files", "social"), "unseen_domains": ("maps",), "novelty": varied}
            | {"test_share": 0.6, "tools_per_domain": 2}
        ),
    ]
    written = "".join(row.model_dump_json() for each in settings for row in generate(each))
    assert sha256(written.encode()).hexdigest()[:16] == "19794c3cf4236316"
