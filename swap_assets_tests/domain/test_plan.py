"""The plan's estimates, worked by hand."""

import pytest

from swap_assets.domain.experiment.costs import cost_per_thousand, estimate_answers, training_hours
from swap_assets.domain.experiment.entries import TokenPrice
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.experiment.plan import HERMES_LENGTHS, INTERFACE, SEALED, build_plan, cases_of
from swap_assets.domain.experiment.sources import TestSplitSizes
from swap_assets.domain.scoring.evaluation import Totals

PRICE = TokenPrice(input_per_million=2.5, output_per_million=10.0)


def test_a_thousand_calls_of_four_thousand_characters_are_a_million_tokens():
    estimate = estimate_answers(calls=1000, prompt_characters=4000, answer_characters=400, price=PRICE)
    assert (estimate.prompt_tokens, estimate.completion_tokens) == (1_000_000, 100_000)
    assert estimate.cost == pytest.approx(2.5 + 1.0)


def test_without_a_price_there_is_no_cost_rather_than_zero():
    estimate = estimate_answers(calls=1, prompt_characters=4, answer_characters=4, price=None)
    assert estimate.cost is None
    assert cost_per_thousand(Totals(answers=5, cost=None)) is None
    assert cost_per_thousand(Totals(answers=4, cost=0.02)) == pytest.approx(5.0)


def test_training_hours_are_tokens_by_throughput():
    assert training_hours(rows=1000, epochs=5, tokens_per_row=720, tokens_per_second=1000) == pytest.approx(1.0)


def test_the_guides_test_splits_hold_at_most_210_cases():
    # 50 single-turn, 30 multi-turn conversations of three turns, 5 for each of ten domains, 10 without a call, 10
    # with several
    assert cases_of(TestSplitSizes()) == 50 + 90 + 50 + 10 + 10


def test_a_plan_counts_every_model_scale_and_approach(experiment_data):
    experiment = parse_experiment(experiment_data)
    plan = build_plan(experiment, HERMES_LENGTHS)
    assert len(plan.trainings) == 2 * 2 * 2
    assert {item.adapters for item in plan.trainings if item.approach == "fledgling"} == {2}
    assert plan.hosted["tiny"].calls == 2 * cases_of(experiment.scales["tiny"].test_splits)
    assert plan.hosted[SEALED].calls == experiment.release_test * 3
    assert plan.local_answers["tiny"] == plan.hosted["tiny"].calls * 2 * 3


def test_a_second_interface_is_planned_for_on_validation_rows_and_one_alone_costs_nothing(experiment_data):
    assert INTERFACE not in build_plan(parse_experiment(experiment_data), HERMES_LENGTHS).hosted
    experiment_data["hosted_model"] = {
        "key": "big",
        "provider": "openai",
        "model": "m",
        "interfaces": ["text", "native"],
    }
    plan = build_plan(parse_experiment(experiment_data), HERMES_LENGTHS)
    # 3 validation conversations of three turns, two tracks, two interfaces
    assert plan.hosted[INTERFACE].calls == 3 * 3 * 2 * 2
    assert plan.local_answers[INTERFACE] == 0
