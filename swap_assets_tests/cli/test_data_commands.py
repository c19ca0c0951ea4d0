import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from swap_assets.backends.datasets.loading import load_source
from swap_assets.cli.app import app
from swap_assets.cli.prepare import replace_block
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.experiment.sources import LocalSource
from swap_assets.domain.splits.leakage_index import build_index
from swap_assets_tests.domain.data_rows import LIGHT_CALL, TOOL, call_text, extraction_row, hermes_row

ROOT = Path(__file__).parents[2]


def _run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Sixty lines of a chat-completions log, one of them broken."""

    def line(number: int) -> str:
        function = {"name": "set_light", "arguments": json.dumps({"room": f"room {number}", "on": True})}
        answer = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": function}]}
        asked = {"role": "user", "content": f"Light in room {number}, please"}
        return json.dumps({"messages": [asked, answer], "tools": [TOOL]})

    lines = [line(number) for number in range(59)]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([*lines, '{"messages": ']))
    return path


def test_profile_prints_the_accounting_and_draws(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    rows = [hermes_row(call_text(LIGHT_CALL)), hermes_row(call_text(LIGHT_CALL)), extraction_row()]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    result = _run("profile", file, "--svg", tmp_path / "p.svg")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("2 of 3 rows kept (1 exact_duplicate set aside); 1 have repaired answers")
    assert (tmp_path / "p.svg").read_text().lstrip().startswith("<?xml")
    assert json.loads(_run("profile", file, "--json").output)["rows_in"] == 3


def test_profile_against_an_index_names_the_rows_that_repeat_a_test_row(tmp_path: Path, log: Path):
    rows = load_source(LocalSource(path=str(log))).conversations
    index = tmp_path / "index.json"
    index.write_text(build_index(rows[:2]).model_dump_json())
    result = _run("profile", log, "--against", index)
    assert result.exit_code == 1
    assert f"{rows[0].id} repeats test row {rows[0].id} (similarity 1.00)" in result.output
    index.write_text(build_index([]).model_dump_json())
    assert _run("profile", log, "--against", index).exit_code == 0


def test_profile_against_what_is_no_index_is_one_sentence(tmp_path: Path, log: Path):
    result = _run("profile", log, "--against", tmp_path / "none.json")
    assert result.exit_code == 2
    assert "is no leakage index" in result.output


def test_profile_of_a_missing_file_is_one_sentence_and_exit_code_two(tmp_path: Path):
    result = _run("profile", tmp_path / "none.jsonl")
    assert result.exit_code == 2
    assert "there is no file" in result.output
    assert "Traceback" not in result.output


def test_init_writes_an_experiment_file_for_the_log_that_loads(tmp_path: Path, log: Path):
    out = tmp_path / "My Agent.yaml"
    result = _run("init", "--from", log, "--out", out, "--template", ROOT / "swap.yaml")
    assert result.exit_code == 0, result.output
    assert "59 of 60 rows kept (1 line_not_json set aside)" in result.output
    experiment = parse_experiment(yaml.safe_load(out.read_text()))
    assert experiment.name == "my-agent"
    assert experiment.source.kind == "local"
    assert sum((experiment.scales["small"].train, experiment.scales["small"].test, experiment.release_test)) < 59
    assert "# lenient judges the calls" in out.read_text()


def test_init_never_overwrites_without_force(tmp_path: Path, log: Path):
    out = tmp_path / "a.yaml"
    out.write_text("mine")
    result = _run("init", "--from", log, "--out", out, "--template", ROOT / "swap.yaml")
    assert result.exit_code == 2
    assert "--force" in result.output
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("template", "said"), [("none.yaml", "cannot read the experiment file"), ("log.jsonl", "is no template")]
)
def test_init_with_a_template_that_cannot_be_used_is_one_sentence(tmp_path: Path, log: Path, template: str, said: str):
    result = _run("init", "--from", log, "--out", tmp_path / "a.yaml", "--template", tmp_path / template)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "a.yaml").exists()


def test_init_from_a_handful_of_rows_says_how_many_it_takes(tmp_path: Path):
    file = tmp_path / "few.jsonl"
    file.write_text(json.dumps(hermes_row(call_text(LIGHT_CALL))))
    result = _run("init", "--from", file, "--out", tmp_path / "a.yaml", "--template", ROOT / "swap.yaml")
    assert result.exit_code == 2
    assert "collect at least 20" in " ".join(result.output.split())


def test_replacing_a_block_keeps_what_stands_around_it():
    text = "# top\na: 1\n\nb:   # why\n  c: 2\n\n  d: 3\n\n# next\ne: 4\n"
    changed = replace_block(text, "b", {"x": [1, "y"]})
    assert changed == '# top\na: 1\n\nb:\n  x: [1, "y"]\n\n# next\ne: 4\n'
    assert yaml.safe_load(replace_block(text, "new", 5)) == yaml.safe_load(text) | {"new": 5}
