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
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec, Turn
from swap_assets.domain.scoring.row_scoring import score_answer

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
_ANGLED = """
import re

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, Track
from swap_assets.domain.formats.calls_in_json import make_call
from swap_assets.domain.formats.literals import read_whole


class _Angled(AnswerFormat):
    def _around(self, name):
        return f'<<"{name}" ', ">>"

    def _read_strictly(self, text, function):
        found = [re.fullmatch(r'<<"([^"]+)" (.*)>>', line) for line in text.splitlines()]
        return tuple(make_call(one[1], read_whole(one[2])) for one in found) if found and all(found) else None


ANGLED = _Angled(
    name="angled",
    track=Track.TOOLCALL,
    instructions={PromptStyle.HERMES: "Write each call in angles", PromptStyle.COMPACT: "Answer << name json >>"},
)
"""
TOOL = ToolSpec(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
CALLS = (ToolCall(name="weather", arguments={"city": "Oslo"}), ToolCall(name="weather", arguments={"city": "Rome"}))


@pytest.fixture
def dashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnswerFormat]:
    for name, written in (("dashed", _FILE), ("angled", _ANGLED)):
        (tmp_path / f"{name}.py").write_text(written, encoding="utf-8")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    answer_formats.cache_clear()
    yield named_format("dashed")
    for name in ("dashed", "angled"):
        sys.modules.pop(f"swap_assets.domain.formats.{name}")
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


NO_CALL = EvalCase(
    id="1", conversation_id="1", turn=1, tools=(), gold_calls=(), gold_text="Which city?", origin="synthetic",
    history=(Turn(role="user", text="How is the weather?"),),
)  # fmt: skip


def near_misses(written: str, opening: str) -> Iterator[str]:
    """Yield a written call cut behind each of its signs but the first, and what holds its opening with words around."""
    for kept in range(2, len(written) + 1):
        cut = written[:kept]
        yield from (cut, f"Sure: {cut}", f"Sure.\n\n{cut}\n", f"<think>Hm.</think>{cut}")
        if opening in cut:
            yield from (f"{cut} Done.", f"Sure: {cut} - is that all?", f"```\n{cut}\n```")


@pytest.mark.parametrize("name", [*answer_formats(), "dashed", "angled"])
def test_no_cut_unclosed_or_wrapped_call_is_read_as_words_or_is_right_where_no_call_is(dashed: AnswerFormat, name: str):
    answer_format = named_format(name)
    for calls in (CALLS[:1], CALLS, (ToolCall(name="größe"),), (ToolCall(name="f", arguments={"a": [True, {}]}),)):
        for text in near_misses(answer_format.write(calls), answer_format.opening):
            read = answer_format.read(text, function=calls[0].name)
            assert (read.calls or read.unread) and (read.strict_calls or not read.compliant), text
            assert score_answer(NO_CALL, read).no_call_correct == 0.0, text
    words = answer_format.read("Which city? It is 5 < 6 [there], a - b.")
    assert (words.compliant, words.unread) == (not answer_format.no_call, 0)


@pytest.mark.parametrize("text", ['Sure: <<"weather" {"city": "Oslo"}>>', '<<"weather" {"city"', '<<"wea', "Sure: <<"])
def test_a_call_in_marks_of_its_own_that_is_wrapped_or_cut_is_unread(dashed: AnswerFormat, text: str):
    read = named_format("angled").read(text)
    assert (read.calls, read.unread, read.compliant) == ((), 1, False)


def test_a_list_of_objects_in_words_is_no_call_of_an_interface():
    assert named_format("openai").read('As JSON: [{"id": 1, "title": "Up"}]').compliant


def test_its_grammar_puts_its_own_marks_around_the_arguments(dashed: AnswerFormat):
    grammar = dashed.grammar((TOOL,), (TOOL.parameters,))
    assert '"-- weather "' in grammar and '"</tool_call>"' in grammar and "WORDS" in grammar
    assert '"--" /' in grammar and '"<<\\"" /' in named_format("angled").grammar((), ())


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
