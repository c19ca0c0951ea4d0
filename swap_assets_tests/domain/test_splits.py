import random
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.experiment.gpu_hours import CARDS, length_for
from swap_assets.domain.experiment.sources import MultiTurnSizes, Scale, SingleTurnSizes, TestSplitSizes
from swap_assets.domain.keys import TEST_SPLITS
from swap_assets.domain.model import ToolResponse, Turn
from swap_assets.domain.reading.parsing import set_duplicates_aside
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.leakage import check_leakage, near_duplicates
from swap_assets.domain.splits.leakage_index import build_index, repetitions
from swap_assets.domain.splits.scale_split import TooFewRowsError, split_experiment, split_scale
from swap_assets.domain.splits.sides import groups_of
from swap_assets.domain.splits.similarity import NEAR_DUPLICATE, Request, boilerplate_of, request_key
from swap_assets.domain.splits.strata import grow, largest_remainder, stratum
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets.domain.tracks import estimated_tokens, tokens_of
from swap_assets_tests.domain.data_rows import extraction_row, parsed, request

SCALES = {
    "tiny": Scale(train=20, validation=8, test=10),
    "small": Scale(train=60, validation=20, test=30),
}
SIZES = {"train": 40, "validation": 10, "test": 10}
PARTS = ("train", "validation", "test", "release")
NO_SPLITS = TestSplitSizes(
    single_turn=SingleTurnSizes(simple=0, moderate=0, complex=0), per_domain=0, no_call=0, parallel=0,
    multi_turn=MultiTurnSizes(clarification=0, sequential=0, context_dependent=0),
)  # fmt: skip


def passage(number: int) -> str:
    """A text of forty words that no other number's text has."""
    return " ".join(f"word{number}of{place}" for place in range(40))


def _split(rows, scale="small", scales=SCALES, release=15, seed=42):
    return split_scale(rows, scale=scale, scales=scales, release_test=release, seed=seed)


@pytest.fixture(scope="module")
def generated():
    return list(generate(GeneratorSettings(rows=400)))


@pytest.fixture(scope="module")
def real():
    return [
        request(f"please switch lamp {index} of house {index * 7} to blue {index}", row=index) for index in range(200)
    ]


def test_sizes_are_exact_and_no_row_is_in_two_parts(generated, real):
    for rows in (generated, real):
        for scale, sizes in SCALES.items():
            split = _split(rows, scale)
            assert [len(getattr(split, part)) for part in PARTS] == [sizes.train, sizes.validation, sizes.test, 15]
            everything = [id_ for part in (*PARTS, "reserve", "set_aside") for id_ in getattr(split, part)]
            assert len(everything) == len(set(everything))


def test_scales_nest_so_no_training_row_of_one_is_a_test_row_of_another(generated):
    tiny, small = _split(generated, "tiny"), _split(generated, "small")
    for part in ("train", "validation", "test"):
        assert set(getattr(tiny, part)) < set(getattr(small, part))
    assert tiny.release == small.release
    assert not set(tiny.train) & {*small.test, *small.release, *small.reserve}


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 150))
def test_adding_rows_moves_no_old_row_between_training_and_testing(random, extra):
    scales = {"s": Scale(train=30, validation=5, test=10)}
    rows = [request(f"lamp {index} in house {index}", row=index) for index in range(300)]
    before = _split(rows[: 150 + extra % 150], "s", scales, release=5)
    after = _split(random.sample(rows, len(rows)), "s", scales, release=5)
    assert before.moved == after.moved == 0
    for earlier, later in ((before, after), (after, before)):
        assert not {*earlier.test, *earlier.release, *earlier.reserve} & {*later.train, *later.validation}


