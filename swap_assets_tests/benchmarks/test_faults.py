"""The campaign of faults in its short form: a few of each part, none of them bad."""

import random

import pytest

from benchmarks.faults import damage, endpoint


def test_no_damage_is_read_back_as_other_figures():
    found = list(damage.run(random.Random(3), damages=56))
    assert sum(one.tried for one in found) == 56
    assert [one for one in found if one.bad] == []


@pytest.mark.slow
def test_every_request_to_a_faulty_endpoint_has_one_outcome_and_the_spend_is_the_servers_count():
    (found,) = endpoint.run(random.Random(3), requests=40)
    assert (found.tried, found.survived, found.bad) == (40, 40, 0)
