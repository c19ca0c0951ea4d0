"""Where the package's own miniature models lie."""

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "miniatures"


def path(name: str) -> Path:
    """Return the folder of a miniature."""
    return FOLDER / name


def names() -> list[str]:
    """Return the miniatures that the package carries."""
    return sorted(entry.parent.name for entry in FOLDER.glob("*/config.json"))


def problem(name: str) -> str:
    """Return what is wrong with a miniature's name, an empty text where there is one."""
    return "" if name in names() else f"there is no miniature '{name}'; the package carries {', '.join(names())}"
