"""What the package declares as a dependency it imports itself; what only tests or tools import is an extra."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
# No import statement names these; who needs them.
NOT_IMPORTED = {
    "bitsandbytes": "transformers, for `quantisation: nf4`",
    "faker": "domain.synthetic.values, which imports its lists by their names",
}


def _imported() -> list[set[str]]:
    """For each library that modules of the package import, at whatever depth of their code: what may provide it."""
    known, names = packages_distributions(), set[str]()
    for path in (REPOSITORY / "swap_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            names |= {node.module} if isinstance(node, ast.ImportFrom) and node.module and not node.level else set()
    libraries = {name.split(".")[0] for name in names} - {"swap_assets", "pydantic_core"}  # comes with pydantic
    return [{one.lower().replace("_", "-") for one in known[name]} for name in libraries if name in known]


def _declared(*extras: str) -> set[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {re.match(r"[\w-]+", line).group().lower() for line in lines}  # type: ignore[union-attr]


def test_every_runtime_dependency_is_imported_by_the_package():
    assert _declared() - set[str]().union(*_imported()) == set(NOT_IMPORTED)


def test_whatever_the_package_imports_is_declared_and_not_only_brought_along_by_another():
    declared = _declared("azure", "constrained", "tracing", "dg")
    assert [names for names in _imported() if not names & declared] == []
