"""The story of the sensors' work: reasons before what they start, what to try, and why a run failed."""

import dagster as dg
import pytest
from rich.console import Console

from swap_assets.cli.story import Story
from swap_assets.domain.judging.suggestions import suggest
from swap_assets_tests.defs.scenarios import Scenario


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Scenario(instance)


def _story(scenario):
    console = Console(record=True, width=400)
    return Story(scenario.instance, scenario.store, console), console


def test_a_decision_is_told_before_the_run_that_it_starts_and_its_reason_once(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.run("fine_tune_gate", dg.DagsterRunStatus.STARTED)
    story, console = _story(scenario)
    assert not story.go_on()
    told = console.export_text()
    reason = scenario.store.state().decision("fine_tune_decision", "little|tiny").reason
    assert told.count(reason) == 1
    assert told.index(reason) < told.index("▶ train_and_evaluate little|tiny as decided")
    story.go_on()
    assert console.export_text(clear=False).strip() == ""  # nothing is told twice


def test_iterating_is_told_with_the_lines_to_paste(scenario):
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    scenario.trained({("little", "paper"): 30})
    decision = scenario.decide_scale_up()
    tried = suggest(scenario.store.experiment, decision.contrasts[0].candidate_id)
    scenario.decide(decision.model_copy(update={"suggestions": tried}))
    story, console = _story(scenario)
    story.go_on()
    told = console.export_text()
    assert all(one.line in told for one in tried)


def test_a_run_that_failed_is_told_with_the_sentence_at_the_root_of_it(scenario):
    @dg.op
    def careful():
        raise dg.Failure(description="the key was refused; set another one")

    @dg.op
    def careless():
        try:
            raise OSError("the disk is full")
        except OSError as error:
            raise RuntimeError("a wrapper") from error

    @dg.job(name="train_and_evaluate", tags={"dagster/partition": "little|tiny"})
    def doomed():
        careful()
        careless()

    doomed.execute_in_process(instance=scenario.instance, raise_on_error=False)
    story, console = _story(scenario)
    story.go_on()
    told = console.export_text()
    assert "✗ train_and_evaluate little|tiny" in told
    assert "careful: the key was refused; set another one" in told
    assert "careless: OSError: the disk is full" in told
    assert story.failed == 1
