"""Which process uses which card: claims in order of arrival, each held by the kernel for as long as its owner lives.

Dagster's pools count processes, they do not assign cards. Whoever wants cards takes all of them at once or waits in
the order of arrival, so processes that want two of four can neither block each other nor be overtaken for ever. An
owner that is killed frees its cards with its lock; no process id is ever trusted. The locks are filelock's, which has
no queue and cannot take several locks at once or none: that is what is here.

FOLDER/claims.json    who has which cards and who waits for how many; looked at under `claims.lock`, for milliseconds
FOLDER/000012.lock    held by the process of claim 12

Which cards there are is asked of `nvidia-smi` (`hardware`); what runs on them is not known here.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from swap_assets.backends.processes.hardware import VISIBLE, visible_cards
from swap_assets.backends.processes.reporting import duration
from swap_assets.backends.store.whole import UnreadableError, read_json, write_text
from swap_assets.domain.model import Frozen

# Set in a process whose cards are leased, and inherited: the processes that it starts take no lease of their own.
LEASED = "SWAP_GPU_LEASE"
FOLDER = "SWAP_GPU_LEASES"
WAIT = "SWAP_GPU_WAIT_S"
_LONGEST_WAIT_S = 24 * 3600.0
_LOOK_EVERY_S = 0.2
_SAY_EVERY_S = 60.0
_STUCK_S = 60.0


class LeaseError(RuntimeError):
    """Cards cannot be had; the message is one sentence that says what to do."""


class Lease(NamedTuple):
    """Cards that are this process's own until `release` or its end."""

    cards: tuple[str, ...] = ()
    environment: dict[str, str] = {}  # noqa: RUF012 - never changed
    lock: FileLock | None = None

    def release(self) -> None:
        """Give the cards back."""
        if self.lock:
            self.lock.release()


@contextlib.contextmanager
def leased(wanted: int, *, what: str, say: Callable[[str], None] = print) -> Iterator[Lease]:
    """Lease cards for as long as the block runs; its `environment` is for the process that is to see them alone.

    Without any card on this machine, or where a parent holds the lease already, nothing is leased and the environment
    is empty: CUDA_VISIBLE_DEVICES stays as it is. Who wants none sees none. `what` names the taker to those who wait,
    and `say` takes the lines of waiting. LeaseError where the machine has fewer cards, or they were not free within
    SWAP_GPU_WAIT_S seconds (a day).
    """
    cards = () if os.environ.get(LEASED) is not None else visible_cards()
    if not cards:
        yield Lease()
        return
    text = os.environ.get(WAIT) or str(_LONGEST_WAIT_S)
    try:
        within_s = float(text)
    except ValueError:
        raise LeaseError(f"{WAIT} is '{text}'; give a number of seconds") from None
    lease = CardPool(cards, lease_folder()).acquire(wanted, what=what, say=say, within_s=within_s)
    try:
        yield lease
    finally:
        lease.release()


def lease_folder() -> Path:
    """Return where the lock files lie: one folder a machine and user, since all experiments share the cards.

    Not below TMPDIR, which may differ from process to process; /tmp is cleaned of what is ten days old. LeaseError
    where the folder cannot be made or belongs to somebody else.
    """
    given = os.environ.get(FOLDER)
    path = Path(given or f"/var/tmp/swap-assets-cards-{os.getuid()}")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise LeaseError(f"the folder {path} for GPU leases cannot be used ({error.strerror}); set {FOLDER}") from None
    if given is None and (found.st_uid != os.getuid() or stat.S_ISLNK(found.st_mode)):
        raise LeaseError(f"the folder {path} for GPU leases belongs to somebody else; set {FOLDER} to one of your own")
    return path


class _Claim(Frozen):
    """A process that has cards, or waits for them."""

    number: int
    what: str
    pid: int
    may_use: tuple[str, ...]
    wanted: int
    has: tuple[str, ...] = ()


_CLAIMS: TypeAdapter[list[_Claim]] = TypeAdapter(list[_Claim])


