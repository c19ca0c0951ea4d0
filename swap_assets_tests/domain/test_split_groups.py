"""Which rows belong together: the same passage, the same place, near-duplicates; and what leaks where they do not."""

import pytest

from swap_assets.domain.experiment.sources import Scale
from swap_assets.domain.model import Turn
from swap_assets.domain.splits.groups import groups_of
from swap_assets.domain.splits.leakage import check_leakage, near_duplicates
from swap_assets.domain.splits.leakage_index import build_index, repetitions
from swap_assets.domain.splits.similarity import NEAR_DUPLICATE, Request, boilerplate_of, request_key
from swap_assets_tests.domain.data_rows import extraction_row, parsed, request
from swap_assets_tests.domain.split_rows import logged, passage, split_of

FRAMES = (
    "Good morning, I am preparing a lecture for my students and would be glad about some help with what follows.",
    "Quick one before the meeting starts in five minutes; no need to be polite, just hand over the list, thanks.",
)


def _side_of(split, id_):
    sides = {"train": split.train, "validation": split.validation, "held out": (*split.test, *split.reserve)}
    return next((name for name, ids in sides.items() if id_ in ids), "release" if id_ in split.release else None)


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
    split = split_of(rows, "all", scales, release=0)
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
    split = split_of(rows)
    sides = {row.id: _side_of(split, row.id) for row in rows}
    for one, other in zip(rows[:150], rows[150:], strict=True):
        assert len({sides[one.id], sides[other.id]} - {None}) <= 1


def test_of_rows_that_repeat_each_other_only_one_is_held_out():
    rows = [
        request(f"Ask {config} for lamp {index} of house {index}", row=index, config=f"func_calling{config}")
        for config in ("", "_singleturn")
        for index in range(200)
    ]
    split = split_of(rows)
    places = {row.id: row.provenance.row for row in rows}
    held_out = [places[id_] for id_ in (*split.test, *split.release, *split.reserve)]
    assert len(held_out) == len(set(held_out))
    assert len(split.train) > len({places[id_] for id_ in split.train})


def test_trap_near_duplicates_stay_on_one_side():
    rows = [request(f"{passage(index // 2)} about the house {'now' * (index % 2)}") for index in range(20)]
    far = [request(f"lamp {index} stands beside the chair {index * 3} and door {index * 5}") for index in range(180)]
    pairs = near_duplicates([Request(row) for row in rows + far])
    assert len(pairs) >= 10
    split = split_of(rows + far)
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
        (("work out 7 + 2 now", {"sum": "7 + 2"}), ("work out 7 * 2 now", {"sum": "7 * 2"}), False),
        (("solve y+4=9 for me", {"eq": "y+4=9"}), ("solve y-4=9 for me", {"eq": "y-4=9"}), False),
        (("find C++ jobs in Bern", {"q": "C++"}), ("find C# jobs in Bern", {"q": "C#"}), False),
        (("show all below < 30 now", {"if": "age < 30"}), ("show all above > 30 now", {"if": "age > 30"}), False),
        (("mail amy@a.org: hi", {"to": "amy@a.org"}), ("mail amy@b.org: hi", {"to": "amy@b.org"}), False),
        (("ring +41 555 now", {"number": "+41 555"}), ("ring 41 555 now", {"number": "41 555"}), True),
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
        rows, again = [logged(1, 40, 0), []]
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
