"""Searching everything below a folder for secrets: plain bytes, and what SQLite, Parquet, gzip and zlib hold inside."""

import base64
import contextlib
import gzip
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote


def forms(secret: str) -> set[bytes]:
    """The ways in which a secret may stand somewhere: as it is, cut, encoded for a header or an address."""
    plain = {secret, secret[:16], secret[-16:], quote(secret, safe="")}
    # In base64 of a longer text the secret starts at any of three offsets; two signs at each end depend on neighbours.
    encoded = {base64.b64encode(b" " * offset + secret.encode())[4:-4] for offset in range(3)}
    return {form.encode() for form in plain} | encoded


def leaks(folder: Path, secrets: Mapping[str, str]) -> dict[str, list[str]]:
    """Return for each file that holds one the names of the secrets in it."""
    wanted = {name: forms(secret) for name, secret in secrets.items()}
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and (names := _found_in(path, wanted)):
            found[str(path.relative_to(folder))] = names
    return found


def found_in(text: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets that stand in a text."""
    return [name for name, secret in secrets.items() if any(form in text for form in forms(secret))]


def _found_in(path: Path, wanted: Mapping[str, set[bytes]]) -> list[str]:
    names = set()
    for text in contents(path):
        names |= {name for name, some in wanted.items() if any(form in text for form in some)}
    return sorted(names)


def contents(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, and what its format hides in them."""
    raw = path.read_bytes()
    yield raw
    if raw.startswith(b"SQLite format 3"):
        yield from _rows(path)
    elif raw.startswith(b"PAR1"):
        import pandas as pd

        yield pd.read_parquet(path).to_json().encode()
    elif raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw)


def _rows(path: Path) -> Iterator[bytes]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for cell in row:
                    yield from _cell(cell)


def _cell(cell: object) -> Iterator[bytes]:
    if isinstance(cell, str):
        yield cell.encode("utf-8", "replace")
    elif isinstance(cell, bytes):
        yield cell
        with contextlib.suppress(zlib.error):
            yield zlib.decompress(cell)
