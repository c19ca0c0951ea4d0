"""`.env` adds keys and takes nothing away, whoever starts Dagster; what a command works on stays the command's."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from swap_assets.backends.serving.servers import free_port
from swap_assets.cli import materialize
from swap_assets.cli.app import app
from swap_assets.cli.environment import TEMPLATES, dagster_environment, stop_session
from swap_assets.cli.materialize import Segment, run_segment

REPOSITORY = Path(__file__).parents[2]
OURS, DAGSTER = (str(Path(sys.executable).with_name(name)) for name in ("swap-assets", "dagster"))
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("SWAP_", "DAGSTER_"))}
CLEAN |= {"PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"}
# A code location that notes what it finds; loaded where a real one is.
PROBE = """
import json, os, pathlib
import dagster as dg
from swap_assets.backends.store.experiment_file import enter_folder
enter_folder()
@dg.asset
def noted():
    found = {name: os.environ.get(name) for name in ("SWAP_CONFIG", "EXPORTED", "FILLED", "ADDED")}
    pathlib.Path("noted.json").write_text(json.dumps(found))
defs = dg.Definitions(assets=[noted])
"""
QUESTION = json.dumps({"query": "{ assetNodes { assetKey { path } partitionKeys } }"}).encode()


@pytest.fixture
def folder(tmp_path, monkeypatch, experiment_data):
    """A clone's folder with the real, paid experiment as swap.yaml, a harmless one as mine.yaml, and filled-in keys."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    os.environ.pop("SWAP_CONFIG")
    paid = {"key": "gpt-4o", "provider": "azure", "model": "gpt-4o"}
    mine = experiment_data["scales"]
    for name, changed in {"swap": {"hosted_model": paid}, "mine": {"scales": {"little": mine["tiny"]}}}.items():
        text = yaml.safe_dump(experiment_data | {"name": name, "storage": f".swap/{name}"} | changed)
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    (tmp_path / ".env").write_text("AZURE_OPENAI_API_KEY=k\nAZURE_OPENAI_ENDPOINT=http://127.0.0.1:9\nEXPORTED=\n")
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def call(*command: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, env=CLEAN | environment, capture_output=True, text=True, timeout=300)


def stored(folder: Path) -> list[str]:
    return sorted(path.parts[-3] for path in folder.glob(".swap/*/assets/hermes_conversations"))


@pytest.mark.parametrize("command", ["plan", "doctor", "validate", "ui", "demo", "materialize"])
def test_another_experiment_in_env_is_refused_with_both_names_before_anything_runs(folder, command):
    (folder / ".env").write_text(f"SWAP_CONFIG={folder}/swap.yaml\n")
    more = ["hermes_conversations"] * (command == "materialize")
    done = CliRunner().invoke(app, [command, *more, "--config", "mine.yaml"])
    told = " ".join(done.output.split())
    assert done.exit_code == 2 and f"SWAP_CONFIG to {folder}/swap.yaml" in told and "mine.yaml" in told
    assert not (folder / ".swap").exists()


def test_the_demo_beside_an_env_that_names_the_real_experiment_is_refused(folder):
    (folder / ".env").write_text('SWAP_CONFIG="${PWD}/swap.yaml"\n')
    done = CliRunner().invoke(app, ["demo"], env={"PWD": str(folder)})
    assert done.exit_code == 2 and "swap.yaml" in done.output and "demo" in done.output
    assert not (folder / ".swap").exists()


def test_records_that_env_puts_elsewhere_are_refused_and_the_same_file_twice_is_not(folder):
    (folder / ".env").write_text("SWAP_CONFIG=mine.yaml\nDAGSTER_HOME=/somewhere\n")
    done = CliRunner().invoke(app, ["validate", "--config", "mine.yaml"])
    assert done.exit_code == 2 and "DAGSTER_HOME to /somewhere" in done.output and "dagster;" in done.output


def test_env_fills_what_is_not_set_and_blanks_nothing(folder, monkeypatch):
    (folder / ".env").write_text("FILLED=file\nEXPORTED=\nADDED=file\nSWAP_CONFIG=swap.yaml\n")
    monkeypatch.setenv("EXPORTED", "shell")
    monkeypatch.setenv("FILLED", "shell")
    CliRunner().invoke(app, ["plan", "--config", "nowhere.yaml"])
    found = [os.environ.get(name) for name in ("EXPORTED", "FILLED", "ADDED", "SWAP_CONFIG")]
    assert found == ["shell", "shell", "file", None]


@pytest.mark.slow
def test_dagster_under_our_commands_sees_neither_empty_lines_nor_another_experiment(folder, monkeypatch):
    from rich.console import Console

    (folder / "probe.py").write_text(PROBE)
    for name, value in {"EXPORTED": "shell", "FILLED": "shell", "PYTHONPATH": f"{REPOSITORY}:{folder}"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(materialize, "MODULE", "probe")
    environment = dagster_environment(Path("mine.yaml"))
    (folder / ".env").write_text(f"EXPORTED=\nFILLED=file\nSWAP_CONFIG={folder}/swap.yaml\n")
    run_segment(Segment("x", ("noted",)), environment=environment, log=folder / "log", console=Console())
    found = json.loads((folder / "noted.json").read_text())
    assert found == {"SWAP_CONFIG": f"{folder}/mine.yaml", "EXPORTED": "shell", "FILLED": "shell", "ADDED": None}


@pytest.mark.slow
def test_the_ui_serves_the_experiment_of_the_command(folder):
    scales = served(folder, [OURS, "ui", "--no-token", "--config", "mine.yaml", "--port"])
    assert scales == ["little"]


@pytest.mark.slow
def test_plain_dagster_dev_comes_up_in_a_clone(folder):
    (folder / ".env").unlink()
    assert served(folder, [DAGSTER, "dev", "-h", "127.0.0.1", "-p"]) == ["small", "tiny"]


@pytest.mark.slow
def test_plain_dagster_materialises_in_a_clone_and_a_root_asset_alone(folder):
    command = (DAGSTER, "asset", "materialize", "-m", "swap_assets.definitions", "--select", "hermes_conversations")
    done = call(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert stored(folder) == ["swap"]
    (folder / ".env").write_text("SWAP_CONFIG=swap.yaml\n")
    refused = call(*command, SWAP_CONFIG="mine.yaml")
    assert refused.returncode and "take that line out of .env" in " ".join(refused.stderr.split())
    assert stored(folder) == ["swap"]


@pytest.mark.slow
def test_the_demo_with_filled_in_keys_stays_the_demo(folder):
    done = call(OURS, "materialize", "hermes_conversations", "--config", str(TEMPLATES / "demo" / "swap.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert stored(folder) == ["demo"]


def served(folder: Path, command: list[str]) -> list[str]:
    """Start web server and daemon, and return the scales of the experiment that they serve."""
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, str(port)], env=CLEAN, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(1)
            here = f"http://127.0.0.1:{port}"
            headers = {"Content-Type": "application/json", "Origin": here}
            request = urllib.request.Request(f"{here}/graphql", QUESTION, headers)
            try:
                answer = json.load(urllib.request.urlopen(request, timeout=20))
            except OSError:
                continue
            for node in (answer.get("data") or {}).get("assetNodes") or []:
                if node["assetKey"]["path"] == ["dataset_split"]:
                    return sorted(node["partitionKeys"])
        raise AssertionError((folder / "log").read_text()[-3000:])
    finally:
        stop_session(process)
