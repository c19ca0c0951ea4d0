import pytest
from hypothesis import given, settings

from swap_assets.domain.experiment.sources import Scale, TestSplitSizes
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import ToolCall
from swap_assets.domain.scoring.row_scoring import score_answer
from swap_assets.domain.splits.asked import quotas
from swap_assets.domain.splits.capabilities import difficulty, eval_cases, has_repaired_gold, multi_turn_kind
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.domains import DOMAINS, OTHER, domain_of
from swap_assets.domain.splits.scale_split import split_scale
from swap_assets.domain.synthetic.generator import GeneratorSettings, fill_settings, generate
from swap_assets.domain.synthetic.tools import DOMAINS as GENERATED_DOMAINS
from swap_assets.domain.tracks import structured_track, toolcall_track
from swap_assets_tests.domain.data_rows import LIGHT_CALL, TOOL, call_text, conversations, hermes_row, parsed, request

NAMES = ("single_turn_test", "multi_turn_test", "domain_diverse_test", "no_call_test", "parallel_test")
SIZES = TestSplitSizes()


def _dialogue(*turns: str):
    """A conversation from lines such as "human: hi"; a gpt line "CALL" calls the light."""
    row = hermes_row("")
    row["conversations"] = row["conversations"][:1]
    for turn in turns:
        role, _, text = turn.partition(": ")
        row["conversations"].append({"from": role, "value": call_text(LIGHT_CALL) if text == "CALL" else text})
    return parsed(row)


def _call(**arguments):
    return ToolCall(name="f", arguments=arguments)


def test_the_order_of_calls_counts_in_the_graph_where_an_argument_refers_to_an_earlier_result():
    row = hermes_row("")
    system, *_ = row["conversations"]
    for room, ordered in (("$functions.set_light.result", True), ("kitchen", False)):
        calls = [{"name": "set_light", "arguments": {"room": name, "on": True}} for name in ("hall", room)]
        told = [{"from": "human", "value": "Light the hall, and what is next to it."},
                {"from": "gpt", "value": "\n".join(map(call_text, calls))}]  # fmt: skip
        row["conversations"] = [system, *told]
        (case,) = eval_cases(parsed(row))
        assert case.ordered is ordered
        swapped = HERMES.read(HERMES.write(case.gold_calls[::-1]))
        assert score_answer(case, swapped).exact_match == float(not ordered)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ((_call(),), "simple"),
        ((_call(a=1, b=[1, 2], c="x"),), "simple"),
        ((_call(a=1, b=2, c=3, d=4),), "moderate"),
        ((_call(a=1), _call(a=2)), "moderate"),
        ((_call(), _call(), _call()), "complex"),
        ((_call(a={"b": 1}),), "complex"),
        ((_call(a=[{"b": 1}]),), "complex"),
    ],
)
def test_difficulty_follows_its_written_rule(calls, expected):
    assert difficulty(calls) == expected


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (("human: a", "gpt: CALL"), None),
        (("human: a", "gpt: CALL", "tool: {}", "gpt: done"), "context_dependent"),
        (("human: a", "gpt: Which room?", "human: hall", "gpt: CALL"), "clarification"),
        (("human: a", "gpt: CALL", "tool: {}", "gpt: CALL"), "sequential"),
        (("human: a", "gpt: CALL", "tool: {}", "gpt: done", "human: again", "gpt: CALL"), "context_dependent"),
        (
            ("human: a", "gpt: CALL", "tool: {}", "gpt: More?", "human: again", "gpt: CALL"),
            "context_dependent",
        ),
        (("human: a", "gpt: Hello.", "human: b", "gpt: Bye."), None),
    ],
)
def test_multi_turn_kind_follows_its_written_rule(turns, expected):
    assert multi_turn_kind(_dialogue(*turns)) == expected


