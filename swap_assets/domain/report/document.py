"""The report laid out: sections of sentences, tables, plots and example rows, in the order that a decision needs.

Everything is text that is ready to be read. The forms (HTML, Markdown, terminal) only escape and arrange it, so they
cannot disagree. The parts are made in `layout_*`.
"""

from swap_assets.domain.model import Frozen


class TableView(Frozen):
    """A table; the first column names the row. `heat` shades its percentages, `folded` shows it on demand."""

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    heat: bool = False
    folded: bool = False


class ExampleView(Frozen):
    """One row to look at: who said what, as (who, text, mark) with the mark `right`, `wrong` or empty."""

    title: str
    lines: tuple[tuple[str, str, str], ...]


class ExampleGroup(Frozen):
    """Examples under one heading, for example one failure class."""

    title: str
    examples: tuple[ExampleView, ...]


class Section(Frozen):
    """One section; `plots` names the pictures that belong to it and what each shows, in words."""

    id: str
    title: str
    lead: tuple[str, ...] = ()
    plots: tuple[tuple[str, str], ...] = ()
    tables: tuple[TableView, ...] = ()
    groups: tuple[ExampleGroup, ...] = ()
    commands: tuple[str, ...] = ()


class KeyFigure(Frozen):
    """One of the few figures at the top."""

    title: str
    value: str
    note: str = ""


class Document(Frozen):
    """The whole report, ready to be written; `tone` is the verdict's kind."""

    title: str
    notices: tuple[str, ...]
    verdict: str
    how_sure: str
    next_step: str
    tone: str
    key_figures: tuple[KeyFigure, ...]
    sections: tuple[Section, ...]
    written: str