@pytest.mark.parametrize("release", [0, 40])
def test_adding_a_larger_scale_changes_nothing_of_the_smaller_ones(real, release):
    alone = _split(real, "tiny", {"tiny": SCALES["tiny"]}, release=release)
    beside = _split(real, "tiny", SCALES, release=release)
    for part in PARTS:
        assert getattr(alone, part) == getattr(beside, part)
    small = _split(real, "small", SCALES, release=release)
    assert not {*alone.test, *alone.release, *alone.reserve} & {*small.train, *small.validation}
    assert not {*alone.train, *alone.validation} & {*small.test, *small.release, *small.reserve}


def _logged(seed, count, share):
    """Requests with no word in common, of which a share are answered with what a tool returned."""
    draw = random.Random(seed)
    answer = (Turn(role="tool", responses=(ToolResponse(name="set_light"),)), Turn(role="assistant", text="Done."))
    rows = [request(" ".join(f"{draw.getrandbits(40):x}" for _ in range(9)), row=index) for index in range(count)]
    return [row.model_copy(update={"turns": row.turns + answer}) if draw.random() < share else row for row in rows]


@pytest.mark.parametrize(
    ("share", "seed", "larger"),
    [(0.02, 1, [(150, 20, 40)]), (0.05, 2, [(180, 20, 40)]), (0.1, 3, [(100, 20, 20), (190, 25, 30)]),
     (0.5, 4, [(180, 20, 40)])],
)  # fmt: skip
def test_what_one_scale_asks_no_other_trains_on_and_a_larger_scale_changes_no_test_split_of_it(share, seed, larger):
    rows, size = _logged(seed, 360, share), Scale(train=25, validation=10, test=12)
    scales = {"small": size} | {
        f"larger{at}": Scale(train=train, validation=validation, test=test)
        for at, (train, validation, test) in enumerate(larger)
    }
    alone = _split(rows, "small", {"small": size}, release=25, seed=seed)
    splits = {name: _split(rows, name, scales, release=25, seed=seed) for name in scales}
    unchanged = alone == splits["small"]
    assert unchanged
    asked = [
        {case.conversation_id for case in select(name, conversations=rows, split=one, sizes=size.test_splits).cases}
        for one in splits.values() for name in TEST_SPLITS
    ]  # fmt: skip
    trained = {id_ for one in splits.values() for id_ in (*one.train, *one.validation)}
    assert any(asked) and not trained & set().union(*asked)


def test_a_source_too_small_for_the_test_splits_of_a_smaller_scale_is_refused_with_what_they_keep(real):
    many = TestSplitSizes(single_turn=SingleTurnSizes(simple=60))
    small, large = Scale(train=40, validation=10, test=10, test_splits=many), Scale(train=120, validation=10, test=10)
    with pytest.raises(TooFewRowsError, match=r"50 are kept for what .* of 120 for train; .* or of test_splits"):
        _split(real, scales={"small": small, "large": large})


def test_the_order_of_rows_does_not_matter(generated):
    assert _split(generated) == _split(generated[::-1])


def test_another_seed_gives_another_split(generated):
    assert _split(generated, seed=1).train != _split(generated, seed=2).train


def test_generated_rows_stay_in_their_pool(generated):
    pools = {row.id: row.provenance.config for row in generated}
    split = _split(generated)
    assert {pools[id_] for id_ in (*split.train, *split.validation)} == {"train"}
    assert {pools[id_] for id_ in (*split.test, *split.release, *split.reserve)} == {"test"}


def test_rows_with_repaired_gold_are_never_tested_on():
    rows = [parsed(extraction_row(passage(index)), index=index) for index in range(60)]
    rows += [request(f"lamp {index} of house {index}") for index in range(140)]
    repaired = {row.id for row in rows if row.repairs}
    split = _split(rows)
    assert len(repaired) == 60
    assert not repaired & {*split.test, *split.release, *split.reserve}
    assert repaired & set(split.train)


def _side_of(split, id_):
    sides = {"train": split.train, "validation": split.validation, "held out": (*split.test, *split.reserve)}
    return next((name for name, ids in sides.items() if id_ in ids), "release" if id_ in split.release else None)


