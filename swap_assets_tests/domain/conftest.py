"""Rows that several files of tests split."""

import pytest

from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets_tests.domain.data_rows import request


@pytest.fixture(scope="module")
def generated():
    return list(generate(GeneratorSettings(rows=400)))


@pytest.fixture(scope="module")
def real():
    return [
        request(f"please switch lamp {index} of house {index * 7} to blue {index}", row=index) for index in range(200)
    ]
