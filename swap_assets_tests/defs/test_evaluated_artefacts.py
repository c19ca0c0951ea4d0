"""Nobody answers under a candidate's id but the weights that were evaluated, wherever it is asked again."""

import dagster as dg
import pytest

from swap_assets.backends.engines.local import artefact_hash
from swap_assets.backends.processes.spec_building import generation_spec
from swap_assets.backends.store.evidence import ArtefactError, evaluated_artefacts
from swap_assets.defs import monitoring, release
from swap_assets.defs.resources.processes import HostedLlm, ModelProcesses
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Form, hosted, tuned
from swap_assets.domain.model import content_hash
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.weights import Artefact, LoraAdapter, MergedAdapter, MergedModel
from swap_assets_tests.domain.evaluations import evaluation, shares
from swap_assets_tests.domain.split_rows import logged, split_of

KEY = "little|small"
PAPER = tuned("little", "small", "paper")


def _weights(scenario, candidate, folder):
    """Return the name of the weights that lie in a folder, as an evaluation records it."""
    store = scenario.store
    spec, _ = generation_spec(store.experiment, store.folder, candidate, Artefact("toolcall", HERMES, folder), ())
    return content_hash([artefact_hash(spec)])


@pytest.fixture
def adapter(scenario, tmp_path):
    """Train `little` at the last scale as far as the folder is concerned, evaluate it, and return its record."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"trained")
    made = LoraAdapter(
        candidate_id=PAPER.id, name="toolcall", answer_format=HERMES, status="trained", folder=str(folder)
    )
    scenario.store.write("paper_adapter", KEY, made, kind=LoraAdapter)
    scenario.root()
    for scale in ("tiny", "small"):
        scenario.baselines(llm=100, slm=20, scale=scale)
        scenario.trained({("little", "paper"): 100, ("little-r4", "paper"): 100}, scale)
        scenario.decide_scale_up(scale)
    found = evaluation(PAPER, shares(100, 100))
    weights = {"artefact_hash": _weights(scenario, PAPER, folder)}
    scenario.store.write("paper_evaluation", KEY, found.model_copy(update=weights), kind=Evaluation)
    return made


def _skip(scenario, adapter):
    skipped = adapter.model_copy(update={"status": "skipped", "reason": "nobody trains today"})
    scenario.store.write("paper_adapter", KEY, skipped, kind=LoraAdapter)


def _train_again(scenario, adapter):
    scenario.store.folder.root.parent.joinpath("adapter", "adapter_model.safetensors").write_bytes(b"other")


def _remove(scenario, adapter):
    scenario.store.folder.path("paper_adapter", KEY, LoraAdapter).unlink()


def _lose_the_file(scenario, adapter):
    scenario.store.folder.root.parent.joinpath("adapter", "adapter_model.safetensors").unlink()


LOST = [
    (_skip, "was skipped: nobody trains today"),
    (_train_again, "was made with other weights than are there now"),
    (_remove, "paper_adapter has no value yet"),
    (_lose_the_file, "train the adapter first"),
]


def test_the_adapters_of_an_evaluation_are_found_where_they_are_what_was_evaluated(scenario, adapter):
    store = scenario.store
    (found,) = evaluated_artefacts(store.experiment, store.folder, store.evidence("small").of(PAPER))
    assert (found.name, found.answer_format, str(found.path)) == ("toolcall", HERMES, adapter.folder)


@pytest.mark.parametrize(("lose", "told"), LOST)
def test_an_artefact_that_is_missing_or_another_is_refused_in_one_sentence(scenario, adapter, lose, told):
    lose(scenario, adapter)
    store = scenario.store
    with pytest.raises(ArtefactError, match=told) as refusal:
        evaluated_artefacts(store.experiment, store.folder, store.evidence("small").of(PAPER))
    assert "\n" not in str(refusal.value)


def _failure_of(done):
    failures = [event for event in done.all_events if event.is_step_failure]
    return failures[0].step_failure_data.user_failure_data.description if failures else ""


@pytest.mark.parametrize(("lose", "told"), LOST)
def test_a_release_is_not_decided_by_the_base_under_the_id_of_a_tuned_candidate(
    scenario, adapter, lose, told, monkeypatch
):
    """The untouched base once answered here for a candidate whose adapter had been skipped."""
    asked = []
    llm = evaluation(hosted("big", "small"), shares(100, 100)).model_copy(update={"dataset_hash": hash_of_cases([])})
    scenario.store.write("sealed_llm_evaluation", KEY, llm, kind=Evaluation)
    monkeypatch.setattr(type(scenario.store), "sealed_files", lambda self, scale: ("sealed.parquet",))
    monkeypatch.setattr(type(scenario.store), "cases", lambda self, files: [])
    monkeypatch.setattr(ModelProcesses, "evaluation", lambda *_, **asked_for: asked.append(asked_for))
    lose(scenario, adapter)
    done = dg.materialize(
        [release.release_decision], instance=scenario.instance, partition_key=KEY, resources=scenario.resources,
        raise_on_error=False,
    )  # fmt: skip
    assert told in _failure_of(done)
    assert asked == []
    assert scenario.store.find("release_decision", KEY, Evaluation) is None


@pytest.mark.parametrize(("lengths", "verdict"), [({1: 1.0}, "pass"), ({1: 0.98, 5: 0.02}, "inconclusive")])
def test_a_release_is_bound_by_the_lengths_that_the_split_records(scenario, adapter, lengths, verdict, monkeypatch):
    llm = evaluation(hosted("big", "small"), shares(100, 100)).model_copy(update={"dataset_hash": hash_of_cases([])})
    scenario.store.write("sealed_llm_evaluation", KEY, llm, kind=Evaluation)
    split = split_of(logged(1, 200, 0.0)).model_copy(update={"lengths": lengths})
    scenario.store.write("dataset_split", "small", split, kind=DatasetSplit)
    monkeypatch.setattr(type(scenario.store), "sealed_files", lambda self, scale: ("sealed.parquet",))
    monkeypatch.setattr(type(scenario.store), "cases", lambda self, files: [])
    monkeypatch.setattr(ModelProcesses, "evaluation", lambda *_, **__: evaluation(PAPER, shares(100, 100)))
    dg.materialize(
        [release.release_decision], instance=scenario.instance, partition_key=KEY, resources=scenario.resources
    )
    assert scenario.store.read("release_decision", KEY, Decision).verdict == verdict


def _drift(scenario, epoch, raises=True):
    return dg.materialize(
        [monitoring.repeated_llm_evaluation, monitoring.drift_check], instance=scenario.instance,
        partition_key="small", resources=scenario.resources, raise_on_error=raises,
        run_config={"ops": {"repeated_llm_evaluation": {"config": {"epoch": epoch}}}},
    )  # fmt: skip


@pytest.fixture
def asked(scenario, monkeypatch):
    """Record which local candidates are asked, by which weights, for what; the second answers are worse."""
    found = []

    def ask(self, context, candidate, artefacts, files, *, purpose):
        found.append((candidate, purpose, str(artefacts[0].path)))
        return evaluation(candidate, shares(100 if len(found) == 1 else 60, 100))

    monkeypatch.setattr(ModelProcesses, "evaluation", ask)
    monkeypatch.setattr(HostedLlm, "as_before", lambda *_, llm, purpose, epoch: llm)
    monkeypatch.setattr(type(scenario.store), "test_files", lambda self, scale: ())
    return found


@pytest.mark.parametrize(("lose", "told"), LOST)
def test_a_nightly_look_does_not_ask_the_base_for_a_released_candidate(scenario, adapter, asked, lose, told):
    scenario.decide_release("little", "small", sealed=100)
    lose(scenario, adapter)
    assert told in _failure_of(_drift(scenario, "monday", raises=False))
    assert asked == []


def test_a_nightly_look_asks_the_merged_weights_anew_each_night(scenario, adapter, asked, tmp_path):
    scenario.decide_release("little", "small", sealed=100)
    folder, candidate = tmp_path / "merged", PAPER.model_copy(update={"form": Form.MERGED})
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"merged")
    weights = MergedAdapter(
        folder=str(folder), merged_hash="m", adapter_hash="a", prompt_hash="p", parity_rows=1, equal_texts=1,
        max_logit_difference=0.0,
    )  # fmt: skip
    measured = evaluation(candidate, shares(100, 100))
    made = MergedModel(
        candidate_id=candidate.id, base="b", dtype="float32", decision="d", adapters={"toolcall": weights},
        evaluation=measured.model_copy(update={"artefact_hash": _weights(scenario, candidate, folder)}),
        evidence=scenario.store.evidence("small").of(PAPER).evidence_hash(),
    )  # fmt: skip
    scenario.store.write("merged_model", KEY, made, kind=MergedModel)
    verdicts = [
        [item.verdict for item in _drift(scenario, epoch).output_for_node("drift_check").found]
        for epoch in ("monday", "tuesday")
    ]
    assert verdicts == [["steady", "steady"], ["steady", "drifted"]]
    assert [(one.form, path) for one, _, path in asked] == [(Form.MERGED, str(folder))] * 2
    assert len({purpose for _, purpose, _ in asked}) == 2  # answers kept from one night would answer the next
    (folder / "model.safetensors").write_bytes(b"others")
    assert "was made with other weights" in _failure_of(_drift(scenario, "wednesday", raises=False))


def test_the_hosted_llm_and_model_processes_wait_in_pools_of_their_own():
    """A step waits in one pool only, so that whoever asks the service does not hold the place of a model."""
    pools = {one.key.path[-1]: one.op.pool for one in (
        release.sealed_llm_evaluation, release.release_decision, monitoring.repeated_llm_evaluation,
        monitoring.drift_check,
    )}  # fmt: skip
    assert pools == {
        "sealed_llm_evaluation": "hosted_llm", "release_decision": "model_process",
        "repeated_llm_evaluation": "hosted_llm", "drift_check": "model_process",
    }  # fmt: skip
    for asset in (release.release_decision, monitoring.drift_check):
        assert "hosted" not in asset.required_resource_keys
