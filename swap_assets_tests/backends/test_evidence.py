"""Reading the evidence of a scale: nothing missing is an error, nothing stale is shown."""

import pytest

from swap_assets.backends.store.artefacts import ArtefactStore, record_path
from swap_assets.backends.store.evidence import Evidence
from swap_assets.backends.store.whole import UnreadableError, seal
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Decoding, base, hosted, tuned
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.state import EvaluationRecord
from swap_assets_tests.domain.evaluations import evaluation, shares

LLM, SLM = hosted("big", "tiny"), base("little", "tiny")
PAPER = tuned("little", "tiny", "paper")
CONSTRAINED = tuned("little", "tiny", "paper", decoding=Decoding.CONSTRAINED)


@pytest.fixture
def store(tmp_path):
    return ArtefactStore(tmp_path)


@pytest.fixture
def read(store, experiment_data):
    """Return what reads the evidence of the scale as it is at that moment."""
    return lambda: Evidence(parse_experiment(experiment_data), store, "tiny")


def _keep(store, asset, partition, value):
    store.write(asset, partition, value, kind=type(value))


def test_with_nothing_there_everything_is_absent(read):
    statuses = {item.candidate.id: item.status for item in read().everything()}
    assert statuses[LLM.id] == statuses[SLM.id] == statuses[PAPER.id] == "absent"
    assert len(statuses) == 1 + 2 + 4
    assert list(read().state.decisions_of("tiny")) == []


def test_a_constrained_variant_is_expected_only_where_it_is_asked_for(read, store, experiment_data):
    measured = evaluation(CONSTRAINED, shares(80, 100))
    _keep(store, "paper_constrained_evaluation", "little|tiny", measured)
    assert CONSTRAINED not in [item.candidate for item in read().everything()]
    experiment_data["models"]["little"]["decoding"] = ["greedy", "constrained"]
    assert {item.candidate.id: item for item in read().contenders()}[CONSTRAINED.id] == measured
    statuses = {item.candidate.id: item.status for item in read().of_model("little")}
    assert list(statuses.values()) == ["absent", "absent", "absent", "evaluated"]
    store.record_failure("paper_adapter", "little|tiny", "the disk is full")
    store.record_failure("fledgling_constrained_evaluation", "little|tiny", "no card")
    reasons = [item.reason for item in read().of_model("little")]
    assert "fledgling_constrained_evaluation: no card" in reasons and "paper_adapter: the disk is full" in reasons


def test_a_failed_training_is_named_until_its_evaluation_is_there(read, store):
    store.record_failure("paper_adapter", "little|tiny", "the disk is full")
    failed = next(item for item in read().everything() if item.candidate == PAPER)
    assert (failed.status, failed.reason) == ("failed", "paper_adapter: the disk is full")


def test_the_base_stands_for_release_only_where_no_training_was_needed(read, store):
    _keep(store, "llm_baseline", "tiny", evaluation(LLM, shares(80, 100)))
    _keep(store, "slm_baseline", "little|tiny", evaluation(SLM, shares(80, 100)))
    assert SLM not in [item.candidate for item in read().of_model("little")]
    _keep(store, "fine_tune_decision", "little|tiny", fine_tune(read().base("little"), read().llm, GatePolicy()))
    assert SLM in [item.candidate for item in read().of_model("little")]


def test_an_evaluation_is_parsed_once_however_often_it_is_asked_for(read, store, monkeypatch):
    _keep(store, "llm_baseline", "tiny", evaluation(LLM, shares(80, 100)))
    _keep(store, "slm_baseline", "little|tiny", evaluation(SLM, shares(80, 100)))
    _keep(store, "fine_tune_decision", "little|tiny", fine_tune(read().base("little"), read().llm, GatePolicy()))
    parsed, evidence = [], read()
    parse = Evaluation.model_validate_json
    monkeypatch.setattr(Evaluation, "model_validate_json", lambda data: parsed.append(data) or parse(data))
    assert [item.candidate for item in evidence.everything() if item.status == "evaluated"] == [LLM, SLM]
    assert evidence.llm.candidate == LLM and SLM in [item.candidate for item in evidence.contenders()]
    assert len(parsed) == 2


def test_a_decision_on_older_evidence_is_not_shown(read, store):
    _keep(store, "llm_baseline", "tiny", evaluation(LLM, shares(80, 100)))
    _keep(store, "slm_baseline", "little|tiny", evaluation(SLM, shares(10, 100)))
    _keep(store, "fine_tune_decision", "little|tiny", fine_tune(read().base("little"), read().llm, GatePolicy()))
    assert [item.name for item in read().state.decisions_of("tiny")] == ["fine_tune_decision"]
    _keep(store, "slm_baseline", "little|tiny", evaluation(SLM, shares(11, 100)))
    assert list(read().state.decisions_of("tiny")) == []
    assert isinstance(read().state.decision("fine_tune_decision", "little|tiny"), Decision)


def test_what_was_measured_is_read_back_and_its_record_says_the_same(read, store):
    measured = evaluation(LLM, shares(80, 100))
    _keep(store, "llm_baseline", "tiny", measured)
    assert read().llm == measured
    assert read().state.evaluation(LLM) == EvaluationRecord.of(measured)


def test_where_we_are_is_read_without_parsing_an_evaluation(read, store, monkeypatch):
    _keep(store, "llm_baseline", "tiny", evaluation(LLM, shares(80, 100)))
    monkeypatch.setattr(Evaluation, "model_validate_json", None)
    assert read().state.evaluation(LLM).measured


def test_in_a_folder_without_records_the_value_itself_is_read_once_and_nothing_is_written(read, store, monkeypatch):
    measured = evaluation(LLM, shares(80, 100))
    path = store.write("llm_baseline", "tiny", measured, kind=Evaluation)
    record_path(path).unlink()
    assert read().state.evaluation(LLM) == EvaluationRecord.of(measured)
    assert not record_path(path).exists()
    monkeypatch.setattr(Evaluation, "model_validate_json", None)
    assert read().state.evaluation(LLM).measured


def test_a_value_that_was_changed_beside_its_record_speaks_for_itself(read, store):
    path = store.write("llm_baseline", "tiny", evaluation(LLM, shares(80, 100)), kind=Evaluation)
    changed = evaluation(LLM, shares(70, 100))
    path.write_text(changed.model_dump_json(), encoding="utf-8")
    assert read().state.evaluation(LLM) == EvaluationRecord.of(changed)


def test_a_folder_that_another_version_made_is_refused_in_a_sentence(read, store):
    path = store.write("llm_baseline", "tiny", evaluation(LLM, shares(80, 100)), kind=Evaluation)
    other = evaluation(LLM, shares(80, 100)).model_dump_json().replace("answer_format", "contract")
    path.write_text(seal(other), encoding="utf-8")
    with pytest.raises(UnreadableError, match=r"make it again: swap-assets .*llm_baseline --partition 'tiny'"):
        read()


def test_a_decision_on_a_candidate_that_is_no_longer_made_is_stale(read, store):
    _keep(store, "llm_baseline", "tiny", evaluation(LLM, shares(80, 100)))
    gone = evaluation(base("dropped", "tiny"), shares(10, 100))
    decision = fine_tune(gone, read().llm, GatePolicy())
    assert "dropped--tiny--none--greedy--base is no longer in the experiment file" in read().state.stale(decision)