FRAMES = (
    "Good morning, I am preparing a lecture for my students and would be glad about some help with what follows.",
    "Quick one before the meeting starts in five minutes; no need to be polite, just hand over the list, thanks.",
)


def test_trap_the_passage_decides_whether_two_extraction_requests_are_the_same():
    one, other = (
        request(f"{frame} <passage> The bridge was built in 1932 by the city. </passage>") for frame in FRAMES
    )
    assert request_key(one) == request_key(other)
    assert check_leakage([one], [other]).closest_similarity == 1.0
    assert request_key(one) != request_key(request(FRAMES[0]))


def test_trap_rows_that_share_a_passage_stay_on_one_side():
    passages = [passage(index) for index in range(100)]
    rows = []
    for index in range(200):
        row = extraction_row(passages[index // 2])
        row["conversations"][1]["value"] = f"{FRAMES[index % 2]} {row['conversations'][1]['value']}"
        rows.append(parsed(row, index=index))
    scales = {"all": Scale(train=100, validation=60, test=1)}
    rows += [request(f"lamp {index} of house {index}") for index in range(40)]
    split = _split(rows, "all", scales, release=0)
    for one, other in zip(rows[0:200:2], rows[1:200:2], strict=True):
        assert {_side_of(split, one.id), _side_of(split, other.id)} in (
            {"train"},
            {"validation"},
            {"train", None},
            {"validation", None},
            {None},
        )


def test_trap_the_same_row_index_of_two_configs_stays_on_one_side():
    rows = [
        request(f"{config} asks for lamp {index} of house {index}", row=index, config=config)
        for config in ("func_calling_singleturn", "func_calling")
        for index in range(150)
    ]
    split = _split(rows)
    sides = {row.id: _side_of(split, row.id) for row in rows}
    for one, other in zip(rows[:150], rows[150:], strict=True):
        assert len({sides[one.id], sides[other.id]} - {None}) <= 1


def test_of_rows_that_repeat_each_other_only_one_is_held_out():
    rows = [
        request(f"Ask {config} for lamp {index} of house {index}", row=index, config=f"func_calling{config}")
        for config in ("", "_singleturn")
        for index in range(200)
    ]
    split = _split(rows)
    places = {row.id: row.provenance.row for row in rows}
    held_out = [places[id_] for id_ in (*split.test, *split.release, *split.reserve)]
    assert len(held_out) == len(set(held_out))
    assert len(split.train) > len({places[id_] for id_ in split.train})


def test_trap_near_duplicates_stay_on_one_side():
    rows = [request(f"{passage(index // 2)} about the house {'now' * (index % 2)}") for index in range(20)]
    far = [request(f"lamp {index} stands beside the chair {index * 3} and door {index * 5}") for index in range(180)]
    pairs = near_duplicates([Request(row) for row in rows + far])
    assert len(pairs) >= 10
    split = _split(rows + far)
    sides = {row.id: _side_of(split, row.id) for row in rows + far}
    for one, other in pairs:
        assert len({sides[one], sides[other]} - {None}) <= 1
    assert split.leakage.clean


def test_trap_capitals_and_blanks_do_not_hide_a_duplicate():
    report = check_leakage([request("Switch  the LAMP on now")], [request("switch the lamp on now")])
    assert report.same_request == 1
    assert not report.clean


def test_leakage_names_the_closest_pair_and_its_similarity():
    words = [f"word{number}" for number in range(42)]
    train = [request("a b c d e f g"), request(" ".join(words[:40]))]
    held = [request(" ".join(words[10:])), request("x y z")]
    report = check_leakage(train, held)
    assert report.closest_training == train[1].id
    assert report.closest_held_out == held[0].id
    assert report.closest_similarity == pytest.approx(28 / 40, abs=1e-6)
    assert report.clean
    assert report.threshold == NEAR_DUPLICATE


EUROS = ("convert 500 USD to Euros", {"amount": 500, "to": "Euros"})
OSLO = ("what is the weather in Oslo now", {"city": "Oslo"})
HALL = ("put the hall light on", {"light": "hall", "on": True})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (EUROS, ("convert 500 USD to EUR", {"amount": 500, "to": "EUR"}), True),
        (EUROS, ("Please convert 500 USD into Euros!", {"amount": 500, "to": "Euros"}), True),
        (EUROS, ("convert 900 USD to Euros", {"amount": 900, "to": "Euros"}), False),
        (OSLO, ("what is the weather in Rome now", {"city": "Rome"}), False),
        (HALL, ("put the hall light off", {"light": "hall", "on": False}), False),
        (EUROS, ("convert 500 USD to Yen", {"amount": 500, "to": "JPY"}), False),
        (("convert 500 dollars to Yen", {"from": "dollars"}), ("convert 500 USD to Yen", {"from": "USD"}), True),
        (("is it cold in New York now", {"city": "New York"}), ("is it cold in NYC now", {"city": "NYC"}), True),
        (("call mum at 9 am", {"at": "9 am"}), ("call mum at 09:00", {"at": "09:00"}), True),
        (("call mum at 9 am", {"at": "9 am"}), ("call mum at 9 pm", {"at": "9 pm"}), False),
        (("heat to 21 degrees", {"to": 21}), ("heat to 21.0 degrees", {"to": 21.0}), True),
        (("a table for four", {"for": 4}), ("a table for 4", {"for": "four", "at": None}), True),
        (("heat room12 now", {"room": "room12"}), ("heat room13 now", {"room": "room13"}), False),
        (("say it in German", {"in": "German"}), ("please say it in german", {"in": "de"}), True),
    ],
)
def test_a_short_request_said_again_is_told_from_one_that_asks_for_something_else(one, other, same):
    rows = [asking(*one), asking(*other)]
    assert bool(near_duplicates([Request(row) for row in rows])) is same
    assert check_leakage(rows[:1], rows[1:]).clean is not same
    assert bool(repetitions(build_index(rows[:1]), rows[1:])) is same


