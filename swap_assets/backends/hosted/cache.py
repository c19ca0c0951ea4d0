"""The answers that were paid for: one SQLite file an experiment, shared by every process that asks.

A row is first a claim (owner, what it may cost) and then an answer. An owner is a process that holds a lock file; the
system frees the lock when the process dies, however it dies, and then anybody may take its claims over. So no request
is made twice at once, and a kill loses the requests under way and nothing else. Keys are hashes; no secret is written.
The file has to lie on a disk of this machine: SQLite's write-ahead log does not work over a network.
"""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path

from filelock import FileLock, Timeout

from swap_assets.backends.hosted.messages import Reply
from swap_assets.domain.experiment.entries import Budget
from swap_assets.domain.model import Frozen

_TABLE = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, model TEXT NOT NULL, epoch TEXT NOT NULL,
  owner TEXT, reply TEXT, money REAL NOT NULL, tokens INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_epoch ON answers (model, epoch);
"""
_PATIENCE_S = 30.0  # for another process' transaction, each of which takes a few milliseconds


class CacheError(RuntimeError):
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


class AnswerCache:
    """The answers of one experiment; use it as a context, which frees its claims at the end.

    One connection, for one thread.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._owner = path, uuid.uuid4().hex
        self._owners = path.with_name(path.name + ".owners")
        self._lock = FileLock(self._owners / self._owner, thread_local=False)

    def __enter__(self) -> AnswerCache:
        try:
            self._owners.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._base = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
            self._base.executescript(_TABLE)
            self._forget_the_dead()
        except (sqlite3.Error, OSError) as error:
            self._free_lock()
            raise CacheError(f"the cache of answers {self.path} cannot be used ({error}); move it away") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._base.execute("DELETE FROM answers WHERE owner = ?", (self._owner,))
        self._base.close()
        self._free_lock()

    def find(self, keys: Iterable[str]) -> dict[str, Reply]:
        """Return the answers that are there, by key."""
        asked = "SELECT reply FROM answers WHERE key = ? AND reply IS NOT NULL"
        rows = {key: self._base.execute(asked, (key,)).fetchone() for key in keys}
        return {key: Reply.model_validate_json(row[0]) for key, row in rows.items() if row}

    def claim(self, key: str, *, model: str, epoch: str, at_most: Spend, budget: Budget) -> Claim | Reply:
        """Claim a request, or return its answer where there is one.

        `at_most`, which it may take, is reserved in the budget of the model's epoch together with the claim, until the
        answer is kept: so several processes keep one budget.
        """
        with self._transaction():
            row = self._base.execute("SELECT owner, reply FROM answers WHERE key = ?", (key,)).fetchone()
            if row and row[1]:
                return Reply.model_validate_json(row[1])
            if row and self._alive(row[0]):
                return Claim.BUSY
            if (room := self._room(model, epoch, at_most, budget)) is not None:
                return room
            self._base.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, NULL, ?, ?)",
                (key, model, epoch, self._owner, at_most.money, at_most.tokens),
            )
            return Claim.OURS

    def keep(self, key: str, reply: Reply, took: Spend) -> None:
        """Keep the answer to a request that is ours."""
        self._base.execute(
            "UPDATE answers SET owner = NULL, reply = ?, money = ?, tokens = ? WHERE key = ?",
            (reply.model_dump_json(), took.money, took.tokens, key),
        )

    def release(self, key: str) -> None:
        """Give a claim of ours back without an answer; nothing where it was answered."""
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

    def _free_lock(self) -> None:
        if self._lock.is_locked:
            (self._owners / self._owner).unlink(missing_ok=True)
            self._lock.release()
