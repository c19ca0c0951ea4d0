"""`swap-assets diff`: the rows that one file of answers wins and the other loses, side by side."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swap_assets.cli.environment import fail
from swap_assets.cli.score import FormatName, Functions, Gold, given_or_exit, gold_or_exit
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.metrics import row_metrics
from swap_assets.domain.report.wording import visible
from swap_assets.domain.scoring.answer_files import GivenRow, GoldRow, score_rows


def diff(
    a: Annotated[Path, typer.Argument(help="predictions A, JSON lines")],
    b: Annotated[Path, typer.Argument(help="predictions B, JSON lines")],
    gold: Gold,
    answer_format: FormatName = HERMES.name,
    metric: Annotated[str, typer.Option(help="what decides a row: exact_match, field_f1, ...")] = "exact_match",
    limit: Annotated[int, typer.Option(min=1, help="rows shown for each side")] = 20,
    functions: Functions = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all rows as JSON lines instead")] = False,
) -> None:
    """List the rows where A beats B and those where B beats A: gold, both answers, and what is wrong with the loser."""
    if metric not in row_metrics():
        raise fail(f"'{metric}' decides no row: choose one of {', '.join(row_metrics())}")
    chosen, expected = gold_or_exit(gold, answer_format, functions)
    rows = _compared(chosen, expected, given_or_exit(a), given_or_exit(b), metric=metric)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    console = Console(width=None if Console().is_terminal else 160)
    for winner, loser, path in (("A", "B", a), ("B", "A", b)):
        won = [row for row in rows if row["winner"] == winner]
        console.print(f"\n[bold]{len(won)} rows that {winner} wins[/] ({escape(path.name)}) by {metric}")
        if won:
            console.print(_table(won[:limit], winner, loser))
        if len(won) > limit:
            console.print(f"{len(won) - limit} more: raise --limit or use --json")
    both = len(expected) - len(rows)
    console.print(f"\n{both} of {len(expected)} rows are a draw or lack an answer on one side.")


def _compared(
    answer_format: AnswerFormat | None,
    gold: dict[str, GoldRow],
    given_a: dict[str, GivenRow],
    given_b: dict[str, GivenRow],
    *,
    metric: str,
) -> list[dict[str, Any]]:
    """Return the rows that are no draw, the clearest first."""
    found = []
    scored = [score_rows(answer_format, gold, given) for given in (given_a, given_b)]
    for one, other in zip(*scored, strict=True):
        value_a, value_b = one.value(metric), other.value(metric)
        if value_a is None or value_b is None or value_a == value_b:
            continue
        row = gold[one.case_id]
        text = row.reference
        if answer_format and not text:
            text = answer_format.write(row.case.gold_calls, row.case.gold_text)
        found.append(
            {
                "id": one.case_id,
                "winner": "A" if value_a > value_b else "B",
                "a": value_a,
                "b": value_b,
                "gold": text,
                "answer_a": given_a[one.case_id].text,
                "answer_b": given_b[one.case_id].text,
                "wrong_in_a": one.first_difference,
                "wrong_in_b": other.first_difference,
            }
        )
    return sorted(found, key=lambda row: -abs(row["a"] - row["b"]))


def _table(rows: list[dict[str, Any]], winner: str, loser: str) -> Table:
    table = Table("id", "gold", f"{winner} (right)", f"{loser} (wrong)", f"what is wrong in {loser}", show_lines=True)
    shown = ("id", "gold", f"answer_{winner.lower()}", f"answer_{loser.lower()}", f"wrong_in_{loser.lower()}")
    for row in rows:
        table.add_row(*(_text(row[name]) for name in shown))
    return table


def _text(foreign: str | None, length: int = 400) -> str:
    """Return what somebody else wrote as text for a terminal: no markup, no control characters, not too long."""
    text = (foreign or "").strip()
    return escape(visible(text if len(text) <= length else text[: length - 1] + "…"))
