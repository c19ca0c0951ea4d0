"""`swap-assets score`: score any file of answers from anywhere. JSON goes to stdout, a table for people to stderr."""

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

from swap_assets.cli.score_files import given_or_exit, gold_or_exit
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.report.wording import visible
from swap_assets.domain.scoring.answer_files import GoldRow, Scored, format_names, score_rows
from swap_assets.domain.scoring.answer_files_report import comparison, report, summary_of

FormatName = Annotated[
    str, typer.Option("--format", "--contract", help=f"how answers are written: {', '.join(format_names())}")
]
Gold = Annotated[Path, typer.Option(help='JSON lines {"id", "reference"}, or the project\'s own cases')]
Functions = Annotated[
    Path | None, typer.Option(help="for bfcl: BFCL's questions, whose functions join the gold rows by id")
]


def score(
    gold: Gold,
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
        chosen, expected = gold_or_exit(gold, answer_format, functions)
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
        rows = "".join(row.model_dump_json() + "\n" for row in scored.rows)
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


def _scored_file(
    answer_format: AnswerFormat | None, gold: dict[str, GoldRow], predictions: Path
) -> tuple[dict[str, Any], Scored]:
    given = given_or_exit(predictions)
    scored = score_rows(answer_format, gold, given)
    summary = summary_of(answer_format, scored, name=predictions.stem)
    return {"predictions": str(predictions)} | report(answer_format, gold, given, scored, summary), scored


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
    if "published_convention" in found:
        _show_published(console, found["published_convention"])


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


def _show_published(console: Console, published: dict[str, Any]) -> None:
    ours = published["ours"]
    console.print(
        f"Published convention: precision {published['field_precision']:.3f}, recall {published['field_recall']:.3f}, "
        f"F1 {published['field_f1']:.3f}; ours (strict): precision {_number(ours['field_precision']['strict'])}, "
        f"recall {_number(ours['field_recall']['strict'])}, F1 {_number(ours['field_f1']['strict'])}"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(metric: dict[str, Any]) -> str:
    return "–" if metric["low"] is None else f"{metric['low']:.3f} to {metric['high']:.3f}"
