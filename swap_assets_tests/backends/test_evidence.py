"""Reading the evidence of a scale: nothing missing is an error, nothing stale is shown."""

import pytest

from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.evidence import Evidence
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.judging.gates import fine_tune
from swap_assets.domain.keys import Decoding, base, hosted, tuned
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets_tests.domain.evaluations import evaluation, shares

LLM, SLM = hosted("big", "tiny"), base("little", "tiny")
PAPER = tuned("little", "tiny", "paper")
CONSTRAINED = tuned("little", "tiny", "paper", decoding=Decoding.CONSTRAINED)


@pytest.fixture
def evidence(tmp_path, experiment_data):
    return Evidence(parse_experiment(experiment_data), ArtefactStore(tmp_path), "tiny")


def _keep(evidence, asset, partition, value):
    evidence.store.write(asset, partition, value, kind=type(value))


def test_with_nothing_there_everything_is_absent(evidence):
    statuses = {item.candidate.id: item.status for item in evidence.everything()}
    assert statuses[LLM.id] == statuses[SLM.id] == statuses[PAPER.id] == "absent"
    assert len(statuses) == 1 + 2 + 4
    assert evidence.decisions() == []


def test_a_constrained_variant_is_expected_only_where_it_is_asked_for(evidence, tmp_path, experiment_data):
    measured = evaluation(CONSTRAINED, shares(80, 100))
    _keep(evidence, "paper_constrained_evaluation", "little|tiny", measured)
    assert CONSTRAINED not in [item.candidate for item in evidence.everything()]
    experiment_data["models"]["little"]["decoding"] = ["greedy", "constrained"]
    asked = Evidence(parse_experiment(experiment_data), evidence.store, "tiny")
    assert {item.candidate.id: item for item in asked.contenders()}[CONSTRAINED.id] == measured
    statuses = {item.candidate.id: item.status for item in asked.of_model("little")}
    assert list(statuses.values()) == ["absent", "absent", "absent", "evaluated"]
    evidence.store.record_failure("paper_adapter", "little|tiny", "the disk is full")
    evidence.store.record_failure("fledgling_constrained_evaluation", "little|tiny", "no card")
    reasons = [item.reason for item in asked.of_model("little")]
    assert "fledgling_constrained_evaluation: no card" in reasons and "paper_adapter: the disk is full" in reasons


def test_a_failed_training_is_named_until_its_evaluation_is_there(evidence):
    evidence.store.record_failure("paper_adapter", "little|tiny", "the disk is full")
    failed = next(item for item in evidence.everything() if item.candidate == PAPER)
    assert (failed.status, failed.reason) == ("failed", "paper_adapter: the disk is full")


def test_the_base_stands_for_release_only_where_no_training_was_needed(evidence):
    _keep(evidence, "llm_baseline", "tiny", evaluation(LLM, shares(80, 100)))
    _keep(evidence, "slm_baseline", "little|tiny", evaluation(SLM, shares(80, 100)))
    assert SLM not in [item.candidate for item in evidence.of_model("little")]
    _keep(evidence, "fine_tune_decision", "little|tiny", fine_tune(evidence.base("little"), evidence.llm, _gates()))
    assert SLM in [item.candidate for item in evidence.of_model("little")]


def test_a_decision_on_older_evidence_is_not_shown(evidence):
    _keep(evidence, "llm_baseline", "tiny", evaluation(LLM, shares(80, 100)))
    _keep(evidence, "slm_baseline", "little|tiny", evaluation(SLM, shares(10, 100)))
    decision = fine_tune(evidence.base("little"), evidence.llm, _gates())
    _keep(evidence, "fine_tune_decision", "little|tiny", decision)
    assert [item.name for item in evidence.decisions()] == ["fine_tune_decision"]
    _keep(evidence, "slm_baseline", "little|tiny", evaluation(SLM, shares(11, 100)))
    assert evidence.decisions() == []
    assert isinstance(evidence.decision("fine_tune_decision", "little|tiny"), Decision)


def test_what_was_measured_is_read_back(evidence):
    _keep(evidence, "llm_baseline", "tiny", evaluation(LLM, shares(80, 100)))
    assert isinstance(evidence.llm, Evaluation)
    assert evidence.llm.status == "evaluated"


def _gates():
    from swap_assets.domain.experiment.gate_policy import GatePolicy

    return GatePolicy()
