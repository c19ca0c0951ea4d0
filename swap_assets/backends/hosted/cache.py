"""The answers that were paid for: one SQLite file an experiment, shared by every process that asks, and a journal.

A row is first a claim (owner, what it may cost) and then an answer. An owner is a process that holds a lock file; the
system frees the lock when the process dies, however it dies, and then anybody may take its claims over. So no request
is made twice at once, and a kill loses the requests under way and nothing else. Keys are hashes; no secret is written.

An answer is a sealed line, in its row and in the journal `answers.jsonl` beside it. Opening compares the two: what is
damaged or lost in one of them is taken from the other, and an answer that is damaged in both is asked for again.
The file has to lie on a disk of this machine: SQLite's write-ahead log does not work over a network.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from swap_assets.backends.hosted.clients import HostedError
from swap_assets.backends.hosted.messages import Reply
from swap_assets.backends.store.whole import SEALED, full_disk, private_folder, seal, unsealed
from swap_assets.domain.experiment.entries import Budget
from swap_assets.domain.model import Frozen

_TABLE = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL; -- the journal is what a power cut must leave
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, model TEXT NOT NULL, epoch TEXT NOT NULL,
  owner TEXT, reply TEXT, money REAL NOT NULL, tokens INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_epoch ON answers (model, epoch);
"""
# SQLite's codes of files that it can't read, or whose tables have other columns.
_DAMAGE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PATIENCE_S = 30.0  # for another process' transaction, each of which takes a few milliseconds


# Key, model, epoch, owner, sealed line, money, tokens.
_Row = tuple[Any, ...]


class CacheError(HostedError):
    """The cache cannot be used; the message is one sentence that says what to do."""


class Spend(Frozen):
    """Money in the experiment's currency and tokens, of one answer or of many."""

    money: float = 0.0
    tokens: int = 0

    def __add__(self, other: Spend) -> Spend:
        return Spend(money=self.money + other.money, tokens=self.tokens + other.tokens)

    def within(self, budget: Budget) -> bool:
        """Whether this is no more than a budget."""
        money_fits = budget.money is None or self.money <= budget.money + 1e-9
        return money_fits and (budget.tokens is None or self.tokens <= budget.tokens)


class Claim(Enum):
    """What came of claiming a request: it is ours to make, somebody else is making it, or the budget has no room."""

    OURS = "ours"
    BUSY = "busy"
    RESERVED = "reserved"
    SPENT = "spent"


class _Kept(Frozen):
    """What an answer is kept as; an attempt that was charged and gave none has no reply."""

    key: str
    model: str
    epoch: str
    money: float
    tokens: int
    reply: Reply | None

    @property
    def row(self) -> _Row:
        """The columns of its row."""
        return self.key, self.model, self.epoch, None, seal(self.model_dump_json()), self.money, self.tokens