def asking(text: str, arguments: dict):
    """A request with one call of these arguments."""
    row = request(text)
    call = row.turns[1].calls[0].model_copy(update={"arguments": arguments})
    return row.model_copy(update={"turns": (row.turns[0], row.turns[1].model_copy(update={"calls": (call,)}))})


PREAMBLE = "You are asked by the staff of our shop. " + passage(0)


@pytest.mark.parametrize("called", [True, False])
def test_a_preamble_that_rows_share_does_not_make_them_one_group_and_paraphrases_behind_it_are_seen(called):
    rows = [asking(f"{PREAMBLE} Where is my parcel {word}?", {"parcel": word}) for word in passage(1).split()]
    again = [asking(f"{PREAMBLE} Tell me where my parcel {word} is!", {"parcel": word}) for word in passage(1).split()]
    if not called:
        rows, again = [_logged(1, 40, 0), []]
        rows = [row.model_copy(update={"turns": (Turn(role="user", text=f"{PREAMBLE} {row.turns[0].text}"),
                                                 Turn(role="assistant", text="Done."))}) for row in rows]  # fmt: skip
    shared = boilerplate_of([*rows, *again])
    groups = groups_of([*rows, *again], seed=1, boilerplate=shared)
    assert len(groups) == 40
    assert all(len(group.rows) == 1 + called for group in groups)
    assert check_leakage(rows[:20], rows[20:]).clean
    assert len(repetitions(build_index(rows, shared), again)) == len(again)


def test_a_passage_that_rows_share_makes_them_one_group_however_many_they_are():
    rows = [request(f"{question} <passage> {passage(3)} </passage>") for question in passage(1).split()]
    assert len(groups_of(rows, seed=1, boilerplate=boilerplate_of(rows))) == 1


def test_too_few_rows_is_an_error_with_the_numbers(real):
    with pytest.raises(TooFewRowsError, match=r"of 100 conversations.* of 60 for train; lower the sizes of train"):
        _split(real[:100])


