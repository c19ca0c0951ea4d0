"""The files that `score` and `diff` read: JSON lines, gzipped or not, from anywhere."""

import gzip
import json
from pathlib import Path
from typing import Any

from swap_assets.cli.environment import fail
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.literals import without_lone_surrogates
from swap_assets.domain.scoring.outside import (
    GivenRow,
    GoldRow,
    OutsideError,
    format_named,
    given_rows,
    gold_rows,
)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read one JSON object a line; a file that can't be used ends the command with one sentence."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise fail(f"{path} cannot be read ({error}); give a file of JSON lines") from None
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines(): JSON strings may hold U+2028
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise fail(f"{path}, line {number} is no JSON ({error}); give one JSON object a line") from None
        if not isinstance(row, dict):
            raise fail(f"{path}, line {number} is no JSON object; give one a line")
        # A lone half of a surrogate pair can be neither printed nor written again.
        rows.append(without_lone_surrogates(row) if "\\u" in line else row)
    if not rows:
        raise fail(f"{path} holds no row")
    return rows


def format_or_exit(name: str) -> AnswerFormat | None:
    """Return a answer format by its name, None for `bfcl`; another name ends the command with one sentence."""
    try:
        return format_named(name)
    except OutsideError as error:
        raise fail(str(error)) from None


def gold_or_exit(path: Path, answer_format: AnswerFormat | None, functions: Path | None = None) -> dict[str, GoldRow]:
    """Read gold; rows that can't be read end the command with their ids.

    Args:
        path: the file of gold rows.
        answer format: how references are written, None for BFCL.
        functions: BFCL's file of questions, whose `function` joins the gold row of the same id.
    """
    rows = read_lines(path)
    if functions is not None:
        described = {row.get("id"): row.get("function") for row in read_lines(functions)}
        rows = [row | {"function": described.get(row.get("id"))} if "function" not in row else row for row in rows]
    try:
        return gold_rows(answer_format, rows)
    except OutsideError as error:
        raise fail(f"{path}: {error}") from None


def given_or_exit(path: Path) -> dict[str, GivenRow]:
    """Read predictions; rows that can't be read end the command with their ids."""
    try:
        return given_rows(read_lines(path))
    except OutsideError as error:
        raise fail(f"{path}: {error}") from None
