from pathlib import Path

import pytest
import yaml

from swap_assets.backends.processes.spec_building import generation_spec, training_spec
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.keys import base
from swap_assets.domain.splits.scale_split import DatasetSplit, split_experiment
from swap_assets.domain.weights import Artefact
from swap_assets_tests.domain.data_rows import request


@pytest.mark.parametrize(("approach", "length"), [("paper", 2048), ("fledgling", 4096)])
def test_a_training_takes_the_length_that_the_split_recorded_where_its_approach_has_none(tmp_path, approach, length):
    settings = yaml.safe_load(Path("swap.yaml").read_text(encoding="utf-8"))
    settings |= {"release_test": 5, "scales": {"small": {"train": 20, "validation": 5, "test": 5}}}
    del settings["approaches"]["paper"]["training"]["max_length"]
    experiment, store = parse_experiment(settings), ArtefactStore(tmp_path)
    rows = [request(f"lamp {index} of house {index * 7}", row=index) for index in range(100)]
    split = split_experiment(experiment, rows, scale="small")
    store.write("dataset_split", "small", split, kind=DatasetSplit)
    candidate = experiment.tuned_candidate(approach, model="phi-4-mini", scale="small")
    spec, _ = training_spec(experiment, store, candidate, "toolcall", "toolcall_track")
    assert spec.training.max_length == length


@pytest.mark.parametrize(
    ("said", "of_base", "of_tuned"), [("base", True, False), ("all", True, True), ("none", False, False)]
)
def test_only_untouched_bases_think_and_are_cut_where_nothing_else_is_said(tmp_path, said, of_base, of_tuned):
    settings = yaml.safe_load(Path("swap.yaml").read_text(encoding="utf-8"))
    settings["models"]["phi-4-mini"] |= {"ends_early": said, "thinking": {"budget": 64}}
    experiment, store = parse_experiment(settings), ArtefactStore(tmp_path)
    tuned = experiment.tuned_candidate("paper", model="phi-4-mini", scale="small")
    found = [
        generation_spec(experiment, store, candidate, Artefact("toolcall", HERMES, None), ())[0]
        for candidate in (base("phi-4-mini", "small"), tuned)
    ]
    assert [spec.ends_early for spec in found] == [of_base, of_tuned]
    assert [spec.thinking for spec in found] == [64, 0]
