"""What a round of all sensors costs when there is nothing new."""

import pytest
import yaml

from swap_assets.backends.store import artefacts
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.defs.scenarios import SENSORS_BY_NAME, Scenario, nothing_left_to_do


@pytest.fixture
def parsed(monkeypatch):
    """Count the evaluations that are parsed."""
    found: list[int] = []
    parse = Evaluation.model_validate_json

    def counted(raw, **how):
        found.append(len(raw))
        return parse(raw, **how)

    monkeypatch.setattr(Evaluation, "model_validate_json", counted)
    return found


def test_a_round_of_all_sensors_with_nothing_new_parses_no_evaluation(scenario, tmp_path, monkeypatch, parsed):
    settings = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    settings["models"]["third"] = {"extends": "little"}
    (tmp_path / "swap.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    experiment = load_experiment(tmp_path / "swap.yaml")
    monkeypatch.setattr("swap_assets.defs.resources.store.experiment_in_force", lambda: experiment)
    scenario = Scenario(scenario.instance)
    nothing_left_to_do(scenario)
    assert (len(experiment.models), len(experiment.scales)) == (3, 2)
    parsed.clear()
    for _process in ("the same", "one that has read nothing yet"):
        answers = {name: scenario.ask(name) for name in SENSORS_BY_NAME}
        assert all(isinstance(answer, str) for answer in answers.values()), answers
        artefacts.evaluation_record_of.cache_clear()
        artefacts.parsed.cache_clear()
    assert parsed == []
    scenario.trained({("third", "paper"): 90})  # a new measurement is noticed, and not parsed either
    assert scenario.asked("report_ready") == [("report", "tiny")]
    assert parsed == []
