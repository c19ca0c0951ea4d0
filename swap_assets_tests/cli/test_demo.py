"""The demo's way through the graph: as far as the decisions say, and one merge under an override at most."""

import pytest
from rich.console import Console

from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.cli import demo as command
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import RELEASE_DECISION, SCALE_UP_DECISION

LITTLE = "little--tiny--paper--greedy--adapter"


def decision(name: str, action: str, *, scale: str = "tiny", model: str = "") -> Decision:
    verdict = "pass" if action in ("release", "scale_up") else "fail"
    return Decision.model_construct(
        name=name, model=model, scale=scale, action=action, verdict=verdict, reason="because", candidates=(LITTLE,)
    )


@pytest.fixture
def demo(tmp_path, monkeypatch, experiment_data):
    """Run the demo over recorded decisions; each of its segments is noted where Dagster's command would run."""
    monkeypatch.chdir(tmp_path)
    experiment = parse_experiment(experiment_data | {"storage": str(tmp_path)})
    ran = []
    monkeypatch.setattr(command, "run_segment", lambda segment, **_: ran.append(segment))

    def go(decisions: dict[tuple[str, str], Decision]):
        monkeypatch.setattr(ArtefactStore, "read", lambda _, name, partition, kind: decisions[name, partition])
        console = Console(record=True, width=200)
        command.by_decisions(experiment, {}, console)
        return ran, console.export_text()

    return go


def releases(scale: str, **actions: str) -> dict[tuple[str, str], Decision]:
    keys = {model.replace("_", "-"): action for model, action in actions.items()}
    return {
        (RELEASE_DECISION, f"{model}|{scale}"): decision(RELEASE_DECISION, action, model=model, scale=scale)
        for model, action in keys.items()
    }


def test_the_next_scale_is_not_started_where_the_decision_says_iterate(demo):
    decided = {(SCALE_UP_DECISION, "tiny"): decision(SCALE_UP_DECISION, "iterate")}
    ran, told = demo(decided | releases("tiny", little="release", little_r4="wait"))
    assert "Scale small is not started: scale_up_decision says iterate." in told
    assert {segment.partition.rpartition("|")[2] for segment in ran} == {"", "tiny"}


def test_the_release_is_decided_at_the_last_scale_that_was_reached(demo):
    decided = {(SCALE_UP_DECISION, scale): decision(SCALE_UP_DECISION, "scale_up") for scale in ("tiny", "small")}
    ran, told = demo(decided | releases("small", little="release", little_r4="wait"))
    assert "is not started" not in told
    asked = [segment.partition for segment in ran if RELEASE_DECISION in segment.assets]
    assert sorted(asked) == ["little-r4|small", "little|small"]


def test_one_model_that_was_not_released_is_merged_under_an_override_and_no_second_one(demo):
    decided = {(SCALE_UP_DECISION, "tiny"): decision(SCALE_UP_DECISION, "iterate")}
    ran, told = demo(decided | releases("tiny", little="wait", little_r4="wait"))
    merges = [segment for segment in ran if segment.assets == ("merged_model",)]
    assert [merge.config["ops"]["merged_model"]["config"]["override_by"] for merge in merges] == ["swap-assets demo"]
    assert told.count("merged under an override") == 1
