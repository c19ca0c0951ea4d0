import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swap_assets.domain.experiment.sources import SplitSizes
from swap_assets.domain.reading.parsing import set_duplicates_aside
from swap_assets.domain.splits.leakage import NEAR_DUPLICATE, check_leakage, near_duplicates, request_key
from swap_assets.domain.splits.scale_split import TooFewRowsError, split_scale
from swap_assets.domain.splits.sides import assign_sides, hashed_side
from swap_assets.domain.splits.strata import choose, largest_remainder, stratum
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets_tests.domain.data_rows import extraction_row, parsed, request

SCALES = {
    "tiny": SplitSizes(train=20, validation=8, test=10),
    "small": SplitSizes(train=60, validation=20, test=30),
}
PARTS = ("train", "validation", "test", "release")


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
def test_adding_rows_moves_no_old_row_to_another_side(random, extra):
    needs = {"release": 5, "test": 10, "validation": 5, "train": 30}
    rows = [request(f"lamp {index} in house {index}", row=index) for index in range(300)]
    before, moved = assign_sides(rows[: 150 + extra % 150], needs, seed=1)
    after, moved_later = assign_sides(random.sample(rows, len(rows)), needs, seed=1)
    assert moved == moved_later == 0
    assert all(after[id_] == side for id_, side in before.items() if id_ in after)


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
    rows = [parsed(extraction_row(f"passage number {index} about {index * 31}"), index=index) for index in range(60)]
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
    passages = [f"passage {index} on the history of {index * 17} bridges" for index in range(100)]
    rows = []
    for index in range(200):
        row = extraction_row(passages[index // 2])
        row["conversations"][1]["value"] = f"{FRAMES[index % 2]} {row['conversations'][1]['value']}"
        rows.append(parsed(row, index=index))
    scales = {"all": SplitSizes(train=100, validation=60, test=1)}
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
    long = " ".join(f"word{number}" for number in range(40))
    rows = [
        request(f"{long} about the house number {index // 2} of {index // 2} {'now' * (index % 2)}")
        for index in range(20)
    ]
    far = [request(f"lamp {index} stands beside the chair {index * 3} and door {index * 5}") for index in range(180)]
    pairs = near_duplicates(rows + far)
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
    train = [request("a b c d e f g"), request("one two three four")]
    held = [request("one two three five"), request("x y z")]
    report = check_leakage(train, held)
    assert report.closest_training == train[1].id
    assert report.closest_held_out == held[0].id
    assert report.closest_similarity == pytest.approx(1 / 3, abs=1e-6)
    assert report.clean
    assert report.threshold == NEAR_DUPLICATE


def test_too_few_rows_is_an_error_with_the_numbers(real):
    with pytest.raises(TooFewRowsError, match=r"of 100 conversations .* of 30 for test.*lower the sizes"):
        _split(real[:100])


def test_exact_sizes_are_met_even_when_every_row_is_needed():
    rows = [request(f"lamp {index} of house {index}") for index in range(125)]
    split = _split(rows)
    assert len(split.train) + len(split.validation) + len(split.test) + len(split.release) == 125
    assert split.moved > 0


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
    chosen = choose(list(strata), 100, strata, seed=1)
    for kind in {labels[0] for labels in strata.values()}:
        whole = sum(labels[0] == kind for labels in strata.values()) / len(strata)
        part = sum(strata[id_][0] == kind for id_ in chosen) / 100
        assert abs(whole - part) <= 0.01


@given(st.text())
def test_a_side_is_always_an_allowed_one(key):
    needs = {"release": 0, "test": 3, "validation": 0, "train": 4}
    assert hashed_side(key, ("release", "test"), needs, seed=3) == "test"
    assert hashed_side(key, ("validation", "train"), needs, seed=3) == "train"


def test_a_thousand_generated_rows_split_in_under_two_seconds():
    import time

    rows, _ = set_duplicates_aside(generate(GeneratorSettings(rows=1000)))
    start = time.process_time()
    _split(rows)
    assert time.process_time() - start < 2
