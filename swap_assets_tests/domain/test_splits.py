import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swap_assets.domain.experiment.sources import Scale, SingleTurnSizes, TestSplitSizes
from swap_assets.domain.keys import TEST_SPLITS
from swap_assets.domain.reading.parsing import set_duplicates_aside
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.scale_split import TooFewRowsError
from swap_assets.domain.splits.strata import largest_remainder
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets_tests.domain.data_rows import extraction_row, parsed, request, unlike
from swap_assets_tests.domain.split_rows import NO_SPLITS, PARTS, SCALES, logged, passage, split_of


def test_sizes_are_exact_and_no_row_is_in_two_parts(generated, real):
    for rows in (generated, real):
        for scale, sizes in SCALES.items():
            split = split_of(rows, scale)
            assert [len(getattr(split, part)) for part in PARTS] == [sizes.train, sizes.validation, sizes.test, 15]
            everything = [id_ for part in (*PARTS, "reserve", "set_aside") for id_ in getattr(split, part)]
            assert len(everything) == len(set(everything))


def test_scales_nest_so_no_training_row_of_one_is_a_test_row_of_another(generated):
    tiny, small = split_of(generated, "tiny"), split_of(generated, "small")
    for part in ("train", "validation", "test"):
        assert set(getattr(tiny, part)) < set(getattr(small, part))
    assert tiny.release == small.release
    assert not set(tiny.train) & {*small.test, *small.release, *small.reserve}


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 150))
def test_adding_rows_moves_no_old_row_between_training_and_testing(random, extra):
    scales = {"s": Scale(train=30, validation=5, test=10)}
    rows = [request(text, row=index) for index, text in enumerate(unlike(300))]
    before = split_of(rows[: 150 + extra % 150], "s", scales, release=5)
    after = split_of(random.sample(rows, len(rows)), "s", scales, release=5)
    assert before.moved == after.moved == 0
    for earlier, later in ((before, after), (after, before)):
        assert not {*earlier.test, *earlier.release, *earlier.reserve} & {*later.train, *later.validation}


@pytest.mark.parametrize("release", [0, 40])
def test_adding_a_larger_scale_changes_nothing_of_the_smaller_ones(real, release):
    alone = split_of(real, "tiny", {"tiny": SCALES["tiny"]}, release=release)
    beside = split_of(real, "tiny", SCALES, release=release)
    for part in PARTS:
        assert getattr(alone, part) == getattr(beside, part)
    small = split_of(real, "small", SCALES, release=release)
    assert not {*alone.test, *alone.release, *alone.reserve} & {*small.train, *small.validation}
    assert not {*alone.train, *alone.validation} & {*small.test, *small.release, *small.reserve}


@pytest.mark.parametrize(
    ("share", "seed", "larger"),
    [(0.02, 1, [(150, 20, 40)]), (0.05, 2, [(180, 20, 40)]), (0.1, 3, [(100, 20, 20), (190, 25, 30)]),
     (0.5, 4, [(180, 20, 40)])],
)  # fmt: skip
def test_what_one_scale_asks_no_other_trains_on_and_a_larger_scale_changes_no_test_split_of_it(share, seed, larger):
    rows, size = logged(seed, 360, share), Scale(train=25, validation=10, test=12)
    scales = {"small": size} | {
        f"larger{at}": Scale(train=train, validation=validation, test=test)
        for at, (train, validation, test) in enumerate(larger)
    }
    alone = split_of(rows, "small", {"small": size}, release=25, seed=seed)
    splits = {name: split_of(rows, name, scales, release=25, seed=seed) for name in scales}
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
        split_of(real, scales={"small": small, "large": large})


def test_the_order_of_rows_does_not_matter(generated):
    assert split_of(generated) == split_of(generated[::-1])


def test_another_seed_gives_another_split(generated):
    assert split_of(generated, seed=1).train != split_of(generated, seed=2).train


def test_generated_rows_stay_in_their_pool(generated):
    pools = {row.id: row.provenance.config for row in generated}
    split = split_of(generated)
    assert {pools[id_] for id_ in (*split.train, *split.validation)} == {"train"}
    assert {pools[id_] for id_ in (*split.test, *split.release, *split.reserve)} == {"test"}


def test_rows_with_repaired_gold_are_never_tested_on():
    rows = [parsed(extraction_row(passage(index)), index=index) for index in range(60)]
    rows += [request(f"lamp {index} of house {index}") for index in range(140)]
    repaired = {row.id for row in rows if row.repairs}
    split = split_of(rows)
    assert len(repaired) == 60
    assert not repaired & {*split.test, *split.release, *split.reserve}
    assert repaired & set(split.train)


def test_too_few_rows_is_an_error_with_the_numbers(real):
    with pytest.raises(TooFewRowsError, match=r"of 100 conversations.* of 60 for train; lower the sizes of train"):
        split_of(real[:100])


def test_exact_sizes_are_met_even_when_every_row_is_needed():
    rows = [request(f"lamp {index} of house {index}") for index in range(125)]
    scales = {name: each.model_copy(update={"test_splits": NO_SPLITS}) for name, each in SCALES.items()}
    split = split_of(rows, scales=scales)
    assert len(split.train) + len(split.validation) + len(split.test) + len(split.release) == 125


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 400))
def test_largest_remainder_gives_exactly_the_seats_and_never_more_than_there_are(sizes, seats):
    seats = min(seats, sum(sizes.values()))
    shares = largest_remainder(sizes, seats, seed=1)
    assert sum(shares.values()) == seats
    for name, share in shares.items():
        assert share <= sizes[name]
        assert abs(share - seats * sizes[name] / max(1, sum(sizes.values()))) < 1


def test_a_thousand_generated_rows_split_in_under_two_seconds():
    import time

    rows, _ = set_duplicates_aside(generate(GeneratorSettings(rows=1000)))
    start = time.process_time()
    split_of(rows)
    assert time.process_time() - start < 2
