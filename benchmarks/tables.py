"""Markdown tables on the terminal, a line as soon as it is known."""


def head(*columns: str) -> None:
    """Print a table's head."""
    line(*columns)
    print("|" + " --- |" * len(columns), flush=True)


def line(*cells: object) -> None:
    """Print one line of a table; fractions (floats) are shown in percent."""
    shown = [f"{100 * cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(f"| {' | '.join(shown)} |", flush=True)
