"""`swap-assets score` and `swap-assets diff` on files, as a user calls them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from swap_assets.cli.app import app

runner = CliRunner()


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def tag(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def named(name: str, **arguments: Any) -> str:
    return f'<tool_call name="{name}">{json.dumps(arguments)}</tool_call>'


def native(call_id: str, arguments: str) -> list[dict[str, Any]]:
    return [{"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}]


def run(*arguments: str | Path) -> Result:
    return runner.invoke(app, [str(argument) for argument in arguments])


def scored(tmp_path: Path, gold: list, predictions: list, *, answer_format: str = "hermes", more: tuple = ()) -> dict:
    gold_file = write(tmp_path / "gold.jsonl", [{"id": str(n), "reference": text} for n, text in enumerate(gold)])
    given = write(tmp_path / "pred.jsonl", [{"id": str(n), "prediction": text} for n, text in enumerate(predictions)])
    found = run("score", "--gold", gold_file, "--predictions", given, "--contract", answer_format, *more)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def value(report: dict, metric: str, *, reading: str = "lenient", kind: str = "macro") -> float:
    return report[kind][reading][metric]["value"]


def test_stdout_is_json_with_both_readings_and_stderr_is_a_table_for_people(tmp_path: Path):
    gold = write(tmp_path / "gold.jsonl", [{"id": "a", "reference": tag("f", x=1)}])
    given = write(tmp_path / "pred.jsonl", [{"id": "a", "prediction": "Sure: " + tag("f", x=1)}])
    found = run("score", "--gold", gold, "--predictions", given, "--contract", "hermes")
    report = json.loads(found.stdout)
    assert value(report, "exact_match") == 1.0 and value(report, "exact_match", reading="strict") == 0.0
    assert value(report, "format_compliance") == 0.0
    assert "exact_match" in found.stderr and "1 of 1 rows scored" in found.stderr


def test_ids_on_one_side_only_are_counted_and_shown_and_the_file_is_incomplete(tmp_path: Path):
    gold = write(tmp_path / "g.jsonl", [{"id": i, "reference": tag("f", x=1)} for i in ("a", "b")])
    given = write(tmp_path / "p.jsonl", [{"id": i, "prediction": tag("f", x=1)} for i in ("b", "c")])
    found = run("score", "--gold", gold, "--predictions", given, "--contract", "hermes")
    report = json.loads(found.stdout)
    assert report["counts"] == {
        "gold": 2,
        "predictions": 2,
        "scored": 1,
        "unscored": 1,
        "without_prediction": 1,
        "without_gold": 1,
        "gold_without_call": 0,
    }
    assert report["ids_without_prediction"] == ["a"] and report["ids_without_gold"] == ["c"]
    assert report["complete"] is False
    assert "without a prediction" in found.stderr and "without gold" in found.stderr


def test_a_prediction_of_null_was_not_obtained_and_an_empty_one_is_wrong(tmp_path: Path):
    report = scored(tmp_path, [tag("f", x=1)] * 3, [tag("f", x=1), None, ""])
    assert report["counts"]["unscored"] == 1
    assert value(report, "exact_match") == 0.5


def test_gold_in_python_repr_is_read(tmp_path: Path):
    gold = "<tool_call>\n{'name': 'f', 'arguments': {'x': True, 'y': None}}\n</tool_call>"
    assert value(scored(tmp_path, [gold], [tag("f", x=True, y=None)]), "exact_match") == 1.0


def test_gold_that_cannot_be_read_stops_the_scoring_with_its_ids(tmp_path: Path):
    broken = [
        {"id": "ok", "reference": tag("f")},
        {"id": "bad-7", "reference": "<tool_call>{'name': 'f', </tool_call>"},
    ]
    gold = write(tmp_path / "g.jsonl", broken)
    given = write(tmp_path / "p.jsonl", [{"id": "ok", "prediction": ""}])
    found = run("score", "--gold", gold, "--predictions", given, "--contract", "hermes")
    assert found.exit_code == 2 and found.stdout == ""
    assert "bad-7" in found.stderr and "nothing was scored" in found.stderr


def test_every_row_of_gold_that_cannot_be_read_is_named(tmp_path: Path):
    gold = write(tmp_path / "g.jsonl", [{"id": f"row-{n}", "reference": "<tool_call>{"} for n in range(30)])
    given = write(tmp_path / "p.jsonl", [{"id": "row-0", "prediction": ""}])
    found = run("score", "--gold", gold, "--predictions", given, "--contract", "hermes")
    assert found.exit_code == 2 and "30 gold rows cannot be used" in found.stderr
    assert all(f"row-{n}" in found.stderr.replace("\n", "") for n in range(30))


def test_tools_are_read_as_a_list_as_json_text_and_under_function(tmp_path: Path):
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}}
    written = [[tool], json.dumps([tool]), [{"type": "function", "function": tool}], tool]
    gold = write(
        tmp_path / "g.jsonl",
        [{"id": n, "reference": tag("f", x=1), "tools": tools} for n, tools in enumerate(written)],
    )
    given = write(tmp_path / "p.jsonl", [{"id": n, "prediction": tag("f", x=1)} for n in range(4)])
    report = json.loads(run("score", "--gold", gold, "--predictions", given, "--contract", "hermes").stdout)
    assert (value(report, "exact_match"), value(report, "schema_valid")) == (1.0, 0.0)
    assert report["macro"]["lenient"]["schema_valid"]["n"] == 4


def test_ids_that_look_like_markup_are_shown_as_they_are(tmp_path: Path):
    gold = write(tmp_path / "g.jsonl", [{"id": "[/bold]", "reference": tag("f")}])
    given = write(tmp_path / "p.jsonl", [{"id": "[red]", "prediction": tag("f")}])
    found = run("score", "--gold", gold, "--predictions", given, "--contract", "hermes")
    assert found.exit_code == 0 and "[/bold]" in found.stderr and "[red]" in found.stderr


def test_a_row_without_an_answer_is_in_no_figure_of_either_convention(tmp_path: Path):
    gold = write(tmp_path / "g.jsonl", [{"id": n, "reference": named("f", x=1)} for n in range(3)])
    rows = [
        {"id": 0, "prediction": named("f", x=1)},
        {"id": 1, "prediction": "", "finish_reason": "error", "error": "timeout"},
        {"id": 2, "prediction": None},
    ]
    given = write(tmp_path / "p.jsonl", rows)
    found = run("score", "--gold", gold, "--predictions", given, "--contract", "fledgling-toolcall")
    report = json.loads(found.stdout)
    assert report["counts"]["scored"] == report["published_convention"]["rows"] == 1
    assert report["published_convention"]["field_f1"] == 1.0


def test_words_as_gold_mean_that_no_call_is_right(tmp_path: Path):
    report = scored(tmp_path, ["Which city?", "Which city?"], ["Where?", tag("f")])
    assert value(report, "no_call_accuracy") == 0.5
    assert report["counts"]["gold_without_call"] == 2


ONE_OBJECT = '{"query": "q", "tool_name": "f", "arguments": {"x": 1}}'


@pytest.mark.parametrize(
    ("answer_format", "reference", "prediction"),
    [
        ("hermes", tag("f", x=1), tag("f", x=1)),
        ("fledgling-toolcall", named("f", x=1), named("f", x=1)),
        ("fledgling-structured", ONE_OBJECT, '[{"tool_name": "f", "arguments": {"x": 1}}]'),
        ("openai", native("1", '{"x": 1}'), native("2", '{"x": 1.0}')),
        ("json-schema", '{"x": 1}', '{"x": 1}'),
        ("bfcl", [{"f": {"x": [1, 2], "y": [""]}}], "[f(x=2)]"),
        ("bfcl", "[{'f': {'x': [1, 2], 'y': ['']}}]", "[f(x=2)]"),
        ("bfcl", '[f(x=1, y={"a": [2]}), g()]', '[{"g": {}}, {"f": {"x": 1, "y": {"a": [2]}}}]'),
        ("bfcl", {"f": {"x": [1]}}, "f(x=1)"),
    ],
)  # fmt: skip
def test_every_format_scores_a_right_answer_as_right_to_the_letter(tmp_path, answer_format, reference, prediction):
    report = scored(tmp_path, [reference], [prediction], answer_format=answer_format)
    for reading in ("lenient", "strict"):
        assert value(report, "exact_match", reading=reading) == 1.0
        assert value(report, "field_f1", reading=reading, kind="micro") == 1.0


def test_the_published_convention_stands_beside_ours_and_an_invalid_output_costs_precision_only_in_ours(tmp_path: Path):
    report = scored(
        tmp_path,
        [named("f", x=1, y=2), named("g", z=3)],
        [named("f", x=1, y=9), "<tool_call name='g' broken"],
        answer_format="fledgling-toolcall",
    )
    published = report["published_convention"]
    assert (published["true_positives"], published["false_positives"], published["false_negatives"]) == (1, 1, 2)
    assert published["field_precision"] == 0.5 and published["field_recall"] == pytest.approx(1 / 3)
    assert published["ours"]["field_precision"]["strict"] == pytest.approx(1 / 3)


def test_the_published_structured_convention_counts_what_the_prompt_gave_away(tmp_path: Path):
    reference = {"query": "Weather in Oslo?", "tool_name": "weather", "arguments": {"city": "Oslo"}}
    wrong = {"query": "Weather in Oslo?", "tool_name": "weather", "arguments": {"city": "Rome"}}
    report = scored(tmp_path, [json.dumps(reference)], [json.dumps(wrong)], answer_format="fledgling-structured")
    assert report["published_convention"]["field_f1"] == pytest.approx(2 / 3)
    assert report["published_convention"]["ours"]["field_f1"] == {"lenient": 0.0, "strict": 0.0}


def test_the_published_convention_is_only_given_for_the_formats_it_was_published_in(tmp_path: Path):
    assert "published_convention" not in scored(tmp_path, [tag("f")], [tag("f")])


def test_two_files_are_compared_on_identical_rows(tmp_path: Path):
    right, wrong = tag("f", x=1), tag("f", x=2)
    other = write(tmp_path / "o.jsonl", [{"id": str(n), "prediction": wrong if n < 5 else right} for n in range(30)])
    report = scored(tmp_path, [right] * 30, [right] * 30, more=("--compare", other))
    paired = report["compare"]["paired"]["exact_match"]
    assert paired["difference_points"] == pytest.approx(100 * 5 / 30)
    assert (paired["wholly_right_only_here"], paired["wholly_right_only_other"]) == (5, 0)
    assert paired["mcnemar_exact_p"] == pytest.approx(2 * 0.5**5)
    assert report["compare"]["other"]["macro"]["lenient"]["exact_match"]["value"] == pytest.approx(25 / 30)


def test_out_keeps_the_summary_and_every_row_with_its_evidence(tmp_path: Path):
    scored(tmp_path, [tag("f", x=1)], [tag("f", x=2)], more=("--out", str(tmp_path / "out")))
    row = json.loads((tmp_path / "out" / "rows.jsonl").read_text())
    assert row["first_difference"] == "f: x should be 1, got 2" and row["failure"] == "wrong_value"
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]["scored"] == 1


def test_the_projects_own_cases_and_records_are_taken_as_they_are(tmp_path: Path):
    case = {
        "id": "c1", "conversation_id": "v", "turn": 1, "tools": [], "history": [], "origin": "synthetic",
        "gold_calls": [{"name": "f", "arguments": {"x": 1}}], "labels": {"single_turn": "simple"},
    }  # fmt: skip
    record = {"case_id": "c1", "text": tag("f", x=1), "finish_reason": "stop"}
    gold, given = write(tmp_path / "g.jsonl", [case]), write(tmp_path / "p.jsonl", [record])
    report = json.loads(run("score", "--gold", gold, "--predictions", given, "--contract", "hermes").stdout)
    assert report["by_label"]["single_turn"]["simple"]["lenient"]["exact_match"]["value"] == 1.0
    assert "synthetic" in report["by_origin"]


def test_bfcl_takes_its_functions_from_the_questions_file(tmp_path: Path):
    function = {
        "name": "f",
        "parameters": {"type": "dict", "properties": {"x": {"type": "float"}}, "required": ["x"]},
    }
    gold = write(tmp_path / "g.jsonl", [{"id": "1", "ground_truth": [{"f": {"x": [2.0]}}]}])
    asked = write(tmp_path / "q.jsonl", [{"id": "1", "question": [], "function": [function]}])
    given = write(tmp_path / "p.jsonl", [{"id": "1", "prediction": '[{"f": {"x": 2}}]'}])
    found = run("score", "--gold", gold, "--functions", asked, "--predictions", given, "--contract", "bfcl")
    assert value(json.loads(found.stdout), "exact_match") == 1.0


def test_gzipped_files_are_read(tmp_path: Path):
    gold, given = tmp_path / "g.jsonl.gz", tmp_path / "p.jsonl.gz"
    gold.write_bytes(gzip.compress(json.dumps({"id": 1, "reference": tag("f")}).encode()))
    given.write_bytes(gzip.compress(json.dumps({"id": 1, "prediction": tag("f")}).encode()))
    assert run("score", "--gold", gold, "--predictions", given, "--contract", "hermes").exit_code == 0


GOLD, GIVEN = '{"id": 1, "reference": "x"}', '{"id": 1, "prediction": "x"}'


@pytest.mark.parametrize(
    ("gold", "given", "answer_format", "says"),
    [
        (GOLD, GIVEN, "hermess", "no answer format: choose one of"),
        ('{"id": 1}', GIVEN, "hermes", "needs `id` and `reference`"),
        ('{"id": null, "reference": "x"}', GIVEN, "hermes", "line 1 (needs `id`"),
        ('{"id": 1, "reference": 5}', GIVEN, "hermes", "is a number"),
        ('{"id": 1, "reference": "x", "tools": ["f"]}', GIVEN, "hermes", "`tools` is a list"),
        ('{"id": 1, "reference": "x", "tools": "f"}', GIVEN, "hermes", "`tools` is a list"),
        ('{"id": 1, "reference": "x", "labels": "f"}', GIVEN, "hermes", "`labels` is an object"),
        ('{"id": 1, "reference": "x", "origin": "f"}', GIVEN, "hermes", "`origin`: Input should be 'real'"),
        ('{"id": 1, "reference": "no calls"}', GIVEN, "bfcl", "neither accepted values nor calls"),
        (GOLD, '{"id": 1}', "hermes", "needs `id` and `prediction`"),
        (f"{GOLD}\n{GOLD}", GIVEN, "hermes", "comes twice"),
        (GOLD, f"{GIVEN}\n{GIVEN}", "hermes", "comes twice"),
        ("not json", GIVEN, "hermes", "neither JSON, JSON Lines nor Parquet"),
        ("[1]", GIVEN, "hermes", "no JSON object"),
        ("[]", GIVEN, "hermes", "holds no row"),
        ("", GIVEN, "hermes", "is empty"),
        (f"{GOLD}\nnot json", GIVEN, "hermes", "row 2 is no JSON"),
        ('{"id": 1, "ground_truth": [{"f": {"x": 1}}]}', GIVEN, "bfcl", "accepted values"),
    ],
)  # fmt: skip
def test_bad_input_ends_with_one_clear_sentence(tmp_path: Path, gold: str, given: str, answer_format: str, says: str):
    (tmp_path / "g.jsonl").write_text(gold)
    (tmp_path / "p.jsonl").write_text(given)
    found = run(
        "score", "--gold", tmp_path / "g.jsonl", "--predictions", tmp_path / "p.jsonl", "--contract", answer_format
    )
    assert found.exit_code == 2 and says in found.stderr and "Traceback" not in found.output


def test_a_file_that_is_not_there_ends_with_one_clear_sentence(tmp_path: Path):
    found = run(
        "score", "--gold", tmp_path / "no.jsonl", "--predictions", tmp_path / "no.jsonl", "--contract", "hermes"
    )
    assert found.exit_code == 2 and "there is no file" in found.stderr
