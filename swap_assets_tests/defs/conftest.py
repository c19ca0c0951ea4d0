"""An experiment in a folder of its own, on an ephemeral instance of Dagster."""

import dagster as dg
import pytest

from swap_assets_tests.defs.scenarios import Scenario


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """Return a scenario without any evidence yet."""
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Scenario(instance)