class CardPool:
    """Cards that processes share through the claims in a folder."""

    def __init__(self, cards: Sequence[str], folder: Path) -> None:
        self.cards, self._folder = tuple(cards), folder

    def acquire(
        self, wanted: int, *, what: str, say: Callable[[str], None] = print, within_s: float = _LONGEST_WAIT_S
    ) -> Lease:
        """Take `wanted` cards at once, in order of arrival; LeaseError where there are fewer, or none in time."""
        if wanted > len(self.cards):
            raise LeaseError(
                f"{what} wants {wanted} GPUs and this machine lets it use {len(self.cards)}; lower `gpus` of its model"
            )
        if wanted == 0:
            return Lease((), {VISIBLE: "", LEASED: ""})
        began, said = time.monotonic(), ("", -1)
        number, lock = self._join(wanted, what)
        try:
            while not (found := self._look(number))[0]:
                waited = time.monotonic() - began
                if waited >= within_s:
                    again = f"start it again when they are free, or raise {WAIT}"
                    raise LeaseError(f"{what} waited {duration(within_s)} {found[1]}; {again}")
                if said != (now := (found[1], waited // _SAY_EVERY_S)):  # it changed, or a minute has gone by
                    said = now
                    say(f"waiting {found[1]}")
                time.sleep(min(_LOOK_EVERY_S, within_s - waited))
        except BaseException:
            lock.release()
            raise
        names = ",".join(found[0])
        return Lease(found[0], {VISIBLE: names, LEASED: names}, lock)

    def _join(self, wanted: int, what: str) -> tuple[int, FileLock]:
        with self._claims() as claims:
            number = max((claim.number for claim in claims), default=0) + 1
            lock = self._lock(number)
            lock.acquire(blocking=False)
            claims.append(_Claim(number=number, what=what, pid=os.getpid(), may_use=self.cards, wanted=wanted))
        return number, lock

    def _look(self, number: int) -> tuple[tuple[str, ...], str]:
        """Return the cards of a claim where it is its turn and they are free, else none; and what it waits for."""
        with self._claims() as claims:
            at = next(at for at, claim in enumerate(claims) if claim.number == number)
            own = claims[at]
            near = [claim for claim in claims if set(claim.may_use) & set(self.cards)]
            ahead = sum(not claim.has for claim in near if claim.number < number)
            taken = {card: claim for claim in near for card in claim.has}
            free = [card for card in self.cards if card not in taken]
            if not ahead and len(free) >= own.wanted:
                own = claims[at] = own.model_copy(update={"has": tuple(free[: own.wanted])})
        holders = sorted({f"{claim.what} (process {claim.pid})" for card, claim in taken.items() if card in self.cards})
        queue = f", {ahead} before it in the queue" if ahead else ""
        held = " and ".join(holders) or "nobody"
        return own.has, f"for {own.wanted} of {len(self.cards)} cards, held by {held}{queue}"

    @contextlib.contextmanager
    def _claims(self) -> Iterator[list[_Claim]]:
        """Give the claims of the living, in order of arrival, and write them back."""
        path = self._folder / "claims.json"
        mutex = FileLock(path.with_suffix(".lock"), poll_interval=0.005)
        try:
            mutex.acquire(timeout=_STUCK_S)
        except Timeout:
            why = f"{mutex.lock_file} has been locked for {_STUCK_S:.0f} s"
            raise LeaseError(f"{why}; end the process that was stopped while it looked at the cards") from None
        try:
            again = "delete it when nothing works on the cards"
            claims = read_json(path, _CLAIMS.validate_json, again=again) if path.exists() else []
            claims = [claim for claim in claims if self._lives(claim)]
            yield claims
            write_text(path, _CLAIMS.dump_json(claims).decode())
        except UnreadableError as error:
            raise LeaseError(str(error)) from None
        finally:
            mutex.release()

    def _lives(self, claim: _Claim) -> bool:
        lock = self._lock(claim.number)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        return False

    def _lock(self, number: int) -> FileLock:
        # Of the process, not of the thread that took it.
        return FileLock(self._folder / f"{number:06}.lock", thread_local=False)
