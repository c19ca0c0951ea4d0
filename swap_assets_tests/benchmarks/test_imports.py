"""Every benchmark follows the package: it imports, so that `python -m benchmarks` breaks here and not after an hour."""

import importlib
import pkgutil

import pytest

import benchmarks


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(benchmarks.__path__)])
def test_a_benchmark_imports(name):
    try:
        importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if error.name != "bfcl_eval":
            raise
        pytest.skip("it runs in an environment of its own, made by bfcl_agreement, which holds bfcl-eval")
