from swap_assets.domain.splits.leakage_index import LeakageIndex, build_index, repetitions
from swap_assets_tests.domain.data_rows import request

LONG = (
    "please turn on the lamp that stands beside the old wooden door of the upper hall and then close the "
    "window that looks out on the garden, the pond and the three old apple trees of my neighbour in house"
)


def test_an_index_finds_a_repeated_test_row_and_a_nearly_repeated_one_and_nothing_else():
    index = build_index([request(f"{LONG} 12"), request("something else altogether, my friend")])
    log = [request(f"{LONG.upper()}  12"), request(f"{LONG} 13"), request("turn the heating down in the kitchen")]
    found = repetitions(index, log)
    assert [entry.conversation_id for entry in found] == [log[0].id, log[1].id]
    assert found[0].similarity == 1.0
    assert 0.8 <= found[1].similarity < 1.0


def test_an_index_holds_no_text_and_survives_being_stored():
    index = build_index([request("my secret lamp"), request("my secret lamp")])
    stored = index.model_dump_json()
    assert "secret" not in stored
    assert len(index.fingerprints) == 1
    assert LeakageIndex.model_validate_json(stored) == index


def test_an_empty_index_finds_nothing():
    assert repetitions(LeakageIndex(), [request("lamp")]) == []
    assert repetitions(build_index([request("lamp")]), []) == []