class AnswerCache:
    """The answers of one experiment, for one thread, as a context; `told` says what was found damaged."""

    def __init__(self, path: Path) -> None:
        self.path, self._owner, self.told = path, uuid.uuid4().hex, ""
        self._owners, self._journal = path.with_name(path.name + ".owners"), path.with_suffix(".jsonl")
        self._lock = FileLock(self._owners / self._owner, thread_local=False)

    def __enter__(self) -> AnswerCache:
        try:
            with self._explained():
                private_folder(self._owners)
                self._lock.acquire()
                self._open_or_set_aside()
        except BaseException:
            self._free_lock()
            raise
        return self

    def _open_or_set_aside(self) -> None:
        try:
            self._open()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes what it can't read
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _DAMAGE:
                raise
            self._set_aside()
            self._open()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(sqlite3.Error):  # on a full disk: whoever comes next forgets the claims of the dead
            self._base.execute("DELETE FROM answers WHERE owner = ?", (self._owner,))
        self._base.close()
        self._free_lock()

    def _open(self) -> None:
        for path in (self.path, self._journal):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._base = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
        self._base.text_factory = lambda raw: raw.decode("utf-8", "replace")
        self._base.executescript(_TABLE)
        self._forget_the_dead()
        if (found := self._base.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        with self._transaction():
            self._compare_with_journal()

    def _compare_with_journal(self) -> None:
        """Take from the journal what is damaged or gone, and add to it what it lacks (of earlier versions, of cuts)."""
        good: dict[str, _Row] = {}
        bad, written = set[str](), set[str]()
        asked = "SELECT key, model, epoch, owner, reply, money, tokens FROM answers WHERE reply IS NOT NULL"
        for row in self._base.execute(asked).fetchall():
            if found := row if _row_of(row[4]) == row else _of_earlier_version(row):
                good[row[0]] = found
            else:
                bad.add(row[0])
        for line in self._journal.read_text(encoding="utf-8", errors="replace").split("\n"):
            if row := _row_of(line):
                written.add(row[0])
                if row[0] not in good:
                    good[row[0]] = self._put(row)
        self._base.executemany("DELETE FROM answers WHERE key = ?", [(key,) for key in bad - set(good)])
        for key in set(good) - written:
            self._append(self._put(good[key]))
        if lost := len(bad - set(good)):
            self.told = f"{lost} of {len(good) + lost} answers in {self.path} are damaged and are asked for again"

    def _set_aside(self) -> None:
        """Take a file that SQLite can't read out of the way: its answers are in the journal."""
        self._base.close()
        others = [path.name for path in self._owners.iterdir() if path.name != self._owner]
        if any(map(self._alive, others)):
            raise CacheError(f"{self.path} is damaged and in use: end the other runs, then start again")
        self.path.replace(self.path.with_suffix(".damaged"))
        self.told = f"{self.path} was damaged, and is made anew from {self._journal.name}"
        for ending in ("-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    def find(self, keys: Iterable[str]) -> dict[str, Reply]:
        """Return the answers that are there, by key."""
        with self._explained():
            asked = "SELECT reply FROM answers WHERE key = ? AND reply IS NOT NULL"
            rows = {key: self._base.execute(asked, (key,)).fetchone() for key in keys}
        return {key: reply for key, row in rows.items() if row and (reply := _reply_in(row[0]))}

    def claim(self, key: str, *, model: str, epoch: str, at_most: Spend, budget: Budget) -> Claim | Reply:
        """Claim a request, or return its answer where there is one.

        `at_most`, which it may take, is reserved in the budget of the model's epoch together with the claim, until the
        answer is kept: so several processes keep one budget.
        """
        with self._explained(), self._transaction():
            row = self._base.execute("SELECT owner, reply FROM answers WHERE key = ?", (key,)).fetchone()
            if row and (reply := _reply_in(row[1])):
                return reply
            if row and self._alive(row[0]):
                return Claim.BUSY
            if (room := self._room(model, epoch, at_most, budget)) is not None:
                return room
            self._base.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, NULL, ?, ?)",
                (key, model, epoch, self._owner, at_most.money, at_most.tokens),
            )
            return Claim.OURS

    def keep(self, key: str, reply: Reply | None, took: Spend, *, model: str, epoch: str) -> None:
        """Keep the answer to a request that is ours; without one, what was charged for it under a key of its own."""
        kept = _Kept(key=key, model=model, epoch=epoch, money=took.money, tokens=took.tokens, reply=reply)
        with self._explained(), self._transaction():
            self._append(self._put(kept.row))

    def release(self, key: str) -> None:
        """Give a claim of ours back without an answer; nothing where it was answered."""
        with contextlib.suppress(sqlite3.Error):
            self._base.execute("DELETE FROM answers WHERE key = ? AND owner = ?", (key, self._owner))

    def spent(self, model: str, epoch: str) -> Spend:
        """Return what the answers of a model in one epoch took."""
        return self._sum(model, epoch, "reply IS NOT NULL")

    def _room(self, model: str, epoch: str, at_most: Spend, budget: Budget) -> Claim | None:
        if budget.money is None and budget.tokens is None:
            return None
        if not (self.spent(model, epoch) + at_most).within(budget):
            return Claim.SPENT
        # Requests under way reserve more than most of them take: there may be room again when they are answered.
        return None if (self._sum(model, epoch, "1") + at_most).within(budget) else Claim.RESERVED

    def _sum(self, model: str, epoch: str, which: str) -> Spend:
        asked = f"SELECT TOTAL(money), TOTAL(tokens) FROM answers WHERE model = ? AND epoch = ? AND {which}"
        money, tokens = self._base.execute(asked, (model, epoch)).fetchone()
        return Spend(money=money, tokens=int(tokens))

    def _put(self, row: _Row) -> _Row:
        self._base.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return row

    def _append(self, row: _Row) -> None:
        """Write a line onto the disk; a transaction is open, so that one process at a time does."""
        with self._journal.open("rb+") as stream:
            end = stream.seek(0, os.SEEK_END)
            torn = end and (stream.seek(end - 1), stream.read(1))[1] != b"\n"
            stream.write(b"\n" * bool(torn) + row[4].encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _forget_the_dead(self) -> None:
        with self._transaction():
            owners = self._base.execute("SELECT DISTINCT owner FROM answers WHERE owner IS NOT NULL").fetchall()
            for (owner,) in owners:
                if not self._alive(owner):
                    self._base.execute("DELETE FROM answers WHERE owner = ?", (owner,))

    def _alive(self, owner: str) -> bool:
        if owner == self._owner:
            return True
        try:
            with FileLock(self._owners / owner, blocking=False):
                (self._owners / owner).unlink(missing_ok=True)
        except Timeout:
            return True
        return False

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        with self._base:  # commits, or rolls back what failed
            yield

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            told = f"the cache of answers {self.path} cannot be used ({error}): move it away, its answers are read back"
            raise CacheError(full_disk(error, self.path.parent) or f"{told} from {self._journal.name}") from None

    def _free_lock(self) -> None:
        if self._lock.is_locked:
            (self._owners / self._owner).unlink(missing_ok=True)
            self._lock.release()


def _reply_in(line: str | None) -> Reply | None:
    """Return the answer in a sealed line, None where there is none or it is damaged."""
    with contextlib.suppress(ValidationError):
        return _Kept.model_validate_json(unsealed((line or "").encode()) or b"").reply
    return None


def _row_of(line: str) -> _Row | None:
    """Return the columns that a sealed line stands for, None where it is damaged; its reply is not parsed."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        found = json.loads(unsealed(line.encode()) or b"")
        if line.startswith(SEALED):
            return found["key"], found["model"], found["epoch"], None, line, found["money"], found["tokens"]
    return None


def _of_earlier_version(row: _Row) -> _Row | None:
    """Return a row with its seal whose answer has none, None where it is no answer."""
    key, model, epoch, _, reply, money, tokens = row
    with contextlib.suppress(ValidationError):
        read = Reply.model_validate_json(reply)
        return _Kept(key=key, model=model, epoch=epoch, money=money, tokens=tokens, reply=read).row
    return None