def test_exact_sizes_are_met_even_when_every_row_is_needed():
    rows = [request(f"lamp {index} of house {index}") for index in range(125)]
    scales = {name: each.model_copy(update={"test_splits": NO_SPLITS}) for name, each in SCALES.items()}
    split = _split(rows, scales=scales)
    assert len(split.train) + len(split.validation) + len(split.test) + len(split.release) == 125


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 400))
def test_largest_remainder_gives_exactly_the_seats_and_never_more_than_there_are(sizes, seats):
    seats = min(seats, sum(sizes.values()))
    shares = largest_remainder(sizes, seats, seed=1)
    assert sum(shares.values()) == seats
    for name, share in shares.items():
        assert share <= sizes[name]
        assert abs(share - seats * sizes[name] / max(1, sum(sizes.values()))) < 1


def test_a_choice_has_the_mix_of_the_whole(generated):
    strata = {row.id: stratum(row) for row in generated}
    chosen = grow([], list(strata), 100, strata, mix=Counter(strata.values()), seed=1)
    for kind in {labels[0] for labels in strata.values()}:
        whole = sum(labels[0] == kind for labels in strata.values()) / len(strata)
        part = sum(strata[id_][0] == kind for id_ in chosen) / 100
        assert abs(whole - part) <= 0.01


def test_a_choice_that_grows_makes_up_for_what_its_mix_lacks():
    strata = {f"{kind}{number}": (kind, "", "", "") for kind in "ab" for number in range(50)}
    mix = Counter(strata.values())
    first = [f"a{number}" for number in range(10)]
    grown = grow(first, [id_ for id_ in strata if id_ not in first], 40, strata, mix=mix, seed=1)
    assert grown[:10] == first
    assert Counter(strata[id_][0] for id_ in grown) == {"a": 20, "b": 20}


