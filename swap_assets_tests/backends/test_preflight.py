"""What is checked before anything expensive runs, and how it is said."""

import json
import socket
import time
from pathlib import Path

import pytest

from swap_assets.backends.hosted.clients import ask_one_question
from swap_assets.backends.models import preflight
from swap_assets.backends.models.preflight import (
    PreflightError,
    examine,
    hosted_problem,
    require_hosted,
    require_model,
)
from swap_assets.backends.processes.hardware import Gpu, hardware
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.experiment.experiment import ExperimentError, parse_experiment
from swap_assets_tests.fakes import ChatServer, completion

PRICE = {"input_per_million": 1.0, "output_per_million": 2.0}
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


@pytest.mark.parametrize(
    "name", ["swap.yaml", "examples/demo/swap.yaml", "examples/guide/parallel.yaml", "examples/guide/sequential.yaml"]
)
def test_the_experiment_files_of_the_repository_are_valid(name):
    experiment = load_experiment(Path(__file__).parents[2] / name)
    assert experiment.models


def _asked(status: int, body: str) -> tuple[bool, str]:
    with ChatServer(lambda request, number: (status, {}, body)) as server:
        model = HostedModel(key="big", provider="openai", model="m", base_url=server.base_url, price=PRICE)
        return ask_one_question(model)


def test_the_hosted_model_is_asked_one_real_question_and_its_cost_is_said():
    answered, told = _asked(200, completion("yes"))
    assert answered and "answered one question in" in told and "tokens" in told and "in money" in told


@pytest.mark.parametrize(
    ("status", "said"), [(401, "refused the key"), (404, "knows no model 'm'"), (200, "no chat completion")]
)
def test_a_hosted_model_that_does_not_answer_says_why(status, said):
    answered, told = _asked(status, json.dumps({"error": {"message": "no"}}))
    assert not answered and said in told


@pytest.fixture
def silent():
    """An address that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_hosted_model_that_hangs_is_given_up_in_time(silent):
    model = HostedModel(key="big", provider="openai", model="m", base_url=silent)
    began = time.monotonic()
    assert ask_one_question(model, timeout_s=1.0) == (False, "no answer within 1 s after 0 retries")
    assert time.monotonic() - began < 10


def test_a_silent_hub_is_waited_for_once_and_not_with_every_model(experiment_data, silent, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", silent)
    models = {f"m{number}": {"hub_id": f"org/m{number}"} for number in range(8)}
    began = time.monotonic()
    findings = examine(parse_experiment(experiment_data | {"models": models}), Path("swap.yaml"), {})
    assert time.monotonic() - began < 20  # five seconds on an idle machine; with every model it would be over a minute
    failed = {finding.what for finding in findings if finding.state == "fail"}
    assert failed >= {"hub", *(f"{name}: access" for name in models)}


CARDS = tuple(Gpu(index=at, name="NVIDIA GeForce RTX 3090", memory_gib=24) for at in range(4))


@pytest.mark.parametrize(
    ("gpus", "processes", "cards", "state", "said"),
    [
        (1, None, 4, "warn", "1 of 4 will work at once; set model_processes: 4"),
        (2, None, 4, "warn", "2 of 4 will work at once; set model_processes: 2"),
        (2, 2, 4, "ok", "4 of 4 will work at once"),
        (4, None, 4, "ok", "4 of 4 will work at once"),
        (2, 4, 4, "ok", "processes for 8 will take turns"),
        (4, None, 2, "fail", "2 of the 4 that models.own.gpus asks for"),
    ],
)
def test_the_doctor_says_how_many_cards_will_work(experiment_data, gpus, processes, cards, state, said):
    changed = {"models": {"own": {"hub_id": "a/b", "gpus": gpus}}, "model_processes": processes}
    for approach in experiment_data["approaches"].values():
        approach["training"] |= {"batch_size": 4}
    machine = hardware().model_copy(update={"gpus": CARDS[:cards]})
    found, told = preflight._gpus(parse_experiment(experiment_data | changed), machine)
    assert (found, said in told) == (state, True), told
