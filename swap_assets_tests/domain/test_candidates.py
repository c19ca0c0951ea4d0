"""A candidate's id is readable, goes both ways and is safe as a file name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.keys import Candidate, Decoding, Form, base, file_name, hosted, partition_of, tuned

NAMES = st.from_regex(r"[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)?", fullmatch=True)


@given(model=NAMES, scale=NAMES, approach=NAMES, form=st.sampled_from(Form))
def test_an_id_gives_the_same_candidate_back(model, scale, approach, form):
    candidate = Candidate(model=model, scale=scale, approach=approach, form=form)
    assert Candidate.from_id(candidate.id) == candidate


@pytest.mark.parametrize("key", [None, "tiny", "my_model|tiny", "phi-4-mini|large"])
def test_a_partition_key_comes_back_from_the_name_of_its_file(key):
    assert partition_of(file_name(key)) == (key or "")


def test_ids_are_readable():
    assert hosted("gpt-4o", "small").id == "gpt-4o--small--none--greedy--hosted"
    assert base("phi-4-mini", "small").id == "phi-4-mini--small--none--greedy--base"
    assert tuned("phi-4-mini", "small", "paper").id == "phi-4-mini--small--paper--greedy--adapter"


@pytest.mark.parametrize("text", ["", "a--b", "a--b--c--d--e--f", "a--b--c--greedy--nowhere", "a--b--c--d--adapter"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(ValueError):
        Candidate.from_id(text)


def test_a_constrained_candidate_is_another_one_with_the_same_training():
    constrained = tuned("phi-4-mini", "small", "paper", packed=True, decoding=Decoding.CONSTRAINED)
    assert constrained.id == "phi-4-mini--small--paper-packed--constrained--adapter"
    assert constrained.trained == tuned("phi-4-mini", "small", "paper", packed=True)
    assert constrained.evaluation_asset == "paper_constrained_evaluation"
    assert constrained.trained.evaluation_asset == "paper_evaluation"
    assert Candidate.from_id(constrained.id) == constrained


def test_another_system_text_makes_another_candidate_of_the_same_recipe(experiment_data):
    how = {"model": "little", "scale": "tiny"}
    kept, dropped, other = (
        parse_experiment({**experiment_data, "prompt": {"system": system}}).tuned_candidate("paper", **how)
        for system in ("keep", "drop", "Answer briefly.")
    )
    assert kept.id == "little--tiny--paper--greedy--adapter" and len({kept.id, dropped.id, other.id}) == 3
    assert {one.recipe for one in (kept, dropped, other)} == {"paper"} and Candidate.from_id(other.id) == other
    packed = tuned("phi-4-mini", "small", "paper", packed=True, told="0a1b2c")
    assert packed.approach == "paper-packed-told-0a1b2c" and packed.recipe == "paper"


def test_packed_rows_make_another_candidate_of_the_same_recipe():
    packed = tuned("phi-4-mini", "small", "paper", packed=True)
    assert packed.id == "phi-4-mini--small--paper-packed--greedy--adapter"
    assert packed != tuned("phi-4-mini", "small", "paper") and packed.recipe == "paper"
    assert Candidate.from_id(packed.id) == packed
