"""Dagster's `dg` on this project: it finds the definitions by `[tool.dg]`, checks them and launches assets."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def dg(tmp_path, experiment_data):
    """Run dg in the repository's folder on an experiment whose instance and storage lie elsewhere."""
    command = Path(sys.executable).with_name("dg")
    if not command.exists():
        pytest.skip("dg is not installed: pip install 'swap-assets[dg]'")
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    (tmp_path / "swap.yaml").write_text(yaml.safe_dump(experiment_data | {"storage": str(tmp_path / "storage")}))
    here = {"DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    environment = {**os.environ, **here, "SWAP_CONFIG": str(tmp_path / "swap.yaml")}

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [command, *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


def test_dg_checks_the_definitions(dg):
    assert "All definitions loaded successfully" in dg("check", "defs")


def test_dg_launches_the_root(dg, tmp_path):
    assert "RUN_SUCCESS" in dg("launch", "--assets", "hermes_conversations")
    assert list((tmp_path / "storage").rglob("hermes_conversations*"))