def test_every_assistant_turn_is_a_case_with_the_true_history_before_it():
    conversation = _dialogue("human: a", "gpt: Which room?", "human: hall", "gpt: CALL", "tool: {}", "gpt: done")
    cases = eval_cases(conversation)
    assert [case.turn for case in cases] == [1, 3, 5]
    for case in cases:
        assert case.history == conversation.turns[: case.turn]
        assert case.labels["multi_turn"] == "clarification"
    assert [case.labels["turn"] for case in cases] == ["ask_back", "call", "answer"]
    assert [bool(case.gold_calls) for case in cases] == [False, True, False]
    assert cases[0].labels["no_call"] == "ask_back"
    assert "no_call" not in cases[2].labels


@settings(max_examples=100, deadline=None)
@given(conversations())
def test_labels_are_total(conversation):
    cases = eval_cases(conversation)
    assert [case.turn for case in cases] == conversation.assistant_turns()
    for case in cases:
        assert case.labels["domain"] in (*DOMAINS, OTHER)
        assert case.labels["turn"] in ("call", "ask_back", "answer")


def test_domains_are_the_ten_of_the_generator_and_the_category_helps():
    assert set(DOMAINS) == set(GENERATED_DOMAINS)
    tool = {"name": "getStockPrice", "parameters": {}}
    assert domain_of(parsed(hermes_row("ok", tools=[tool]))) == "finance"
    assert domain_of(parsed(hermes_row("ok", tools=[{"name": "f"}]))) == OTHER
    assert domain_of(parsed(hermes_row("ok", tools=[{"name": "f"}], category="Communication App"))) == "communication"
    assert domain_of(parsed(hermes_row("ok", tools=[tool], category="weather"))) == "weather"


@pytest.fixture(scope="module")
def generated():
    return list(generate(GeneratorSettings(rows=1200)))


@pytest.fixture(scope="module")
def split(generated):
    scales = {"s": Scale(train=100, validation=50, test=60)}
    return split_scale(generated, scale="s", scales=scales, release_test=40, seed=42)


@pytest.mark.parametrize("name", NAMES)
def test_test_splits_have_the_sizes_asked_for_and_hold_no_other_part_of_the_data(name, generated, split):
    chosen = select(name, conversations=generated, split=split, sizes=SIZES)
    assert chosen.missing == {}
    used = {case.conversation_id for case in chosen.cases}
    assert not used & {*split.train, *split.validation, *split.release}
    label, wanted = quotas(name, SIZES)
    for value, count in wanted.items():
        assert len({case.conversation_id for case in chosen.cases if case.labels[label] == value}) == count
    assert chosen == select(name, conversations=generated[::-1], split=split, sizes=SIZES)


def test_real_rows_come_first_and_generated_ones_fill_up_and_are_marked():
    rows = [request(f"lamp {index} of house {index}") for index in range(100)]
    split = split_scale(rows, scale="s", scales={"s": Scale(train=50, validation=10, test=12)}, release_test=5, seed=1)
    fill = list(generate(fill_settings(GeneratorSettings(), rows=300, seed=9)))
    chosen = select("single_turn_test", conversations=rows, split=split, sizes=SIZES, fill=fill)
    held_out = len(split.test) + len(split.reserve)
    assert chosen.real == {"simple": min(20, held_out), "moderate": 0, "complex": 0}
    assert chosen.synthetic["moderate"] == 20
    assert {case.origin for case in chosen.cases if case.labels["single_turn"] == "complex"} == {"synthetic"}


def test_real_rows_of_another_kind_come_before_generated_ones():
    turns = ("gpt: CALL", "tool: {}", "gpt: done")
    texts = [f"human: {' '.join(f'w{index}x{place}' for place in range(30))}" for index in range(150)]
    rows = [_dialogue(text, *turns) for text in texts]
    scales = {"s": Scale(train=50, validation=10, test=40)}
    split = split_scale(rows, scale="s", scales=scales, release_test=5, seed=1)
    fill = list(generate(fill_settings(GeneratorSettings(), rows=300, seed=9)))
    chosen = select("multi_turn_test", conversations=rows, split=split, sizes=SIZES, fill=fill)
    assert chosen.real == {"clarification": 0, "sequential": 0, "context_dependent": 30}
    assert chosen.missing == {} and not sum(chosen.synthetic.values())


