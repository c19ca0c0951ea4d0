"""What is checked before anything expensive runs, and how it is said."""

from pathlib import Path

import pytest

from swap_assets.backends.models.preflight import (
    PreflightError,
    examine,
    hosted_problem,
    require_hosted,
    require_model,
)
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.experiment.experiment import ExperimentError, parse_experiment

AZURE = HostedModel(key="gpt-4o", provider="azure", model="gpt-4o")


def test_a_missing_key_is_named_and_never_its_value():
    assert "AZURE_OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT" in hosted_problem(AZURE, {})
    problem = hosted_problem(AZURE, {"AZURE_OPENAI_API_KEY": "sk-secret"})
    assert "AZURE_OPENAI_ENDPOINT" in problem
    assert "sk-secret" not in problem
    complete = {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://e"}
    assert hosted_problem(AZURE, complete) == ""
    with pytest.raises(PreflightError):
        require_hosted(AZURE, {})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"hub_id": "meta-llama/Llama-3.1-8B-Instruct", "gated": True}, "HUGGING_FACE_HUB_TOKEN"),
        ({"path": "/nowhere"}, "the folder /nowhere of model 'x' does not exist"),
        ({"miniature": "studnt"}, "no miniature 'studnt'"),
        ({"hub_id": "org/model"}, "HF_HUB_OFFLINE is set, and org/model is not in the hub's cache"),
    ],
)
def test_a_model_that_cannot_be_had_is_refused_before_any_download(experiment_data, entry, said):
    experiment = parse_experiment({**experiment_data, "models": {"x": entry}})
    with pytest.raises(PreflightError, match=said):
        require_model("x", experiment, {})


def test_a_model_that_is_here_is_let_through(experiment_data):
    require_model("x", parse_experiment({**experiment_data, "models": {"x": {"miniature": "student"}}}), {})


def test_the_doctor_looks_at_everything_and_prints_no_key(experiment_data):
    findings = examine(parse_experiment(experiment_data), Path("swap.yaml"), {"AZURE_OPENAI_API_KEY": "sk-secret"})
    looked_at = {finding.what for finding in findings}
    assert {"Python", "source", "disk", "memory", "GPU", "hub", "web server", "AZURE_OPENAI_API_KEY"} <= looked_at
    assert "sk-secret" not in " ".join(finding.detail for finding in findings)
    assert next(item for item in findings if item.what == "AZURE_OPENAI_API_KEY").detail == "set"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read the experiment file"),
        ("a: [", "is not valid YAML at line"),
        ("- a", "must be a mapping"),
        ("name: x", "is missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, text, said):
    path = tmp_path / "swap.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ExperimentError, match=said) as refusal:
        load_experiment(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["swap.yaml", "examples/demo/swap.yaml"])
def test_the_experiment_files_of_the_repository_are_valid(name):
    experiment = load_experiment(Path(__file__).parents[2] / name)
    assert experiment.models
