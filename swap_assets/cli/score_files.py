"""The files that `score` and `diff` read: rows from anywhere, in any of the forms of `backends.datasets.files`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swap_assets.backends.datasets.files import BadLine, SourceError, read_file
from swap_assets.cli.environment import fail
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.literals import without_lone_surrogates
from swap_assets.domain.scoring.answer_files import (
    AnswerFileError,
    GivenRow,
    GoldRow,
    format_named,
    given_rows,
    gold_rows,
)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file's rows, each a JSON object; a file that can't be used ends the command with one sentence."""
    rows = []
    try:
        for number, row in enumerate(read_file(path), start=1):
            if isinstance(row, BadLine):
                raise fail(f"{path}, row {number} is no JSON ({row.problem}); give one JSON object a line")
            if not isinstance(row, dict):
                raise fail(f"{path}, row {number} is no JSON object; give one a line")
            # A lone half of a surrogate pair can be neither printed nor written again.
            rows.append(without_lone_surrogates(row))
    except SourceError as error:
        raise fail(str(error)) from None
    if not rows:
        raise fail(f"{path} holds no row; give one JSON object a line")
    return rows


@contextmanager
def _explained(where: str = "") -> Iterator[None]:
    """End the command with one sentence where rows, or the name of a format, cannot be used."""
    try:
        yield
    except AnswerFileError as error:
        raise fail(f"{where}{error}") from None


def gold_or_exit(
    path: Path, format_name: str, functions: Path | None = None
) -> tuple[AnswerFormat | None, dict[str, GoldRow]]:
    """Read gold; return how references are written, None for BFCL, and the rows by id.

    Args:
        path: the file of gold rows.
        format_name: an answer format's, or `bfcl`.
        functions: BFCL's file of questions, whose `function` joins the gold row of the same id.
    """
    with _explained():
        answer_format = format_named(format_name)
    rows = read_lines(path)
    if functions is not None:
        described = {row.get("id"): row.get("function") for row in read_lines(functions)}
        rows = [row | {"function": described.get(row.get("id"))} if "function" not in row else row for row in rows]
    with _explained(f"{path}: "):
        return answer_format, gold_rows(answer_format, rows)


def given_or_exit(path: Path) -> dict[str, GivenRow]:
    """Read predictions; rows that can't be read end the command with their ids."""
    with _explained(f"{path}: "):
        return given_rows(read_lines(path))
