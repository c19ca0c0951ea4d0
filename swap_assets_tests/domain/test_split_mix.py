"""What a part of a split is made of: its kinds, the rows that fit max_length, the shares of its sources."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.experiment.gpu_hours import CARDS, length_for
from swap_assets.domain.experiment.sources import SingleTurnSizes, TestSplitSizes
from swap_assets.domain.splits.groups import groups_of
from swap_assets.domain.splits.scale_split import split_experiment, split_scale
from swap_assets.domain.splits.strata import grow, stratum
from swap_assets.domain.tracks import estimated_tokens, tokens_of
from swap_assets_tests.domain.data_rows import request
from swap_assets_tests.domain.split_rows import PARTS, SCALES, SIZES, logged


def test_a_choice_has_the_mix_of_the_whole(generated):
    strata = {row.id: stratum(row) for row in generated}
    chosen = grow([], list(strata), 100, strata, mix=Counter(strata.values()), seed=1)
    for kind in {labels[0] for labels in strata.values()}:
        whole = sum(labels[0] == kind for labels in strata.values()) / len(strata)
        part = sum(strata[id_][0] == kind for id_ in chosen) / 100
        assert abs(whole - part) <= 0.01


def test_a_split_counts_the_conversations_that_may_be_sealed_by_how_many_of_their_answers_call(generated):
    may = {group.held_out for group in groups_of(generated, seed=42)}
    calling = Counter(sum(bool(turn.calls) for turn in row.turns) for row in generated if row.id in may)
    split = split_scale(generated, scale="small", scales=SCALES, release_test=15, seed=42)
    assert split.lengths == {length: calling[length] for length in sorted(calling) if length}


def test_lengths_count_as_the_shares_of_the_sources_have_it():
    once, twice = logged(1, 120, 0.0), logged(2, 240, 0.0)
    rows = [*once, *(row.model_copy(update={"id": f"b{row.id}", "turns": row.turns * 2}) for row in twice)]
    placed = [row.model_copy(update={"provenance": row.provenance.model_copy(update={"source": name})})
              for row, name in zip(rows, ["a"] * 120 + ["b"] * 240, strict=True)]  # fmt: skip
    split = split_scale(placed, scale="small", scales=SCALES, release_test=15, seed=42, shares={"a": 0.75, "b": 0.25})
    assert split.lengths == pytest.approx({1: 0.75, 2: 0.25})


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
    next(iter(settings["models"].values()))["context"] = 64
    capped = split_experiment(parse_experiment(settings), real, scale="small")
    assert (capped.max_length, capped.chosen_length, capped.capped_by) == (64, 64, next(iter(settings["models"])))
    assert f"beyond the chosen max_length 64 (as much as {capped.capped_by} takes) and teach" in capped.told_of_cut


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
