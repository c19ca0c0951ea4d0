"""A table, a section, and the one place where they become Markdown, CSV and lines on a terminal.

A table is a pandas frame with a caption. For people its cells are text that is ready to be read; for a spreadsheet they
are numbers at full precision. Whatever others wrote stays text in every form: nothing in it opens markup, moves a
cursor or starts a formula. What stands in which table is said in `layout`, `evidence` and `cost`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swap_assets.domain.report.wording import ABSENT, visible

if TYPE_CHECKING:
    from rich.table import Table as TerminalTable

# A pandas frame. Pandas' own types say of every selection that it may be a frame, a column or an array.
Frame = Any
Rows = Iterable[Sequence[Any]]
HEAT_STEPS = 5  # classes heat-0 to heat-5 of the style sheet
# What may open emphasis, code, a link, an image, a table cell, strikethrough or mathematics.
_MARKUP = re.compile(r"([\\`*_\[\]|~$])")
# Bare addresses become links in GitHub's Markdown; a backslash before their punctuation keeps them text.
_ADDRESS = re.compile(r"(?i)(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)|(\w)(@)(?=\w)")
# What would open a heading, a list or a rule at the start of a line.
_OPENING = re.compile(r"^(\d*)([#+=.)-]+)(?=\s|$)")
# OWASP, CSV injection: these open a formula in Excel, LibreOffice and Google Sheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARKS = {"✓ ": "mark good", "✗ ": "mark bad", "? ": "mark open"}
_SIGNED = {f"{sign}{digit}" for sign in "+-−" for digit in range(10)}


@dataclass(frozen=True, eq=False)
class Table:
    """A frame whose first column names the row; `heat` shades its percentages, `folded` shows it on demand."""

    name: str
    caption: str
    frame: Frame
    note: str = ""
    heat: bool = False
    folded: bool = False

    @property
    def header(self) -> list[str]:
        """The names of the columns."""
        return list(self.frame.columns)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells as texts, row by row."""
        return [tuple(map(str, row)) for row in self.frame.itertuples(index=False, name=None)]


@dataclass(frozen=True, eq=False)
class Group:
    """Tables of (who, text, mark) under one heading, for example the rows of one failure class."""

    title: str
    tables: tuple[Table, ...]


@dataclass(frozen=True, eq=False)
class Section:
    """One section of the report; `plots` names the pictures that belong to it and what each shows, in words."""

    id: str
    title: str
    lead: tuple[str, ...] = ()
    plots: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    groups: tuple[Group, ...] = ()
    commands: tuple[str, ...] = ()


def section(
    name: str, title: str, *tables: Table, lead: Sequence[str] = (), plots: Sequence[tuple[str, str]] = (),
    groups: Sequence[Group] = (), commands: Sequence[str] = (),
) -> Section:  # fmt: skip
    """Return a section with those of its tables that have rows."""
    return Section(name, title, lead=tuple(lead), plots=tuple(plots), groups=tuple(groups), commands=tuple(commands),
                   tables=tuple(table for table in tables if len(table.frame)))  # fmt: skip


def frame(header: Sequence[str], rows: Rows) -> Frame:
    """Return rows as a frame whose cells stay as they are: None is no NaN, and a number keeps its digits."""
    import pandas as pd

    return pd.DataFrame(list(map(tuple, rows)), columns=list(header), dtype=object)


def cell_class(text: str, *, heat: bool = False) -> str:
    """Return the classes of a table cell: figures right-aligned, verdicts marked, shades in a heat map."""
    if text == ABSENT or text.startswith(f"{ABSENT}:"):
        return "absent"
    if heat and text.isdigit():
        return f"figure heat-{min(HEAT_STEPS, int(text) * HEAT_STEPS // 100)}"
    if text[:2] in _MARKS:
        return _MARKS[text[:2]]
    return "figure" if text[:1].isdigit() or text[:2] in _SIGNED else "words" if len(text) > 40 else ""


def markdown_parts(section: Section) -> list[str]:
    """Return a section's heading, sentences, commands, tables and examples as Markdown, part by part."""
    parts = [f"## {cell(section.title)}", *map(cell, section.lead)]
    parts.append("\n".join(f"    {visible(command, keep_lines=False)}" for command in section.commands))
    for table in section.tables:
        parts += [f"**{cell(table.caption)}**", markdown_table(table.header, table.rows), cell(table.note)]
    for group in section.groups:
        parts.append(f"### {cell(group.title)}")
        for table in group.tables:
            parts += [cell(table.caption), markdown_table(table.header, table.rows)]
    return parts


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """Return a Markdown table; an empty one is an empty text."""
    lines = ["| " + " | ".join(cell(str(value)) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(map(cell, header)) + " |", "|" + " --- |" * len(header), *lines])


def cell(text: str) -> str:
    """Return text that stays in its line and its Markdown cell and starts no markup of its own."""
    flat = visible(" ".join(text.split("\n")), keep_lines=False).strip()
    escaped = _MARKUP.sub(r"\\\1", flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    linkless = _ADDRESS.sub(lambda found: re.sub(r"([:.@])", r"\\\1", found.group(0)), escaped)
    return _OPENING.sub(lambda found: f"{found.group(1)}\\{found.group(2)}", linkless, count=1)


def csv(found: Frame) -> str:
    """Return a frame as CSV (RFC 4180) that a spreadsheet opens safely; None is an empty cell, numbers keep digits."""
    # Made anew: pandas would turn a column of whole numbers with a gap into fractions.
    rows = (tuple(map(_defused, row)) for row in found.itertuples(index=False, name=None))
    return frame(list(found.columns), rows).to_csv(index=False, lineterminator="\r\n")


def _defused(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return visible(f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value)


def terminal(table: Table) -> "TerminalTable":
    """Return a table for rich's console; markup of the texts shows as it stands."""
    from rich.table import Table as TerminalTable

    made = TerminalTable(title=terminal_text(table.caption), title_justify="left")
    for place, name in enumerate(table.header):
        made.add_column(terminal_text(name), justify="left" if place == 0 else "right")
    for row in table.rows:
        made.add_row(*map(terminal_text, row))
    return made


def terminal_text(text: str) -> str:
    """Return text that can neither colour the terminal nor move its cursor."""
    from rich.markup import escape

    return escape(visible(text, keep_lines=False))
