"""Writing the report as Markdown, with everything that others wrote as text and nothing of it as markup."""

import re
from collections.abc import Iterable, Sequence

from swap_assets.domain.report.document import Document, ExampleGroup, Section, TableView
from swap_assets.domain.report.foreign import visible

# What may open emphasis, code, a link, an image, a table cell, strikethrough or mathematics.
_MARKUP = re.compile(r"([\\`*_\[\]|~$])")
# Bare addresses become links in GitHub's Markdown; a backslash before their punctuation keeps them text.
_ADDRESS = re.compile(r"(?i)(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)|(\w)(@)(?=\w)")

# What would open a heading, a list or a rule at the start of a line.
_OPENING = re.compile(r"^(\d*)([#+=.)-]+)(?=\s|$)")


def to_markdown(document: Document) -> str:
    """Return the whole report."""
    parts = [
        *[f"> {cell(notice)}" for notice in document.notices],
        f"# {cell(document.title)}",
        f"**{cell(document.verdict)}**",
        cell(document.how_sure),
        f"Decided: {cell(document.next_step)}." if document.next_step else "",
        table(
            ["key figure", "value", ""],
            [[figure.title, figure.value, figure.note] for figure in document.key_figures],
        ),
        *(part for section in document.sections for part in section_parts(section)),
        cell(document.written),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def section_parts(section: Section) -> list[str]:
    """Return a section's heading, sentences, tables, commands and examples."""
    return [
        f"## {cell(section.title)}",
        *[cell(sentence) for sentence in section.lead],
        "\n".join(f"    {visible(command, keep_lines=False)}" for command in section.commands),
        *[part for view in section.tables for part in (f"**{cell(view.caption)}**", table_of(view), cell(view.note))],
        *[part for group in section.groups for part in _group(group)],
    ]


def table_of(view: TableView) -> str:
    """Return a table of the document as Markdown."""
    return table(view.header, view.rows)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; an empty one is an empty text."""
    lines = ["| " + " | ".join(cell(str(value)) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(cell(name) for name in header) + " |", "|" + " --- |" * len(header), *lines])


def cell(text: str) -> str:
    """Return text that stays in its line and its table cell and starts no markup of its own."""
    flat = visible(" ".join(text.split("\n")), keep_lines=False).strip()
    escaped = _MARKUP.sub(r"\\\1", flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    linkless = _ADDRESS.sub(lambda found: _held(found.group(0)), escaped)
    return _OPENING.sub(lambda found: f"{found.group(1)}\\{found.group(2)}", linkless, count=1)


def _held(address: str) -> str:
    return re.sub(r"([:.@])", r"\\\1", address)


def _group(group: ExampleGroup) -> list[str]:
    parts = [f"### {cell(group.title)}"]
    for example in group.examples:
        parts.append(cell(example.title))
        parts.append(table(["who", "text", ""], example.lines))
    return parts
