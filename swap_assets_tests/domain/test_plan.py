"""The plan's estimates, worked by hand."""

from pathlib import Path

import pytest

from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.costs import cost_per_thousand, estimate_answers
from swap_assets.domain.experiment.entries import TokenPrice
from swap_assets.domain.experiment.experiment import ExperimentError, parse_experiment
from swap_assets.domain.experiment.gpu_hours import CARDS, answering_hours, card_named, training_hours
from swap_assets.domain.experiment.plan import (
    CALL_ROW,
    HERMES_LENGTHS,
    INTERFACE,
    SEALED,
    build_plan,
    cases_of,
)
from swap_assets.domain.experiment.sources import TestSplitSizes
from swap_assets.domain.scoring.evaluation import Totals

A100 = CARDS[3]
EXAMPLES = Path(__file__).parents[2] / "examples"
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


def test_training_hours_are_six_operations_a_parameter_and_token_at_a_share_of_the_peak():
    # 6 x 1e9 x 1e7 operations at 0.3 x 312e12 a second are 641 s
    hours = training_hours(billions=1, tokens=10_000_000, nf4=False, card=A100)
    assert hours == pytest.approx(641.0 / 3600, rel=1e-3)
    assert training_hours(billions=1, tokens=10_000_000, nf4=True, card=A100) == pytest.approx(1.15 * hours)


@pytest.mark.parametrize(("billions", "least", "most"), [(3.8, 30, 45), (8.03, 60, 90)])
def test_the_guides_minutes_on_two_3090s_come_out(billions, least, most):
    """A thousand call rows, three epochs of QLoRA, on two cards: the guide says 30 to 45 and 60 to 90 minutes."""
    hours = training_hours(billions=billions, tokens=1000 * 3 * CALL_ROW, nf4=True, card=card_named("RTX 3090"))
    assert least <= 60 * hours / 2 <= most


def test_answers_are_written_at_the_speed_of_the_memory_and_prompts_read_at_that_of_the_processor():
    # 200 tokens x 8e9 bytes / (0.6 x 2039e9 a second) / 4 rows, and 2 x 4e9 x 1000 operations at 0.3 x 312e12
    hours = answering_hours(3600, billions=4, dtype="bfloat16", prompt=1000, written=200, rows=4, card=A100)
    assert hours == pytest.approx(200 * 8e9 / (0.6 * 2039e9) / 4 + 2 * 4e9 * 1000 / (0.3 * 312e12))


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"), ("NVIDIA H100 PCIe", "H100 PCIe"), ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A10", "A10"), ("NVIDIA L40S", "L40S"), ("NVIDIA L4", "L4"), ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA A10G", None), ("NVIDIA GeForce RTX 4090 Laptop GPU", None), ("Tesla T4", None),
    ],
)  # fmt: skip
def test_a_card_is_known_by_the_name_that_nvidia_smi_gives_it(named, meant):
    found = card_named(named)
    assert (found.name if found else None) == meant


def test_the_experiment_file_names_a_card_of_the_table(experiment_data):
    with pytest.raises(ExperimentError, match="no such card in the table: expected H200, H100 PCIe"):
        parse_experiment(experiment_data | {"prices": {"card": "T1000"}})


def test_the_guides_test_splits_hold_at_most_210_cases():
    # 50 single-turn, 30 multi-turn conversations of three turns, 5 for each of ten domains, 10 without a call, 10
    # with several
    assert cases_of(TestSplitSizes()) == 50 + 90 + 50 + 10 + 10


def test_a_plan_counts_every_model_scale_and_approach(experiment_data):
    experiment = parse_experiment(experiment_data)
    plan = build_plan(experiment, HERMES_LENGTHS, A100)
    assert len(plan.trainings) == 2 * 2 * 2
    assert {item.adapters for item in plan.trainings if item.approach == "fledgling"} == {2}
    scale = experiment.scales["tiny"]
    assert plan.hosted["tiny"].calls == 2 * (cases_of(scale.test_splits) + 3 * scale.test)
    assert plan.gpu_hours is plan.wall_hours is plan.gpu_cost is None  # no model says how large it is
    assert plan.hosted[SEALED].calls == experiment.release_test * 3
    assert plan.local_answers["tiny"] == plan.hosted["tiny"].calls * 2 * 3


def test_a_second_interface_is_planned_for_on_validation_rows_and_one_alone_costs_nothing(experiment_data):
    assert INTERFACE not in build_plan(parse_experiment(experiment_data), HERMES_LENGTHS, A100).hosted
    experiment_data["hosted_model"] = {
        "key": "big",
        "provider": "openai",
        "model": "m",
        "interfaces": ["text", "native"],
    }
    plan = build_plan(parse_experiment(experiment_data), HERMES_LENGTHS, A100)
    # 3 validation conversations of three turns, two tracks, two interfaces
    assert plan.hosted[INTERFACE].calls == 3 * 3 * 2 * 2
    assert plan.local_answers[INTERFACE] == 0


@pytest.mark.parametrize(("name", "gpus", "processes"), [("parallel", 2, 2), ("sequential", 4, 1)])
def test_the_guides_two_ways_use_four_cards_by_the_experiment_alone(name, gpus, processes):
    experiment = load_experiment(EXAMPLES / "guide" / f"{name}.yaml")
    assert {entry.gpus for entry in experiment.models.values()} == {gpus}
    assert experiment.model_processes == processes and experiment.cards_at_once == 4
    plan = build_plan(experiment, HERMES_LENGTHS, card_named(experiment.prices.card))
    alone = sum(item.gpu_hours for item in plan.trainings)
    answers = sum(plan.answering.values())
    assert plan.cards == 4 and plan.gpu_hours == pytest.approx(alone + answers)
    assert plan.wall_hours == pytest.approx(alone / 4 + answers / processes)


def test_five_epochs_are_for_the_paper_approach_alone():
    experiment = load_experiment(EXAMPLES.parent / "swap.yaml")
    trained = {(item.scale, item.approach): item.epochs for item in
               build_plan(experiment, HERMES_LENGTHS, A100).trainings}  # fmt: skip
    assert trained == {
        ("small", "paper"): 3, ("small", "fledgling"): 1, ("large", "paper"): 5, ("large", "fledgling"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("epochs", "told"),
    [
        ({"papr": 5}, "scales.small.epochs names 'papr', which is no approach: expected fledgling or paper"),
        ({"paper": 0}, "scales.small.epochs: give a whole number from 1 to 100, or one for each approach"),
        (101, "give a whole number from 1 to 100"),
        ("five", "give a whole number from 1 to 100"),
    ],
)
def test_epochs_that_cannot_be_are_refused_in_a_sentence(experiment_data, epochs, told):
    experiment_data["scales"]["small"]["epochs"] = epochs
    with pytest.raises(ExperimentError, match=told):
        parse_experiment(experiment_data)


def test_a_plain_number_of_epochs_is_for_every_approach(experiment_data):
    experiment = parse_experiment(experiment_data)
    assert [experiment.approach_for(name, model="little", scale="small").training.epochs
            for name in ("paper", "fledgling")] == [2, 2]  # fmt: skip
