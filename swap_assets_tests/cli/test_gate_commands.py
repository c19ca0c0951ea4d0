"""`explain`, `approve` and `reject` on recorded decisions, beside an instance on disk."""

import dagster as dg
import pytest
from typer.testing import CliRunner

from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.cli.app import app
from swap_assets.cli.environment import dagster_environment
from swap_assets_tests.defs.scenarios import Scenario

SUBJECT = "release_decision:little|small"


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """A release of `little` that passed and waits for a person; `little-r4` was not good enough."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", dagster_environment()["DAGSTER_HOME"])
    load_experiment.cache_clear()
    with dg.DagsterInstance.get() as instance:
        made = Scenario(instance)
        made.root()
        for scale in ("tiny", "small"):
            made.baselines(llm=100, slm=20, scale=scale)
            made.trained({("little", "paper"): 100, ("little-r4", "paper"): 100}, scale)
            made.decide_scale_up(scale)
        made.decide_release("little", "small", sealed=100)
        made.decide_release("little-r4", "small", sealed=60)
        yield made


def test_a_word_given_on_the_command_line_is_recorded_said_to_be_self_declared_and_acted_on(scenario):
    assert "Waiting for a person" in run("explain", SUBJECT).output
    done = run("approve", SUBJECT, "--by", "Ada", "--reason", "tried it for a week")
    assert done.exit_code == 0, done.output
    assert "approved by Ada (self-declared, by command)" in done.output and "void when that changes" in done.output
    explained = run("explain", SUBJECT).output
    assert "The release was approved by Ada (self-declared, by command)" in explained
    assert explained.strip().splitlines()[-1].endswith("merged_model --partition 'little|small'")
    assert scenario.asked("release_gate") == [("release", "little|small")]
    event = scenario.instance.get_latest_materialization_event(dg.AssetKey("release_approval"))
    assert event.asset_materialization.metadata["reason"].value == "tried it for a week"


def test_a_rejection_is_explained_and_starts_nothing(scenario):
    assert run("reject", SUBJECT, "--by", "Ada", "--reason", "too slow").exit_code == 0
    assert "none: it was rejected" in run("explain", SUBJECT).output
    assert scenario.asked("release_gate") == []


def test_a_word_given_in_the_ui_is_explained_though_no_sensor_looked(scenario):
    scenario.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "release_approval", partition=dg.MultiPartitionKey({"model": "little", "scale": "small"}),
            description="approved by Grace: looked at fifty answers",
        )
    )  # fmt: skip
    assert "approved by Grace (self-declared, in the UI)" in run("explain", SUBJECT).output


def test_an_explanation_says_that_the_evidence_has_changed(scenario):
    scenario.trained({("little", "paper"): 90}, "small")
    told = run("explain", SUBJECT).output
    assert "Stale: little--small--paper--greedy--adapter has been measured again since" in told
    assert told.strip().splitlines()[-1].endswith("release_decision --partition 'little|small'")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("approve", "scale_up_decision:tiny"), "acts by itself"),
        (("approve", "release_decision:little-r4|small"), "says wait: there is nothing to approve"),
        (("approve", "release_decision:little|tiny"), "has not been made yet"),
        (("approve", "release_decision:nobody|tiny"), "there is no decision"),
        (("approve", SUBJECT, "--by", " "), "give a name"),
        (("reject", SUBJECT, "--reason", "no"), "a reason of at least three letters"),
    ],
)
def test_a_word_that_cannot_be_given_is_refused_in_one_sentence(scenario, arguments, told):
    given = {"--by": "Ada", "--reason": "looked at it"} | dict([arguments[2:]] if len(arguments) > 2 else [])
    done = run(*arguments[:2], *(part for pair in given.items() for part in pair))
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())
    assert scenario.store.state().approvals == {}
