"""Requests to a server that fails in every way real ones do: one outcome each, and the spend is the server's own count.

A second run asks for the same: nothing that was answered may be asked or paid again.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.outcomes import Outcome
from swap_assets.backends.hosted.cache import AnswerCache
from swap_assets_tests.backends.test_hosted_faults import ask
from swap_assets_tests.faulty_server import FaultyServer


def run(_: random.Random, *, requests: int) -> Iterator[Outcome]:
    """Ask so many questions, half of the attempts failing, then all of them once more."""
    with tempfile.TemporaryDirectory() as name, FaultyServer(Path(name) / "log", faults=0.5) as server:
        folder = Path(name)
        answers = ask(server.base_url, folder, requests, timeout_s=1.0, max_retries=20)
        again = ask(server.base_url, folder, requests, timeout_s=1.0, max_retries=20)
        sent = Counter(server.sent())
        with AnswerCache(folder / "answers.sqlite3") as cache:
            spent = cache.spent("big", "first").tokens
        charged = server.charged()
    obtained = [record for record in answers.records if record.obtained]
    wrong = [one for one in obtained if one.parsed and one.parsed.calls and one.case_id not in one.text]
    silent = len(wrong) + (spent != charged) + (again.records != answers.records)
    yield Outcome(
        "faulty endpoint", requests, survived=len(obtained) - len(wrong), told=len(answers.records) - len(obtained),
        lost=requests - len(answers.records), repeated=sum(sent.values()) - len(sent), silent=silent,
        why=f"{answers.calls} calls, {sum(answers.retries.values())} asked again; "
        f"the cache counts {spent:,} tokens, the server {charged:,}",
    )  # fmt: skip
