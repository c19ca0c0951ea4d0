"""Where the package's own miniature models lie. A name with a slash is a folder of one's own."""

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "miniatures"


def path(name: str) -> Path:
    """Return the absolute folder of a miniature."""
    return Path(name).expanduser().absolute() if "/" in name else FOLDER / name


def names() -> list[str]:
    """Return the miniatures that the package carries."""
    return sorted(entry.parent.name for entry in FOLDER.glob("*/config.json"))


def problem(name: str) -> str:
    """Return what is wrong with a miniature's name, an empty text where there is one."""
    if (path(name) / "config.json").exists():
        return ""
    return f"there is no miniature '{name}'; the package carries {', '.join(names()) or 'none'}"
