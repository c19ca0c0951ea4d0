"""What every test may use. The experiment of the tests is in force before any Dagster definition is imported."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

EXPERIMENT = Path(__file__).parent / "data" / "experiment.yaml"
os.environ["SWAP_CONFIG"] = str(EXPERIMENT)
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"
# A user's own tracking and tracing servers must not receive what tests make.
for name in ("MLFLOW_TRACKING_URI", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"):
    os.environ.pop(name, None)


@pytest.fixture
def experiment_data() -> dict[str, Any]:
    """The tests' experiment file as plain data, to change at will."""
    return copy.deepcopy(yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8")))


@pytest.fixture
def real_rows() -> Callable[[str], Path]:
    """Find a file of real rows; the test is skipped where there are none."""

    def find(name: str) -> Path:
        folder = os.environ.get("SWAP_REAL_DATA_DIR")
        if not folder:
            pytest.skip(
                "SWAP_REAL_DATA_DIR is not set: it names a folder of real rows, which the project does not carry"
            )
        return Path(folder) / name

    return find


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that two workers end at about the same time."""
    first = ("end_to_end", "test_graph.py", "test_several_processes.py")
    items.sort(key=lambda item: next((at for at, name in enumerate(first) if name in str(item.path)), len(first)))
