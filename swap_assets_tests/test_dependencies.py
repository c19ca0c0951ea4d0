"""What the package declares as a dependency it imports itself; what only tests or tools import is an extra."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
# No import statement names these; who needs them.
NOT_IMPORTED = {
    "dagster-webserver": "the command `dagster dev`",
    "bitsandbytes": "transformers, for `quantisation: nf4`",
    "faker": "domain.synthetic.values, which imports its lists by their names",
}


def _imported() -> set[str]:
    """The distributions that modules of the package import, at whatever depth of their code."""
    known, found = packages_distributions(), set[str]()
    for path in (REPOSITORY / "swap_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for name in names:
                found |= {one.lower().replace("_", "-") for one in known.get(name.split(".")[0], ())}
    return found


def test_every_runtime_dependency_is_imported_by_the_package():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.match(r"[\w-]+", line).group().lower() for line in project["dependencies"]}  # type: ignore[union-attr]
    assert declared - _imported() == set(NOT_IMPORTED)
