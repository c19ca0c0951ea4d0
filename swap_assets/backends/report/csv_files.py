"""CSV that a spreadsheet can open safely: a text that it would take for a formula is written as text."""

import csv
import io

from swap_assets.domain.report.csv_tables import Cell, CsvTable
from swap_assets.domain.report.foreign import visible

# OWASP, CSV injection: these open a formula in Excel, LibreOffice and Google Sheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(table: CsvTable) -> str:
    """Return a table as CSV (RFC 4180); None is an empty cell, numbers keep all their digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(table.header)
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return stream.getvalue()


def _cell(value: Cell) -> str | float | int | None:
    if not isinstance(value, str):
        return value
    defused = f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value
    return visible(defused)
