"""The wheel alone, in an environment and a folder of its own: what it carries, and that its commands work there."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

from swap_assets_tests.domain.data_rows import LIGHT_CALL, call_text, hermes_row

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]
REPOSITORY = Path(__file__).parents[2]
LAID_DOWN = [".env.example", "dagster.yaml", "swap.yaml", "workspace.yaml"]
FIRST_SEGMENT = """
from pathlib import Path
from rich.console import Console
from swap_assets.cli.environment import TEMPLATES, dagster_environment
from swap_assets.cli.materialize import Segment, run_segment
from swap_assets.domain.keys import ROOT_ASSETS
environment = dagster_environment(TEMPLATES / "demo-auto" / "swap.yaml")
run_segment(Segment("Conversations", ROOT_ASSETS[:2]), environment=environment, log=Path("log"), console=Console())
"""


_OWN = ("SWAP_", "DAGSTER_", "PYTHONPATH")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
SOURCES = ("swap_assets", "tools", "benchmarks", "swap_assets_tests", "examples")


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=200, capture_output=True, env=CLEAN)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy of the sources: what an earlier build left beside them must not get into it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in SOURCES:
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", *LAID_DOWN):
        shutil.copyfile(REPOSITORY / name, source / name)
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """An environment that holds the wheel, and borrows what it depends on from the environment of the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=100)
    pip("--python", folder / "bin" / "python", "install", "-q", "--no-deps", wheel)
    packages = next((folder / "lib").glob("*/site-packages"))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    dagster = folder / "bin" / "dagster"
    program = "from dagster._cli import main\nif __name__ == '__main__':\n    main()\n"
    dagster.write_text(f"#!{folder}/bin/python\n{program}", encoding="utf-8")
    dagster.chmod(0o755)
    return folder / "bin"


@pytest.fixture
def run(installed, tmp_path):
    """Run one of the environment's commands in an empty folder, as a user without a clone does."""

    def call(name: str, *arguments: object) -> str:
        command = [installed / name, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=CLEAN, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_the_wheel_carries_the_package_its_weights_and_its_templates_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} - {"swap_assets-0.1.0.dist-info"} == {"swap_assets"}
    for name in LAID_DOWN:
        carried = zipfile.ZipFile(wheel).read(f"swap_assets/templates/project/{name}")
        assert carried == (REPOSITORY / name).read_bytes()
    for demo in ("demo", "demo-auto"):
        carried = zipfile.ZipFile(wheel).read(f"swap_assets/templates/{demo}/swap.yaml")
        assert carried == (REPOSITORY / "examples" / demo / "swap.yaml").read_bytes()
    assert {name.split("/")[2] for name in names if "/miniatures/" in name} == {"student", "pupil", "teacher"}


def test_new_lays_down_a_project_that_dagster_can_load(run, tmp_path):
    run("swap-assets", "new", "agent")
    assert sorted(file.name for file in (tmp_path / "agent").iterdir()) == LAID_DOWN
    run("swap-assets", "validate", "--config", "agent/swap.yaml")


def test_init_in_an_empty_folder_takes_models_and_gates_from_the_package(run, tmp_path):
    rooms = [f"room {number}" for number in range(60)]
    calls = [call_text({**LIGHT_CALL, "arguments": {**LIGHT_CALL["arguments"], "room": room}}) for room in rooms]
    rows = [
        hermes_row(call, human=f"Light in {room}, please", id=room) for room, call in zip(rooms, calls, strict=True)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run("swap-assets", "init", "--from", "log.jsonl")
    written = yaml.safe_load((tmp_path / "my-agent.yaml").read_text(encoding="utf-8"))
    assert written["source"]["kind"] == "local" and "phi-4-mini" in written["models"]


def test_the_demo_begins_in_an_empty_folder(run, tmp_path):
    assert "✓ conversations" in run("python", "-c", FIRST_SEGMENT)
    assert (tmp_path / ".swap/demo-auto/dagster/dagster.yaml").is_file()
