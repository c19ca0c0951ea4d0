"""Which process uses which card: a lock file for each, held through the kernel for as long as its holder lives.

Dagster's pools count processes, they do not assign cards. Whoever wants cards takes all of them at once or waits in
the order of arrival, so processes that want two of four can neither block each other nor be overtaken for ever. A
holder that is killed frees its cards with its last descriptor; no process id is ever trusted.

FOLDER/mutex.lock            held for the milliseconds of one look
FOLDER/CARD.lock             held by whoever uses the card, and says who that is
FOLDER/waiting/000012.lock   held by whoever waits, with what it wants

Which cards there are is asked of `nvidia-smi` (`backends.hardware`); what runs on them is not known here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swap_assets.backends.processes.hardware import VISIBLE, visible_cards
from swap_assets.backends.processes.reporting import duration

# Set in a process whose cards are leased, and inherited: the processes that it starts take no lease of their own.
LEASED = "SWAP_GPU_LEASE"
FOLDER = "SWAP_GPU_LEASES"
WAIT = "SWAP_GPU_WAIT_S"
_LONGEST_WAIT_S = 24 * 3600.0
_LOOK_EVERY_S = 0.5
_SAY_EVERY_S = 60.0


class LeaseError(RuntimeError):
    """Cards cannot be had; the message is one sentence that says what to do."""


class Lease:
    """Cards that are this process's own until `release`, or until it and whoever has its `descriptors` are gone."""

    def __init__(self, cards: Sequence[str], descriptors: Sequence[int], environment: Mapping[str, str]) -> None:
        self.cards = tuple(cards)
        self.descriptors = tuple(descriptors)
        self.environment = dict(environment)

    def release(self) -> None:
        """Give the cards back. Closing, not unlocking: a child that inherited a descriptor keeps its card."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = ()


@contextlib.contextmanager
def leased(wanted: int, *, what: str, say: Callable[[str], None] = print) -> Iterator[Lease]:
    """Lease cards for as long as the block runs; its `environment` is for the process that is to see them alone.

    Without any card on this machine, or where a parent holds the lease already, nothing is leased and the environment
    is empty: CUDA_VISIBLE_DEVICES stays as it is. Who wants none sees none.

    Args:
        wanted: How many cards, 0 or more.
        what: Who takes them, for the lines of those who wait.
        say: Takes the lines of waiting.

    Raises:
        LeaseError: the machine has fewer cards, or they were not free within SWAP_GPU_WAIT_S seconds (a day).
    """
    cards = () if os.environ.get(LEASED) is not None else visible_cards()
    if not cards:
        yield Lease((), (), {})
        return
    lease = CardPool(cards, lease_folder()).acquire(wanted, what=what, say=say, within_s=_longest_wait())
    try:
        yield lease
    finally:
        lease.release()


def lease_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the lock files lie: one folder a machine and user, since all experiments share the cards.

    Not below TMPDIR, which may differ from process to process; /tmp is cleaned of what is ten days old.

    Raises:
        LeaseError: the folder cannot be made or belongs to somebody else.
    """
    path = Path(environment.get(FOLDER) or f"/var/tmp/swap-assets-cards-{os.getuid()}")
    try:
        (path / "waiting").mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise LeaseError(f"the folder {path} for GPU leases cannot be used ({error.strerror}); set {FOLDER}") from None
    if environment.get(FOLDER) is None and (found.st_uid != os.getuid() or stat.S_ISLNK(found.st_mode)):
        raise LeaseError(f"the folder {path} for GPU leases belongs to somebody else; set {FOLDER} to one of your own")
    return path


class CardPool:
    """Cards that processes share through lock files in a folder."""

    def __init__(self, cards: Sequence[str], folder: Path) -> None:
        self.cards = tuple(cards)
        self._folder = folder

    def acquire(
        self,
        wanted: int,
        *,
        what: str,
        say: Callable[[str], None] = print,
        within_s: float = _LONGEST_WAIT_S,
        every_s: float = _LOOK_EVERY_S,
    ) -> Lease:
        """Take `wanted` cards at once, waiting in order of arrival for up to `within_s` seconds.

        Raises:
            LeaseError: more cards are wanted than there are, or they were not free in time.
        """
        if wanted > len(self.cards):
            raise LeaseError(
                f"{what} wants {wanted} GPUs and this machine lets it use {len(self.cards)}; lower `gpus` of its model"
            )
        if wanted == 0:
            return Lease((), (), {VISIBLE: "", LEASED: ""})
        place = _Place(self._folder, self.cards, wanted=wanted, what=what)
        end, said = time.monotonic() + within_s, _Said(say)
        try:
            while (held := place.try_to_take()) is None:
                left = end - time.monotonic()
                if left <= 0:
                    raise LeaseError(
                        f"{what} waited {duration(within_s)} {place.waits_for}; "
                        f"start it again when they are free, or raise {WAIT}"
                    )
                said.line(f"waiting {place.waits_for}")
                time.sleep(min(every_s, left))
        finally:
            place.leave()
        names = ",".join(held)
        return Lease(tuple(held), tuple(held.values()), {VISIBLE: names, LEASED: names})


