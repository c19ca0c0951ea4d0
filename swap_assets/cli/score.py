"""Answers from anywhere: `swap-assets score` judges a file of them, `diff` shows which rows one wins and one loses.

JSON goes to stdout, tables for people to stderr.
"""

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swap_assets.backends.datasets.files import BadLine, read_file
from swap_assets.cli.environment import fail
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.literals import without_lone_surrogates
from swap_assets.domain.metrics import row_metrics
from swap_assets.domain.report.wording import visible
from swap_assets.domain.scoring import answer_files
from swap_assets.domain.scoring.answer_files import AnswerFileError, Given, Gold
from swap_assets.domain.scoring.answer_files_report import comparison, report
from swap_assets.domain.scoring.scores import RowScore

_FORMATS = f"how answers are written: {', '.join(answer_files.format_names())}"
FormatName = Annotated[str, typer.Option("--format", "--contract", help=_FORMATS)]
GoldFile = Annotated[Path, typer.Option(help='JSON lines {"id", "reference"}, or the project\'s own cases')]
Functions = Annotated[
    Path | None, typer.Option(help="for bfcl: BFCL's questions, whose functions join the gold rows by id")
]


def score(
    gold: GoldFile,
    predictions: Annotated[Path, typer.Option(help='JSON lines {"id", "prediction"}, or the project\'s own records')],
    answer_format: FormatName,
    compare: Annotated[
        Path | None, typer.Option(help="other predictions for the same gold, compared row by row")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder for summary.json and rows.jsonl")] = None,
    functions: Functions = None,
    margin: Annotated[float, typer.Option(min=0.01, max=100, help="non-inferiority margin in points")] = 5.0,
) -> None:
    """Score a file of answers against gold, strictly and leniently, with intervals and every id accounted for."""
    with _no_garbage_collection():
        chosen, expected = _gold_or_exit(gold, answer_format, functions)
        found, scored = _scored_file(chosen, expected, predictions)
    others: dict[str, Any] | None = None
    if compare is not None:
        others, other_scored = _scored_file(chosen, expected, compare)
        paired = comparison(scored, other_scored, margin_points=margin)
        found["compare"] = {"predictions": str(compare), "other": others, "paired": paired}
    text = json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "summary.json").write_text(text + "\n", encoding="utf-8")
        rows = "".join(row.model_dump_json() + "\n" for row in scored)
        (out / "rows.jsonl").write_text(rows, encoding="utf-8")
    typer.echo(text)
    _show(found, others)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Spare the search for cycles among a million small values, a fifth of the time; none of them is in one."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # or the first collection afterwards walks all of them once more
        gc.enable()


def _scored_file(written: AnswerFormat | None, gold: Gold, path: Path) -> tuple[dict[str, Any], list[RowScore]]:
    given = _given_or_exit(path)
    scored = answer_files.score_rows(written, gold, given)
    return {"predictions": str(path)} | report(written, gold, given, scored, name=path.stem), scored


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file's rows, each a JSON object; a file that can't be used ends the command with one sentence."""
    rows = []
    for number, row in enumerate(read_file(path), start=1):
        if isinstance(row, BadLine):
            raise fail(f"{path}, row {number} is no JSON ({row.problem}); give one JSON object a line")
        if not isinstance(row, dict):
            raise fail(f"{path}, row {number} is no JSON object; give one a line")
        # A lone half of a surrogate pair can be neither printed nor written again.
        rows.append(without_lone_surrogates(row))
    if not rows:
        raise fail(f"{path} holds no row; give one JSON object a line")
    return rows


def _gold_or_exit(path: Path, format_name: str, functions: Path | None) -> tuple[AnswerFormat | None, Gold]:
    """Read gold, joined with BFCL's questions by id; return how references are written (None: BFCL), and rows by id."""
    where = ""
    try:
        answer_format = answer_files.format_named(format_name)
        rows, where = _read_lines(path), f"{path}: "
        if functions is not None:
            described = {row.get("id"): row.get("function") for row in _read_lines(functions)}
            rows = [{"function": described.get(row.get("id"))} | row for row in rows]
        return answer_format, answer_files.gold_rows(answer_format, rows)
    except AnswerFileError as error:
        raise fail(f"{where}{error}") from None


def _given_or_exit(path: Path) -> Given:
    """Read predictions; rows that can't be read end the command with their ids."""
    try:
        return answer_files.given_rows(_read_lines(path))
    except AnswerFileError as error:
        raise fail(f"{path}: {error}") from None


_PUBLISHED = {"field_precision": "precision", "field_recall": "recall", "field_f1": "F1"}


def _show(found: dict[str, Any], other: dict[str, Any] | None) -> None:
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    counts = found["counts"]
    console.print(f"[bold]{found['answer_format']}[/]: {counts['scored']} of {counts['gold']} rows scored")
    if counts["gold_without_call"]:
        console.print(f"gold says of {counts['gold_without_call']} rows that no call is right")
    for key, words in (("without_prediction", "without a prediction"), ("without_gold", "without gold, not scored")):
        if counts[key]:
            ids = escape(visible(", ".join(found[f"ids_{key}"][:5])))
            console.print(f"[yellow]{counts[key]} ids {words}[/]: {ids}{', …' if counts[key] > 5 else ''}")
    if not found["complete"]:
        console.print(f"[yellow]incomplete: {counts['unscored']} rows are unscored and in no figure below[/]")
    console.print(_metrics_table(found, other))
    failures = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found["failures"].items())
    console.print(f"Failures: {failures or 'none'}")
    if other is not None:
        _show_comparison(console, found["compare"]["paired"])
    if published := found.get("published_convention"):
        theirs = ", ".join(f"{title} {published[name]:.3f}" for name, title in _PUBLISHED.items())
        ours = ", ".join(f"{title} {_number(published['ours'][name]['strict'])}" for name, title in _PUBLISHED.items())
        console.print(f"Published convention: {theirs}; ours (strict): {ours}")


