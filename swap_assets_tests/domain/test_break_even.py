"""Break-even, worked by hand: a card at 3.60 an hour that answers 2 requests a second, an LLM at 0.002 a request."""

import pytest

from swap_assets.domain.experiment.costs import (
    break_even_utilisation,
    break_even_volume,
    requests_to_repay,
    served_request,
    swapped_request,
)

CARD = {"gpu_hour": 3.6, "per_second": 2.0}


def test_a_request_costs_the_hour_shared_among_what_is_answered_in_it():
    # Full load: 7,200 requests an hour for 3.60; at a quarter of it 1,800.
    assert served_request(**CARD, utilisation=1.0) == pytest.approx(0.0005)
    assert served_request(**CARD, utilisation=0.25) == pytest.approx(0.002)


def test_what_falls_back_is_paid_twice():
    # One in ten goes to the LLM after all: 0.0005 + 0.1 * 0.002.
    assert swapped_request(served=0.0005, hosted=0.002, fallback=0.1) == pytest.approx(0.0007)


def test_break_even_utilisation_is_where_both_cost_the_same():
    # 3.60 / (7,200 * 0.002) = 0.25, and with half falling back 0.5.
    assert break_even_utilisation(**CARD, hosted=0.002, fallback=0.0) == pytest.approx(0.25)
    at = break_even_utilisation(**CARD, hosted=0.002, fallback=0.5)
    assert at == pytest.approx(0.5)
    assert swapped_request(served=served_request(**CARD, utilisation=at), hosted=0.002, fallback=0.5) == pytest.approx(
        0.002
    )


def test_break_even_volume_pays_a_card_that_is_always_on():
    # 730 hours * 3.60 = 2,628; at 0.002 saved a request that is 1,314,000 a month.
    assert break_even_volume(gpu_hour=3.6, hosted=0.002, fallback=0.0) == pytest.approx(1_314_000)


def test_a_bill_is_repaid_by_what_each_request_saves():
    # 15 / (0.002 - 0.0005) = 10,000.
    assert requests_to_repay(15.0, hosted=0.002, swapped=0.0005) == pytest.approx(10_000)


def test_where_nothing_is_saved_there_is_no_break_even():
    assert break_even_utilisation(**CARD, hosted=0.002, fallback=1.0) is None
    assert break_even_volume(gpu_hour=3.6, hosted=0.0, fallback=0.0) is None
    assert requests_to_repay(15.0, hosted=0.002, swapped=0.002) is None


def test_a_card_that_answers_nothing_has_no_price_per_request():
    with pytest.raises(ValueError, match="above 0"):
        served_request(gpu_hour=3.6, per_second=2.0, utilisation=0.0)