class _Place:
    """A place in the queue of those who wait, and what is seen from there."""

    def __init__(self, folder: Path, cards: Sequence[str], *, wanted: int, what: str) -> None:
        self._folder, self._cards, self._wanted = folder, cards, wanted
        self._who = {"what": what, "pid": os.getpid(), "cards": list(cards), "wanted": wanted}
        self._ticket: tuple[Path, int] | None = None
        self._ahead, self._holders = 0, ["others"]

    @property
    def waits_for(self) -> str:
        """What is waited for, and for whom."""
        ahead = f", {self._ahead} before it in the queue" if self._ahead else ""
        return f"for {self._wanted} of {len(self._cards)} cards, held by {' and '.join(self._holders)}{ahead}"

    def try_to_take(self) -> dict[str, int] | None:
        """Return all the wanted cards with their descriptors where it is this one's turn, else nothing."""
        mutex = _lock_soon(self._folder / "mutex.lock")
        if mutex is None:
            return None
        try:
            if self._ticket is None:
                self._ticket = self._join()
            self._ahead = self._count_ahead(self._ticket[0])
            held = self._lock_free_cards()
            if self._ahead == 0 and len(held) >= self._wanted:
                return self._keep(held)
            for descriptor in held.values():
                os.close(descriptor)
            return None
        finally:
            os.close(mutex)

    def leave(self) -> None:
        """Give up the place; a place whose owner dies is cleared away by whoever comes next."""
        if self._ticket:
            path, descriptor = self._ticket
            path.unlink(missing_ok=True)
            os.close(descriptor)
            self._ticket = None

    def _join(self) -> tuple[Path, int]:
        last = max((int(path.stem) for path in self._tickets()), default=0)
        path = self._folder / "waiting" / f"{last + 1:06}.lock"
        descriptor = _try_lock(path)
        assert descriptor is not None, "the mutex is held, so nobody else makes places"
        _write(descriptor, self._who)
        return path, descriptor

    def _count_ahead(self, own: Path) -> int:
        ahead = 0
        for path in self._tickets():
            if int(path.stem) >= int(own.stem):
                continue
            abandoned = _try_lock(path)
            if abandoned is not None:
                path.unlink(missing_ok=True)
                os.close(abandoned)
            elif set(_read(path).get("cards", self._cards)) & set(self._cards):
                ahead += 1
        return ahead

    def _lock_free_cards(self) -> dict[str, int]:
        found = {card: _try_lock(self._folder / f"{_file_name(card)}.lock") for card in self._cards}
        taken = [_read(self._folder / f"{_file_name(card)}.lock") for card, lock in found.items() if lock is None]
        names = [f"{who.get('what', 'somebody')} (process {who.get('pid', 'unknown')})" for who in taken]
        self._holders = sorted(set(names)) or ["nobody"]
        return {card: lock for card, lock in found.items() if lock is not None}

    def _keep(self, held: dict[str, int]) -> dict[str, int]:
        kept = dict(list(held.items())[: self._wanted])
        for card, descriptor in held.items():
            if card in kept:
                _write(descriptor, self._who)
            else:
                os.close(descriptor)
        return kept

    def _tickets(self) -> list[Path]:
        return sorted((self._folder / "waiting").glob("*.lock"), key=lambda path: int(path.stem))


class _Said:
    """Says a line when it changes, and again each minute."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._last, self._at = say, "", 0.0

    def line(self, text: str) -> None:
        if text != self._last or time.monotonic() - self._at >= _SAY_EVERY_S:
            self._last, self._at = text, time.monotonic()
            self._say(text)


def _try_lock(path: Path) -> int | None:
    """Lock a file, made where it is missing, and return its descriptor; None where somebody else has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # A file that was removed between opening and locking is nobody's lock any more.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        os.close(descriptor)


def _lock_soon(path: Path, *, within_s: float = 1.0) -> int | None:
    """Lock a file that others hold for moments only; None where one of them was stopped while it did."""
    end = time.monotonic() + within_s
    while (descriptor := _try_lock(path)) is None and time.monotonic() < end:
        time.sleep(0.005)
    return descriptor


def _write(descriptor: int, who: Mapping[str, Any]) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(who).encode(), 0)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _file_name(card: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in card)


def _longest_wait() -> float:
    text = os.environ.get(WAIT) or str(_LONGEST_WAIT_S)
    try:
        return float(text)
    except ValueError:
        raise LeaseError(f"{WAIT} is '{text}'; give a number of seconds") from None
