"""What README and the pages say about the repository is so: its rooms, the files they name, the commands they show."""

import re
import tomllib
from pathlib import Path

import pytest

from swap_assets.cli.app import app

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("*.md")]
CURRENT = [page for page in PAGES if page.name != "lab-notes.md"]  # that one keeps the paths of the time
_PATH = re.compile(
    r"`((?:swap_assets|swap_assets_tests|domain|backends|defs|cli|docs|examples|tools|benchmarks)/[\w./*-]+)`"
)
_MODULE = re.compile(r"python -m ((?:swap_assets|tools|benchmarks)(?:\.\w+)*)")
_COMMAND = re.compile(r"swap-assets ([a-z]+)\b")
_TARGET = re.compile(r"\bmake ([a-z-]+)")


def _rooms_on_disk() -> set[str]:
    """The folders that hold files: of the top level, of the package and of its rooms."""
    kept = (path for path in REPOSITORY.glob("*/**/*") if path.is_file() and path.suffix != ".pyc")
    places = {path.relative_to(REPOSITORY).parts[:-1] for path in kept}
    deep = {"swap_assets": 3, "tools": 2}
    cut = {place[: deep.get(place[0], 1)] for place in places if not place[0].startswith(".")}
    folders = {place[:depth] for place in cut for depth in range(1, len(place) + 1)}
    shallow = ("cli", "defs", "miniatures", "templates")
    return {"/".join(place) for place in folders if len(place) < 3 or place[1] not in shallow}


def test_the_readmes_rooms_are_the_folders_on_disk():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    named, above = set(), list[str]()
    for line in text.split("```text\n", 1)[1].split("```", 1)[0].splitlines():
        name, depth = line.split()[0], (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], name.rstrip("/")]
        if name.endswith("/"):
            named.add("/".join(above))
    ignored = {"build", "dist"} | {name for name in _rooms_on_disk() if name.endswith(".egg-info")}
    assert named == _rooms_on_disk() - ignored


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_every_file_and_module_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    for name in _PATH.findall(text):
        below = (
            REPOSITORY
            if name.split("/")[0] not in ("domain", "backends", "defs", "cli")
            else REPOSITORY / "swap_assets"
        )
        assert list(below.glob(name.rstrip("/"))), f"{page.name} names {name}"
    for name in _MODULE.findall(text):
        path = REPOSITORY / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_every_command_and_target_that_a_page_shows_exists(page):
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(encoding="utf-8"), re.DOTALL))
    commands = {command.callback.__name__ for command in app.registered_commands}
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(_COMMAND.findall(code)) <= commands
    assert set(_TARGET.findall(code)) <= targets


def test_extras_that_the_pages_name_are_declared():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"swap-assets\[(\w+)\]", text)) <= set(project["optional-dependencies"])


def test_the_files_of_the_top_level_are_there():
    for name in (
        "workspace.yaml", "dagster.yaml", "swap.yaml", ".env.example", "docker/README.md", "pyproject.toml",
        "constraints.txt", "Makefile", "CHANGELOG.md", "LICENSE", "docs/decisions", ".ci/run",
    ):  # fmt: skip
        assert (REPOSITORY / name).exists(), name


def test_the_readme_names_every_asset_of_the_graph():
    from swap_assets.definitions import defs

    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    names = {node.key.path[-1] for node in defs.resolve_asset_graph().asset_nodes}
    approaches = {
        name for name in names if name.endswith(("_adapter", "_evaluation")) and name != "sealed_llm_evaluation"
    }
    assert {name for name in names - approaches if f"`{name}`" not in text} == set()
