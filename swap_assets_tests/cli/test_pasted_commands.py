"""Every command that a sentence quotes can be pasted, and what Dagster would refuse is refused before in a sentence."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
import yaml
from typer.testing import CliRunner

from swap_assets.backends.store.experiment_file import pasteable
from swap_assets.cli.app import app
from swap_assets.definitions import defs
from swap_assets.domain.experiment.experiment import ExperimentError, parse_experiment
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.gates.registry import decisions, jobs
from swap_assets.domain.selection import selection_problem

PACKAGE = Path(__file__).parents[2] / "swap_assets"
# A command ends where prose goes on: options, quoted texts and names in capitals (expressions become some) are its own.
QUOTED = re.compile(r"swap-assets [a-z]+(?: (?:--[\w-]+|'[^']*'|[A-Z][A-Z_|.,-]*))*")


def sentences() -> list[tuple[str, str]]:
    """Return every text of the package's code, docstrings left out, with VALUE where an expression stands."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "VALUE" for part in node.values]
                found.append((path.name, "".join(map(str, parts))))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | prose:
                found.append((path.name, node.value))
    return found


COMMANDS = sorted({(name, command) for name, text in sentences() for command in QUOTED.findall(text)})


def parse(command: str) -> None:
    program, name, *arguments = shlex.split(command)
    assert program == "swap-assets"
    known: Any = typer.main.get_command(app)
    known.commands[name].make_context(name, arguments)


def test_commands_are_found_in_the_sentences():
    assert {"materialize", "approve", "new", "plan", "doctor"} <= {command.split()[1] for _, command in COMMANDS}


@pytest.mark.parametrize(("file", "command"), COMMANDS)
def test_every_command_of_a_sentence_is_one_that_our_command_line_takes(file, command):
    parse(command)


def test_a_command_without_what_it_needs_is_not_taken():
    with pytest.raises(Exception, match="Missing parameter: folder"):
        parse("swap-assets new")


def test_no_sentence_sends_anybody_to_dagsters_own_command():
    """It would work on records of its own, and on the experiment of the folder."""
    typed = re.compile(r"\bdagster (asset|instance|dev|job|run)\b")
    assert [(name, text) for name, text in sentences() if typed.search(text)] == []


@pytest.fixture
def experiment(experiment_data):
    return parse_experiment(experiment_data)


def test_what_is_known_of_partitions_is_what_the_graph_has(experiment):
    example = {0: "", 1: "tiny", 2: "little|tiny"}
    for node in defs.resolve_asset_graph().asset_nodes:
        if not node.is_materializable:
            continue
        name, kind = node.key.path[-1], node.partitions_def
        right = example[0 if kind is None else 2 if "|" in str(kind.get_first_partition_key()) else 1]
        for key in example.values():
            assert (selection_problem(experiment, [name], key) == "") is (key == right), (name, key)


@pytest.mark.parametrize("name", sorted(jobs()))
def test_the_command_of_every_job_names_assets_and_partitions_that_there_are(experiment, name):
    taken = []
    for key in ("tiny", "little|tiny"):
        _, _, selection, _, partition = shlex.split(jobs()[name].command(key))
        chosen = dg.AssetSelection.from_coercible(selection.split(",")).resolve(defs.resolve_asset_graph())
        taken.append(not selection_problem(experiment, [asset.path[-1] for asset in chosen], partition))
    assert taken.count(True) == 1


@pytest.mark.parametrize("name", sorted(decisions()))
def test_the_command_of_every_decision_can_be_pasted_on_another_experiment(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    command = pasteable(materialize(name, "little|tiny"), tmp_path / "my file.yaml")
    assert command == f"swap-assets materialize --config 'my file.yaml' {name} --partition 'little|tiny'"
    parse(command)
    assert pasteable(materialize(name, "tiny"), tmp_path / "swap.yaml") == materialize(name, "tiny")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("dataset_split", "--partition", "huge"), "no partition 'huge'; dataset_split takes --partition 'tiny' or"),
        (("dataset_split",), "no partition is given"),
        (("paper_adapter", "--partition", "tiny"), "paper_adapter takes --partition 'little|tiny' or"),
        (("hermes_conversations", "--partition", "tiny"), "leave --partition out"),
        (("dataset_spilt", "--partition", "tiny"), "did you mean dataset_split?"),
        (("",), "no asset is named"),
        ((" , ",), "no asset is named"),
        (("x...",), "there is no asset 'x...'"),
        (('key:"x..."', "--partition", "tiny"), "there is no asset 'x...'"),
        (("dataset_split,a-b", "--partition", "tiny"), "there is no asset 'a-b'"),
        (("dataset_split,paper_adapter", "--partition", "tiny"), "not the same partitions"),
        (("dataset_split", "--partition", "tiny", "--config-json", "{"), "not JSON"),
    ],
)
def test_what_cannot_be_materialised_is_refused_in_one_sentence(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["materialize", *arguments])
    assert done.exit_code == 2 and told in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--select dataset_split --partition huge", "Error: there is no partition 'huge'; dataset_split takes"),
        ("--select=dataset_spilt --partition tiny", "did you mean dataset_split?"),
        ("--select *", "have not the same partitions"),
        ("--select nosuch* --partition tiny", "'nosuch*' selects no asset of comparison_report, "),
        ("--select group:nosuch", "'group:nosuch' selects no asset of comparison_report, "),
        ("--select group:(", "'group:(' is no selection of assets"),
        ("--select tag:x=y", "'tag:x=y' selects no asset of comparison_report, "),
        ("--select group:training --partition tiny", "takes --partition 'little|small' or"),
    ],
)
@pytest.mark.slow
def test_dagsters_own_command_refuses_in_one_sentence_too(tmp_path, experiment_data, arguments, told):
    (tmp_path / "swap.yaml").write_text(yaml.safe_dump(experiment_data), encoding="utf-8")
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "swap_assets.definitions"]
    environment = {**os.environ, "SWAP_CONFIG": "swap.yaml"}
    done = subprocess.run(
        [*command, *arguments.split()], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1 and told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["asset materialize --select dataset_split", "definitions validate"])
@pytest.mark.slow
def test_dagsters_own_command_says_in_one_sentence_that_there_is_no_experiment_file(tmp_path, command):
    environment = {name: value for name, value in os.environ.items() if name != "SWAP_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", *command.split(), "-m", "swap_assets.definitions"], cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(PACKAGE.parent)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr and "Stack Trace" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: cannot read the experiment file")
    assert "`swap-assets new FOLDER` lays one down" in done.stderr


@pytest.mark.parametrize("section", ["models", "scales"])
def test_a_key_that_files_without_a_partition_have_is_refused(experiment_data, section):
    experiment_data[section] = {"all": next(iter(experiment_data[section].values()))}
    with pytest.raises(ExperimentError, match="'all' is that of files without a partition"):
        parse_experiment(experiment_data)


@pytest.mark.parametrize("key", ["a...b", "a\tb", "a__b"])
@pytest.mark.parametrize("section", ["models", "scales"])
def test_a_key_that_dagster_cannot_hold_is_refused_by_the_experiment_file(experiment_data, section, key):
    entries = yaml.safe_load(yaml.safe_dump(experiment_data[section]))
    experiment_data[section] = {key: next(iter(entries.values()))}
    with pytest.raises(ExperimentError, match=re.escape(f"the name {key!r} holds")):
        parse_experiment(experiment_data)
