"""`swap-assets diff` on files, as a user calls it, and what neither command lets through to the terminal."""

import json
from pathlib import Path

from swap_assets_tests.cli.test_score_command import run, tag, write


def difference_files(tmp_path: Path) -> list[str]:
    right, wrong = tag("f", x=1), tag("f", x=2)
    gold = write(tmp_path / "g.jsonl", [{"id": str(n), "reference": right} for n in range(4)])
    a = write(tmp_path / "a.jsonl", [{"id": str(n), "prediction": [right, wrong, right, wrong][n]} for n in range(4)])
    b = write(tmp_path / "b.jsonl", [{"id": str(n), "prediction": [right, right, wrong, wrong][n]} for n in range(4)])
    return [a, b, "--gold", gold, "--contract", "hermes"]


def test_diff_lists_the_rows_each_side_wins(tmp_path: Path):
    found = run("diff", *difference_files(tmp_path))
    assert found.exit_code == 0
    assert "1 rows that A wins" in found.stdout and "1 rows that B wins" in found.stdout
    assert "x should be 1, got 2" in found.stdout and "2 of 4 rows are a draw" in found.stdout


def test_diff_as_json_carries_gold_both_answers_and_the_evidence(tmp_path: Path):
    rows = [json.loads(line) for line in run("diff", *difference_files(tmp_path), "--json").stdout.splitlines()]
    assert [(row["id"], row["winner"]) for row in rows] == [("1", "B"), ("2", "A")]
    assert rows[0]["wrong_in_a"] and not rows[0]["wrong_in_b"] and rows[0]["gold"] == tag("f", x=1)


def test_an_answer_cannot_steer_the_terminal(tmp_path: Path):
    hostile = "[bold]\x1b[2J\x1b]0;gone\x07\u202eabc"
    gold = write(tmp_path / "g.jsonl", [{"id": hostile, "reference": tag("f")}, {"id": "x", "reference": tag("f")}])
    a = write(tmp_path / "a.jsonl", [{"id": hostile, "prediction": hostile}])
    b = write(tmp_path / "b.jsonl", [{"id": hostile, "prediction": tag("f")}, {"id": hostile + "2", "prediction": ""}])
    for found in (
        run("diff", a, b, "--gold", gold),
        run("score", "--gold", gold, "--predictions", b, "--contract", "hermes"),
    ):
        assert found.exit_code == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(found.stderr)
    shown = run("diff", a, b, "--gold", gold).stdout
    assert "[bold]" in shown and not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_diff_refuses_a_metric_that_decides_no_row(tmp_path: Path):
    found = run("diff", *difference_files(tmp_path), "--metric", "beauty")
    assert found.exit_code == 2 and "choose one of field_f1" in found.stderr
