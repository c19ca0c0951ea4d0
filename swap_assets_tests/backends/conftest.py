"""One tiny model for all tests of this folder, and its tokenizer; both are made once a session."""

from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.processes.specs import Weights


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """The weights of a random two-layer Llama."""
    from swap_assets.backends.models.local_model import limit_threads, quiet_libraries
    from swap_assets_tests.fakes import tiny_model

    quiet_libraries()
    limit_threads(1)
    return Weights(source=str(tiny_model(tmp_path_factory.mktemp("models") / "tiny")), dtype="float32")


@pytest.fixture(scope="session")
def tokenizer(tiny: Weights) -> Any:
    """The tiny model's tokenizer, as training loads it."""
    from swap_assets.backends.models.local_model import load_tokenizer

    return load_tokenizer(tiny)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A folder with `data.json` (a track's examples) and `cases.jsonl` about the weather."""
    from swap_assets.backends.engines.generation import write_rows
    from swap_assets_tests.fakes import weather_case, write_track

    cities = [
        "Oslo",
        "Ulm",
        "Riga",
        "Thessaloniki",
        "Graz",
        "Lyon",
        "Bern",
        "Rio",
        "Kiel",
        "Wagga Wagga",
        "Nis",
        "Ghent",
    ]
    write_track(tmp_path, cities, ("Cork", "Turku"))
    write_rows(tmp_path / "cases.jsonl", [weather_case(city) for city in cities])
    return tmp_path