def test_rows_whose_answers_would_be_cut_are_trained_on_last(real):
    lengths = sorted(map(estimated_tokens, real))
    limit = lengths[len(lengths) * 6 // 10]
    split = split_scale(real, scale="small", scales=SCALES, release_test=15, seed=42, max_length=limit)
    teaching = {row.id for row in real if estimated_tokens(row) <= limit}
    taught = sum(id_ in teaching for id_ in (*split.train, *split.validation))
    held_out = {group.held_out for group in groups_of(real, seed=42) if group.first == "held_out"}
    assert taught == min(80, len(teaching - held_out))
    assert split.cut == sum(id_ not in teaching for id_ in split.train)
    assert f"about {split.cut} of {len(split.train)} training rows" in split.told_of_cut


@pytest.mark.parametrize(
    ("text", "tokens"),  # of Qwen3, Llama 3.1, Gemma 3 and gpt-oss
    [
        ("请告诉我今天北京的天气情况以及明天是否会下雨。我们公司计划在下个月举办一次大型会议。", (22, 30)),
        ("明日の東京の天気を教えてください。来月、会社で大きな会議を開催する予定です。", (20, 28)),
        ("Расскажите мне, какая сегодня погода в Москве и будет ли завтра дождь.", (16, 26)),
        ("Book the table in the window of the small restaurant for tomorrow evening.", (13, 18)),
        ("4111 1111 1111 1111, 02/28", (11, 26)),
    ],
)
def test_tokens_are_estimated_by_the_kind_of_the_characters(text, tokens):
    assert tokens[0] * 0.8 <= tokens_of(text) <= tokens[1] * 1.2


@pytest.mark.parametrize(
    ("rows", "card", "length"),
    [([900] * 99 + [9000], "A100", 2048), ([900] * 90 + [3000] * 10, "A100", 4096), ([5000] * 9, "A100", 8192),
     ([20_000] * 9, "H100", 8192), ([5000] * 9, "RTX 3090", 4096)],
)  # fmt: skip
def test_without_a_max_length_the_least_is_taken_that_rows_fit_and_the_card_has_room_for(rows, card, length):
    assert length_for(rows, next(each for each in CARDS if each.name == card)) == length


def test_an_approach_without_a_max_length_gets_what_its_rows_need_and_the_split_records_it(real):
    settings = yaml.safe_load(Path("swap.yaml").read_text(encoding="utf-8")) | {"scales": {"small": SIZES}}
    settings["release_test"] = 15
    written = split_experiment(parse_experiment(settings), real, scale="small")
    assert (written.max_length, written.chosen_length) == (4096, 0)
    del settings["approaches"]["paper"]["training"]["max_length"]
    split = split_experiment(parse_experiment(settings), real, scale="small")
    assert (split.max_length, split.chosen_length) == (2048, 2048)
    assert "beyond the chosen max_length 2,048" in split.told_of_cut


def _from(source, count, *, origin="real"):
    texts = [f"{source} asks for {' '.join(f'{source}{at}x{place}' for place in range(30))}" for at in range(count)]
    rows = [request(text, row=at) for at, text in enumerate(texts)]
    return [
        row.model_copy(update={"provenance": row.provenance.model_copy(update={"source": source, "origin": origin})})
        for row in rows
    ]


def test_every_part_holds_the_shares_of_its_sources_and_a_larger_scale_keeps_them():
    rows = [*_from("hermes", 300), *_from("log", 120, origin="production")]
    shares = {"hermes": 0.6, "log": 0.4}
    for scale in SCALES:
        split = split_scale(rows, scale=scale, scales=SCALES, release_test=15, seed=42, shares=shares)
        assert not split.short
        for part in PARTS:
            found = {each.source: each for each in split.sources if each.part == part}
            size = len(getattr(split, part))
            assert found["log"].rows == found["log"].wanted == pytest.approx(0.4 * size, abs=1)
            assert found["hermes"].rows == size - found["log"].rows
            assert found["log"].origin == "production"


def test_what_a_source_is_short_of_the_others_make_up_for_and_it_is_said():
    rows = [*_from("hermes", 300), *_from("log", 40)]
    split = split_scale(
        rows, scale="small", scales=SCALES, release_test=15, seed=42, shares={"hermes": 0.5, "log": 0.5}
    )
    assert len(split.train) == 60
    assert sum(each.rows for each in split.sources if each.source == "log") == 40
    assert any(sentence.startswith("log gives ") and "share of train" in sentence for sentence in split.short)


def test_a_source_whose_share_is_zero_only_waits_for_the_test_splits():
    rows = [*_from("hermes", 200), *_from("glaive", 100)]
    many = TestSplitSizes(single_turn=SingleTurnSizes(simple=300))
    scales = {"small": SCALES["small"].model_copy(update={"test_splits": many})}
    shares = {"hermes": 1.0, "glaive": 0.0}
    split = split_scale(rows, scale="small", scales=scales, release_test=15, seed=42, shares=shares)
    assert {each.source for each in split.sources} == {"hermes"}
    assert {row.id for row in rows[200:]} <= {*split.reserve}


@pytest.mark.parametrize(
    ("names", "linked"),
    [
        (("func-calling", "func-calling-singleturn"), True),
        (("func_calling", "func_calling_singleturn"), True),
        (("func_calling_monday", "func_calling_tuesday"), False),
        (("singleturn_monday", "tuesday"), False),
        (("same", "same"), False),
    ],
)
def test_the_place_in_a_file_links_rows_only_to_the_file_that_continues_it(names, linked):
    rows = [
        request(f"{asked} {index} times, until {index * 3} o'clock", row=index, config=name)
        for name, asked in zip(names, ("Water the tulips", "Please could somebody ring the bell"), strict=True)
        for index in range(30)
    ]
    together = sum(len(group.rows) == 2 for group in groups_of(rows, seed=1))
    assert together == (30 if linked else 0)


def test_a_thousand_generated_rows_split_in_under_two_seconds():
    import time

    rows, _ = set_duplicates_aside(generate(GeneratorSettings(rows=1000)))
    start = time.process_time()
    _split(rows)
    assert time.process_time() - start < 2
