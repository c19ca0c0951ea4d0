"""A disk that is full in the middle, a real small one: the cause is told, and what was whole before is whole after."""

import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults.outcomes import Outcome, counted
from swap_assets.backends.engines.generation import RecordFile
from swap_assets.backends.hosted.cache import AnswerCache, CacheError, Spend
from swap_assets.backends.hosted.messages import Reply
from swap_assets.backends.report.archive import read_report, write_report
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.whole import full_disk, whole_folder
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import Conversation
from swap_assets.domain.predictions import PredictionRecord
from swap_assets_tests.backends.test_damage import conversations
from swap_assets_tests.domain.reports import full_report

TRIES = 12  # levels of fullness for each kind of write
SIZE_KB = 8_000


def run(draws: random.Random) -> Iterator[Outcome]:
    """Fill a file system of its own to drawn levels before each kind of write, and read back afterwards."""
    with tempfile.TemporaryDirectory() as name:
        disk = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "tmpfs", name]
        if subprocess.run(disk, capture_output=True).returncode:
            yield Outcome("full disk", 0, why="not tried: a file system can be mounted by root alone")
            return
        try:
            for what, (write, read) in _writes(Path(name)).items():
                ends = [
                    _tried(Path(name), write, read, draws.randrange(0, 400, 4), at)
                    for at in range(2 if what == "a report" else TRIES)
                ]
                yield counted(f"full disk: {what}", ends)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def _tried(root: Path, write: Callable[[int], Any], read: Callable[[], Any], left_kb: int, at: int) -> str:
    """Write while so many kilobytes are left, and once more with room; say what became of both."""
    write(2 * at)
    before, ballast = read(), root / "ballast"
    free = os.statvfs(root).f_bavail * os.statvfs(root).f_frsize
    ballast.write_bytes(b"\0" * max(0, free - 1024 * left_kb))
    told = ""
    try:
        write(2 * at + 1)
    except (OSError, CacheError) as error:
        told = full_disk(error, root) or (str(error) if "no space is left" in str(error) else "another cause")
    ballast.unlink()
    try:
        after = read()
    except Exception:
        return "lost"
    write(2 * at + 1)
    if "no space is left" in told:
        return "told" if after == before else "silent"
    return "survived" if not told and after == read() else "silent"


def _writes(root: Path) -> dict[str, tuple[Callable[[int], Any], Callable[[], Any]]]:
    store = ArtefactStore(root)
    rows = [conversations(600 + 40 * number) for number in range(2)]
    reports = [full_report(text) for text in ("one", "other")]
    said = PredictionRecord(case_id="c", conversation_id="c", candidate_id="c", answer_format=HERMES, request_hash="h",
                            prompt_hash="p", text="", finish_reason="stop")  # fmt: skip
    base, records, folder = root / "answers.sqlite3", root / "predictions.jsonl", root / "adapter"

    def adapter(number: int) -> None:
        with whole_folder(folder) as part:
            for name in ("weights", "config"):
                (part / name).write_bytes(bytes([number]) * 90_000)

    def answer(number: int) -> None:
        with AnswerCache(base) as cache:
            reply = Reply(text=f"{number} " * 30_000, finish_reason="stop")
            cache.keep("k", reply, Spend(tokens=number), model="m", epoch="e")

    def answered() -> Any:
        with AnswerCache(base) as cache:
            return cache.find(["k"]), cache.spent("m", "e")

    return {
        "rows": (lambda number: store.write("hermes_conversations", None, rows[number % 2], kind=list[Conversation]),
                 lambda: store.read("hermes_conversations", None, list[Conversation])),
        "a report": (lambda number: write_report(reports[number % 2], root / "report"),
                     lambda: read_report(root / "report")),
        "an adapter's folder": (adapter, lambda: [path.read_bytes() for path in sorted(folder.iterdir())]),
        "records": (lambda number: RecordFile(records, {"c": "h"}, candidate_id="c").append(
                        [said.model_copy(update={"text": f"{number} " * 40_000})]),
                    lambda: RecordFile(records, {"c": "h"}, candidate_id="c").finish()),
        "a paid answer": (answer, answered),
    }  # fmt: skip