def test_every_test_row_of_the_scale_is_asked_at_each_of_its_turns(generated, split):
    chosen = select("general_test", conversations=generated, split=split, sizes=SIZES)
    assert {case.conversation_id for case in chosen.cases} == set(split.test)
    by_id = {row.id: row for row in generated}
    assert len(chosen.cases) == sum(len(by_id[id_].assistant_turns()) for id_ in split.test)
    assert chosen.wanted == {"test rows": len(split.test)} and chosen.missing == {}


def test_rows_of_the_training_pool_never_fill_a_test_split(split, generated):
    fill = list(generate(GeneratorSettings(rows=200, test_share=0, seed=3)))
    empty = split.model_copy(update={"test": (), "reserve": ()})
    chosen = select("single_turn_test", conversations=generated, split=empty, sizes=SIZES, fill=fill)
    assert chosen.cases == ()
    assert chosen.missing == {"simple": 20, "moderate": 20, "complex": 10}


def test_fill_that_repeats_a_sealed_or_a_training_row_is_not_taken(split, generated):
    by_id = {row.id: row for row in generated}
    repeats = [by_id[id_] for id_ in (*split.release, *split.train)]
    fill = [row.model_copy(update={"id": f"copy {row.id}"}) for row in repeats]
    pooled = [row.model_copy(update={"provenance": repeats[0].provenance}) for row in fill]
    empty = split.model_copy(update={"test": (), "reserve": ()})
    assert repeats[0].provenance.config == "test"
    assert select("single_turn_test", conversations=generated, split=empty, sizes=SIZES, fill=pooled).cases == ()


def test_repaired_gold_never_enters_a_test_split():
    repaired = request("lamp", repairs=("name_lifted",))
    rows = [request(f"lamp {index} of house {index}") for index in range(100)]
    scales = {"s": Scale(train=50, validation=10, test=12)}
    split = split_scale(rows, scale="s", scales=scales, release_test=5, seed=1)
    forced = split.model_copy(update={"test": (repaired.id,), "reserve": ()})
    assert has_repaired_gold(repaired)
    assert select("single_turn_test", conversations=[*rows, repaired], split=forced, sizes=SIZES).cases == ()


def test_cases_say_whether_their_tools_were_trained_on(split, generated):
    by_id = {row.id: row for row in generated}
    chosen = select("single_turn_test", conversations=generated, split=split, sizes=SIZES)
    assert {case.labels["tools"] for case in chosen.cases} == {"seen"}
    name = next(call.name for case in chosen.cases for call in case.gold_calls)
    fewer = tuple(id_ for id_ in split.train if name not in {tool.name for tool in by_id[id_].tools})
    again = select("single_turn_test", conversations=generated, split=split.model_copy(update={"train": fewer}),
                   sizes=SIZES)  # fmt: skip
    unseen = [case for case in again.cases if case.labels["tools"] == "unseen"]
    assert unseen
    assert all(name in {call.name for call in case.gold_calls} for case in unseen)


def test_an_unknown_test_split_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="expected one of single_turn_test"):
        quotas("other_test", SIZES)


def test_the_toolcall_track_takes_whole_conversations_up_to_the_last_answer():
    conversation = _dialogue("human: a", "gpt: CALL", "tool: {}", "gpt: done", "human: thanks")
    (example,) = toolcall_track([conversation])
    assert example.turns == conversation.turns[:4]
    assert example.answer_format is FLEDGLING_TOOLCALL


def test_the_structured_track_ends_where_a_list_can_still_answer():
    called = _dialogue("human: a", "gpt: Which?", "human: b", "gpt: CALL", "tool: {}", "gpt: done")
    declined = _dialogue("human: a", "gpt: I can't.", "human: b", "gpt: Still not.")
    chatting = parsed(hermes_row("Hello", tools=[], system="hi"))
    examples = structured_track([called, declined, chatting])
    assert [len(example.turns) for example in examples] == [4, 2]
    assert {example.answer_format for example in examples} == {FLEDGLING_STRUCTURED}
    assert TOOL["function"]["name"] == examples[0].tools[0].name