def _metrics_table(found: dict[str, Any], other: dict[str, Any] | None) -> Table:
    table = Table("metric", "rows", "lenient", "95 %", "strict")
    if other is not None:
        table.add_column("other, lenient")
    named = [("macro", name, name) for name in found["macro"]["strict"]]
    named += [("micro", name, f"{name}, micro") for name in found["micro"]["strict"]]
    for kind, name, title in named:
        lenient, strict = found[kind]["lenient"][name], found[kind]["strict"][name]
        cells = [title, str(lenient["n"]), _number(lenient["value"]), _interval(lenient), _number(strict["value"])]
        table.add_row(*cells, *([_number(other[kind]["lenient"][name]["value"])] if other else []))
    return table


def _show_comparison(console: Console, paired: dict[str, Any]) -> None:
    for metric, one in paired.items():
        if one is None:
            console.print(f"{metric}: no row has an answer on both sides")
            continue
        verdict = "superior" if one["superior"] else "worse" if one["worse"] else "no sure difference"
        margin = f"{'not ' if not one['non_inferior'] else ''}shown to lose less than {one['margin_points']:g} points"
        console.print(
            f"{metric}: {one['difference_points']:+.1f} points ({one['low_points']:+.1f} to {one['high_points']:+.1f}) "
            f"on {one['rows']} identical rows, {verdict}, {margin}; wholly right only here "
            f"{one['wholly_right_only_here']}, only there {one['wholly_right_only_other']}, "
            f"McNemar p = {one['mcnemar_exact_p']:.3f}"
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(metric: dict[str, Any]) -> str:
    return "–" if metric["low"] is None else f"{metric['low']:.3f} to {metric['high']:.3f}"


def diff(
    a: Annotated[Path, typer.Argument(help="predictions A, JSON lines")],
    b: Annotated[Path, typer.Argument(help="predictions B, JSON lines")],
    gold: GoldFile,
    answer_format: FormatName = HERMES.name,
    metric: Annotated[str, typer.Option(help="what decides a row: exact_match, field_f1, ...")] = "exact_match",
    limit: Annotated[int, typer.Option(min=1, help="rows shown for each side")] = 20,
    functions: Functions = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all rows as JSON lines instead")] = False,
) -> None:
    """List the rows where A beats B and those where B beats A: gold, both answers, and what is wrong with the loser."""
    if metric not in row_metrics():
        raise fail(f"'{metric}' decides no row: choose one of {', '.join(row_metrics())}")
    chosen, expected = _gold_or_exit(gold, answer_format, functions)
    rows = _compared(chosen, expected, _given_or_exit(a), _given_or_exit(b), metric=metric)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    console = Console(width=None if Console().is_terminal else 160)
    for winner, loser, path in (("A", "B", a), ("B", "A", b)):
        won = [row for row in rows if row["winner"] == winner]
        console.print(f"\n[bold]{len(won)} rows that {winner} wins[/] ({escape(path.name)}) by {metric}")
        if won:
            console.print(_won_table(won[:limit], winner, loser))
        if len(won) > limit:
            console.print(f"{len(won) - limit} more: raise --limit or use --json")
    both = len(expected) - len(rows)
    console.print(f"\n{both} of {len(expected)} rows are a draw or lack an answer on one side.")


def _compared(written: AnswerFormat | None, gold: Gold, a: Given, b: Given, *, metric: str) -> list[dict[str, Any]]:
    """Return the rows that are no draw, the clearest first."""
    found, scored = [], [answer_files.score_rows(written, gold, given) for given in (a, b)]
    for one, other in zip(*scored, strict=True):
        value_a, value_b = one.value(metric), other.value(metric)
        if value_a is None or value_b is None or value_a == value_b:
            continue
        row = gold[one.case_id]
        text = row.reference
        if written and not text:
            text = written.write(row.case.gold_calls, row.case.gold_text)
        found.append({
            "id": one.case_id, "winner": "A" if value_a > value_b else "B", "a": value_a, "b": value_b, "gold": text,
            "answer_a": a[one.case_id].text, "answer_b": b[one.case_id].text,
            "wrong_in_a": one.first_difference, "wrong_in_b": other.first_difference,
        })  # fmt: skip
    return sorted(found, key=lambda row: -abs(row["a"] - row["b"]))


def _won_table(rows: list[dict[str, Any]], winner: str, loser: str) -> Table:
    table = Table("id", "gold", f"{winner} (right)", f"{loser} (wrong)", f"what is wrong in {loser}", show_lines=True)
    shown = ("id", "gold", f"answer_{winner.lower()}", f"answer_{loser.lower()}", f"wrong_in_{loser.lower()}")
    for row in rows:
        table.add_row(*(_text(row[name]) for name in shown))
    return table


def _text(foreign: str | None, length: int = 400) -> str:
    """Return what somebody else wrote as text for a terminal: no markup, no control characters, not too long."""
    text = (foreign or "").strip()
    return escape(visible(text if len(text) <= length else text[: length - 1] + "…"))
