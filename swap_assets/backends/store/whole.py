"""Files that are written whole or not at all, for their owner alone, with a seal that damage breaks.

    {"seal":"0c4f7a1e9b22d310","candidate_id": ...}     a JSON object: its first member is the hash of all that follows
    seal: 0c4f7a1e9b22d310                              in Parquet's footer: of the file with zeros in the seal's place

A seal is 16 hex digits of a SHA-256, which takes 0.6 ms a megabyte and sees every flipped bit; Parquet's own page
checksums take longer (60 ms on 1 MB of packed rows) and do not cover the footer. Files of earlier versions have none
and are read as they are. Folders are made for their owner alone (0700), and so are files (0600), whatever the umask.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Read = TypeVar("Read")
SEALED = '{"seal":"'
_DIGITS = 16
_IN_PARQUET, _ZEROS = b"\x04seal\x18\x10", b"0" * _DIGITS  # as Thrift writes a key of 4 letters and a value of 16
# What libraries say where they keep the system's number to themselves.
_LITTLE = 1_000_000  # bytes
_FULL = ("no space left", "disk quota exceeded", "disk is full", "os error 28")


class UnreadableError(ValueError):
    """A file cannot be understood; the message is one sentence that names it and says how to make it again."""


class DamagedError(UnreadableError):
    """A file does not hold what was written into it."""


def seal(text: str) -> str:
    """Return the text of a JSON object with its seal in front; an object has a member at least."""
    return f'{SEALED}{_hash(text[1:].encode("utf-8", "surrogatepass"))}",{text[1:]}'


def unsealed(raw: bytes) -> bytes | None:
    """Return a JSON object without its seal, None where that does not fit; what has no seal is returned as it is."""
    if not raw.startswith(SEALED.encode()):
        return raw
    at = len(SEALED)
    body = raw[at + _DIGITS + 2 :]
    return b"{" + body if raw[at : at + _DIGITS] == _hash(body).encode() else None


def seal_parquet(raw: bytes) -> bytes:
    """Return a Parquet file, written with `BLANK_SEAL` as its metadata, with its seal."""
    at = raw.rindex(_IN_PARQUET) + len(_IN_PARQUET)
    return raw[:at] + _hash(raw).encode() + raw[at + _DIGITS :]


BLANK_SEAL = {"seal": _ZEROS.decode()}


def parquet_is_whole(raw: bytes) -> bool | None:
    """Say whether a Parquet file's seal fits, None where it has none."""
    if (found := raw.rfind(_IN_PARQUET)) < 0:
        return None
    at = found + len(_IN_PARQUET)
    return raw[at : at + _DIGITS] == _hash(raw[:at] + _ZEROS + raw[at + _DIGITS :]).encode()


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:_DIGITS]


def write_json(path: Path, value: BaseModel) -> Path:
    """Write a value as sealed JSON and return the path."""
    return write_text(path, seal(value.model_dump_json(indent=1) + "\n"))


def read_json(path: Path, parse: Callable[[bytes], Read], *, again: str) -> Read:
    """Read a value that `parse` understands; `again` says how to make it again.

    DamagedError where the seal does not fit, UnreadableError where it does and the value is another version's; an
    OSError where the file cannot be read.
    """
    return parse_json(path.read_bytes(), path, parse, again=again)


def parse_json(raw: bytes, path: Path, parse: Callable[[bytes], Read], *, again: str) -> Read:
    """Read a value out of the bytes of a file; see `read_json`."""
    if (whole := unsealed(raw)) is None:
        raise DamagedError(f"{path} is damaged: it does not hold what was written there; {again}")
    try:
        return parse(whole)
    except ValidationError:
        raise UnreadableError(
            f"{path} is not as this version writes it: damaged, changed by hand or made by another version; {again}"
        ) from None


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole and return its path."""
    return write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_bytes(path: Path, raw: bytes) -> Path:
    """Write a file under another name, onto the disk, and rename it: a reader meets the old one or the new one."""
    private_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(handle)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for its owner alone."""
    for folder in reversed((path, *path.parents)):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    return path


@contextlib.contextmanager
def whole_folder(final: Path) -> Iterator[Path]:
    """Give a folder to fill that then takes the place of `final`: a reader meets the whole new one or the old one."""
    unfinished = final.with_name(final.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        yield private_folder(unfinished)
        for path in unfinished.rglob("*"):
            sync(path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)  # a disk that is full has room again
        raise
    shutil.rmtree(final, ignore_errors=True)
    unfinished.rename(final)


def require_room(folder: Path) -> None:
    """Make sure that a megabyte is free where a folder lies; an OSError as of a full disk where it is not."""
    if shutil.disk_usage(folder).free < _LITTLE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def sync(path: Path) -> None:
    """Have the system put a file or folder onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def full_disk(error: BaseException | None, folder: Path) -> str:
    """Say in a sentence that an error came of a full disk, "" where it did not; `folder` is where the work lay."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        number, named = getattr(error, "errno", None), getattr(error, "filename", None)
        code = getattr(error, "sqlite_errorcode", None)
        said = str(error).lower() if isinstance(error, Exception) else ""
        # SQLite may say no more than that of its log.
        silent = "disk i/o error" in said and folder.exists() and shutil.disk_usage(folder).free < _LITTLE
        signs = any(sign in said for sign in _FULL)
        if number in (errno.ENOSPC, errno.EDQUOT) or code == sqlite3.SQLITE_FULL or signs or silent:
            where = Path(os.fsdecode(named)).parent if isinstance(named, str | bytes) else folder
            return f"no space is left on the disk of {where}: make room there and start again, what was done is kept"
        error = error.__cause__ or error.__context__
    return ""
