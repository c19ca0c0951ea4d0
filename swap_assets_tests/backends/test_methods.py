"""A training method is a file: one that is registered trains through the worker as `sft` does."""

import json
from pathlib import Path

import pytest

from swap_assets.backends import methods
from swap_assets.backends.processes.specs import Weights, write_spec
from swap_assets.backends.processes.worker import main
from swap_assets.domain.experiment.recipes import METHODS, TrainingSettings
from swap_assets_tests.backends.test_training import spec_for

_METHOD = """
LIBRARIES = ()

def train(spec, *, folder, reporter):
    from swap_assets.backends.methods.sft import train as fine_tune

    reporter.line(f"first echoes with {spec.training.echo}, then fine-tunes")
    return fine_tune(spec, folder=folder, reporter=reporter)
"""


class EchoSettings(TrainingSettings):
    echo: int


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method more: a file among those of the methods, and its settings."""
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "echo.py").write_text(_METHOD)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path / "methods")])
    monkeypatch.setitem(METHODS, "echo", EchoSettings)


@pytest.mark.slow
def test_a_method_that_is_a_file_more_trains_through_the_worker(
    echo: None, tiny: Weights, rows: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_WAIT_POLICY", "MLFLOW_DISABLE_TELEMETRY", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "1")  # the worker sets them for its own process, which is this one here
    plain = spec_for(tiny, rows, epochs=1).model_dump(mode="json")
    spec = type(spec_for(tiny, rows)).model_validate(
        {**plain, "method": "echo", "training": {**plain["training"], "echo": 7}}
    )
    assert main([str(write_spec(spec, rows / "work"))]) == 0
    assert "first echoes with 7, then fine-tunes" in capsys.readouterr().out
    assert json.loads((rows / "work" / "result.json").read_text())["steps"] == 3
    assert (rows / "adapter" / "adapter_model.safetensors").is_file()


def test_every_method_that_an_experiment_may_name_is_there_and_keeps_the_protocol() -> None:
    for name in METHODS:
        found = methods.method(name)
        assert callable(found.train) and all(isinstance(library, str) for library in found.LIBRARIES)
