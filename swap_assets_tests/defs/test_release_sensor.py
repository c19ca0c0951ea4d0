"""The release gate as a sensor: the sealed rows, what a person says of a pass, and when that is void."""

import dagster as dg

from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.defs.gates import give_approval
from swap_assets.domain.judging.decisions import Approval
from swap_assets.domain.report.layout import lay_out, to_markdown
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.weights import MergedModel
from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.defs.scenarios import MODELS, at_the_last_scale


def test_after_the_last_scale_the_sealed_rows_are_asked_for_the_admitted_models(scenario):
    at_the_last_scale(scenario)
    assert scenario.asked("release_gate") == [("sealed_test", f"{model}|small") for model in MODELS]


def test_a_release_that_waits_starts_nothing_and_says_why(scenario):
    at_the_last_scale(scenario)
    for model in MODELS:
        assert scenario.decide_release(model, "small", sealed=60).action == "wait"
    assert scenario.asked("release_gate") == []
    assert "little|small: wait" in scenario.ask("release_gate")


def _passed(scenario, approval="approved"):
    at_the_last_scale(scenario)
    for model in MODELS:
        decision = scenario.decide_release(model, "small", sealed=100)
        assert decision.action == "release"
    scenario.decide_release("little-r4", "small", sealed=60)
    decision = scenario.store.state().decision("release_decision", "little|small")
    given = Approval(
        model="little", scale="small", verdict=approval, by="Ada", reason="tried it", evidence_hash=decision.content(),
        at=scenario.store.now(),
    )  # fmt: skip
    return decision, given


def test_a_pass_waits_for_a_person_and_names_the_command(scenario):
    _passed(scenario)
    assert "swap-assets approve 'release_decision:little|small'" in scenario.ask("release_gate")


def test_an_approved_release_starts_once(scenario):
    _, given = _passed(scenario)
    give_approval(scenario.instance, scenario.store, given)
    assert scenario.asked("release_gate") == [("release", "little|small")]
    assert scenario.run("release_gate") == 1
    assert scenario.run("release_gate") == 0
    event = scenario.instance.get_latest_materialization_event(dg.AssetKey("release_approval"))
    assert event.asset_materialization.metadata["by"].value == "Ada"


def test_a_persons_approval_stands_in_the_report_and_changes_no_hash(scenario):
    decision, given = _passed(scenario)
    give_approval(scenario.instance, scenario.store, given)
    (shown,) = [one for one in scenario.store.state().decisions_of("small") if one.partition == "little|small"
                and one.name == "release_decision"]  # fmt: skip
    assert "approved by Ada (self-declared, by command)" in shown.approval
    assert shown.content() == decision.content()
    assert "approved by Ada" in to_markdown(lay_out(scenario.resources["tracking"].build("small")))


def test_a_rejected_release_starts_nothing(scenario):
    _, given = _passed(scenario, "rejected")
    give_approval(scenario.instance, scenario.store, given)
    assert "rejected by Ada" in scenario.ask("release_gate")


def test_an_approval_is_void_when_the_evidence_changes(scenario):
    _, given = _passed(scenario)
    give_approval(scenario.instance, scenario.store, given)
    scenario.decide_release("little", "small", sealed=100)
    assert scenario.asked("release_gate") == [("release", "little|small")]  # decided again, on the same evidence
    changed = scenario.decide_release("little", "small", sealed=100).model_copy(update={"reason": "other evidence"})
    scenario.decide(changed)
    assert "so it is void" in scenario.ask("release_gate")


def _said_in_the_ui(scenario, text):
    partition = dg.MultiPartitionKey({"model": "little", "scale": "small"})
    event = dg.AssetMaterialization("release_approval", partition=partition, description=text)
    scenario.instance.report_runless_asset_event(event)


def test_an_approval_given_in_the_ui_holds_for_the_decision_it_was_given_on(scenario):
    _passed(scenario)
    _said_in_the_ui(scenario, "approved by Grace: looked at fifty answers")
    assert scenario.asked("release_gate") == [("release", "little|small")]
    assert (
        scenario.store.state()
        .approvals["little|small"]
        .sentence()
        .startswith("approved by Grace (self-declared, in the UI)")
    )


def test_what_is_said_in_the_ui_counts_for_nothing_where_approvals_come_by_command(scenario, tmp_path, monkeypatch):
    """Whoever reaches Dagster's web server can report an event."""
    text = EXPERIMENT.read_text(encoding="utf-8").replace("approval: ui", "approval: command")
    (tmp_path / "swap.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(tmp_path / "swap.yaml")
    monkeypatch.setattr("swap_assets.defs.resources.store.experiment_in_force", lambda: experiment)
    _passed(scenario)
    _said_in_the_ui(scenario, "approved by Mallory: from a page that was open")
    assert "Waiting for a person" in scenario.ask("release_gate")
    assert scenario.store.state().approvals == {}


def test_a_model_that_was_merged_by_an_override_is_named_before_all_else_in_its_report(scenario):
    decision, _ = _passed(scenario)
    evaluation = scenario.store.read("paper_evaluation", "little|small", Evaluation)
    merged = MergedModel(
        candidate_id=evaluation.candidate.id, base="models/little", dtype="float32", decision=decision.content(),
        evaluation=evaluation, evidence=evaluation.evidence_hash(),
    )  # fmt: skip

    def opening(made: MergedModel) -> str:
        scenario.store.write("merged_model", "little|small", made, kind=MergedModel)
        return to_markdown(lay_out(scenario.resources["tracking"].build("small"))).partition("\n# ")[0]

    assert "override" not in opening(merged)
    told = opening(merged.model_copy(update={"override": "Ada: a pilot <script>"}))
    assert "was not let through: it was merged by an override of Ada: a pilot" in told and "<script>" not in told


def test_a_text_in_the_ui_that_is_no_approval_approves_nothing(scenario):
    _passed(scenario)
    scenario.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "release_approval", partition=dg.MultiPartitionKey({"model": "little", "scale": "small"}), description="ok"
        )
    )
    assert "Waiting for a person" in scenario.ask("release_gate")
