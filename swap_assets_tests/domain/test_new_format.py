"""An answer format is one file: put into the package, it is in prompts, experiment files, scores and commands."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from swap_assets.cli.score import score
from swap_assets.domain import formats
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track, answer_formats, named_format
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import prompt_hash, render_messages
from swap_assets.domain.model import ToolCall, ToolSpec, Turn

_FILE = """
import re

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import make_call, strict_tags


class _Dashed(AnswerFormat):
    def _around(self, name):
        return f"-- {name} ", "</tool_call>"

    def _read_strictly(self, text, function):
        return strict_tags(text, re.compile(r"-- (\\S+) "), lambda tag, value: make_call(tag.group(1), value))


DASHED = _Dashed(
    name="dashed",
    track=Track.TOOLCALL,
    instructions={PromptStyle.HERMES: "Write each call behind two dashes", PromptStyle.COMPACT: "Answer -- name json"},
)
"""
TOOL = ToolSpec(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
CALLS = (ToolCall(name="weather", arguments={"city": "Oslo"}), ToolCall(name="weather", arguments={"city": "Rome"}))


@pytest.fixture
def dashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnswerFormat]:
    (tmp_path / "dashed.py").write_text(_FILE, encoding="utf-8")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    answer_formats.cache_clear()
    yield named_format("dashed")
    sys.modules.pop("swap_assets.domain.formats.dashed")
    answer_formats.cache_clear()


def test_the_prompt_says_how_to_answer_in_it(dashed: AnswerFormat):
    turn = Turn(role="assistant", calls=CALLS[:1])
    for style in PromptStyle:
        system, said = render_messages((TOOL,), (turn,), answer_format=dashed, style=style)
        assert system["content"].endswith(dashed.instructions[style])
        assert said["content"] == '-- weather {"city": "Oslo"}</tool_call>'
        assert prompt_hash(dashed, style) != prompt_hash(HERMES, style)


def test_what_it_writes_it_reads_back_and_near_misses_are_read_leniently(dashed: AnswerFormat):
    assert dashed.read(dashed.write(CALLS)).strict_calls == CALLS
    assert dashed.read("Which city?").compliant
    loose = dashed.read(HERMES.write(CALLS))
    assert (loose.strict_calls, loose.calls, loose.compliant) == ((), CALLS, False)


def test_its_grammar_puts_its_own_marks_around_the_arguments(dashed: AnswerFormat):
    grammar = dashed.grammar((TOOL,), (TOOL.parameters,))
    assert '"-- weather "' in grammar and '"</tool_call>"' in grammar and "WORDS" in grammar


def test_an_experiment_file_names_it_and_the_file_is_written_with_its_name(dashed: AnswerFormat, experiment_data: dict):
    experiment_data["approaches"]["paper"]["adapters"] = {"toolcall": "dashed"}
    experiment = parse_experiment(experiment_data)
    assert experiment.approaches["paper"].adapters["toolcall"] is dashed
    assert experiment.model_dump(mode="json")["approaches"]["paper"]["adapters"] == {"toolcall": "dashed"}


def test_the_command_line_lists_it_and_scores_files_in_it(dashed: AnswerFormat, tmp_path: Path):
    app = typer.Typer()
    app.command()(score)
    gold, given = tmp_path / "gold.jsonl", tmp_path / "given.jsonl"
    gold.write_text(json.dumps({"id": "1", "reference": dashed.write(CALLS)}) + "\n", encoding="utf-8")
    given.write_text(json.dumps({"id": "1", "prediction": dashed.write(CALLS[::-1])}) + "\n", encoding="utf-8")
    options = ["--gold", str(gold), "--predictions", str(given), "--format"]
    found = CliRunner().invoke(app, [*options, "dashed"])
    said = json.loads(found.stdout)
    assert (said["answer_format"], said["macro"]["strict"]["exact_match"]["value"]) == ("dashed", 1.0)
    assert dashed.track is Track.TOOLCALL and "dashed" in CliRunner().invoke(app, [*options, "nonsense"]).output
