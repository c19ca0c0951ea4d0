"""A thousand requests against a server that fails in every way, kills in the middle, and two processes at once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines.generation import Answered, Job, read_rows
from swap_assets.backends.engines.hosted import ask_hosted
from swap_assets.backends.hosted.cache import AnswerCache
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.predictions import PredictionRecord
from swap_assets_tests.fakes import unanswered, weather_case
from swap_assets_tests.faulty_server import FaultyServer

CONCURRENCY = 16


def ask(base_url: str, folder: Path, count: int, *, name: str = "records", **changes: Any) -> Answered:
    model = HostedModel.model_validate(
        {
            "key": "big", "provider": "openai", "base_url": base_url, "model": "big-2", "concurrency": CONCURRENCY,
            "timeout_s": 2.0, "backoff_s": 0.002, "max_retries": 8, "longest_wait_s": 5.0, **changes,
        }
    )  # fmt: skip
    cases = [weather_case(f"City{number}") for number in range(count)]
    return ask_hosted(
        model, cases, Job("c", HERMES, folder / f"{name}.jsonl"), cache=folder / "answers.sqlite3", say=lambda _: None
    )


def started(base_url: str, folder: Path, count: int, name: str) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from pathlib import Path\n"
        "from swap_assets_tests.backends.test_hosted_faults import ask, unanswered\n"
        "answers = ask(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), name=sys.argv[4])\n"
        "print(unanswered(answers), answers.calls)"
    )
    return subprocess.Popen([sys.executable, "-c", code, base_url, str(folder), str(count), name])


def until(condition: Any, *, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_thousand_requests_to_a_faulty_server_end_in_a_thousand_outcomes_each_once(tmp_path: Path) -> None:
    with FaultyServer(tmp_path / "log", faults=0.3) as server:
        answers = ask(server.base_url, tmp_path, 1000)
        faults = Counter(done for what, _, done in server.lines() if what == "came")
        sent = server.sent()
    assert [record.case_id for record in answers.records] == [f"City{number}" for number in range(1000)]
    assert unanswered(answers) == 0 and len(sent) == len(set(sent)) == 1000
    assert {record.finish_reason for record in answers.records} == {"stop", "content_filter"}
    wrong = [
        record
        for record in answers.records
        if record.parsed and record.parsed.calls and record.case_id not in record.text
    ]
    assert not wrong
    assert {"hang", "reset", "reset in the body", "broken json", "429 date", "refusal", "content filter"} <= set(faults)
    assert sum(answers.retries.values()) == answers.calls - 1000
    with AnswerCache(tmp_path / "answers.sqlite3") as cache:
        assert cache.spent("big", "first").tokens == server.charged()


@pytest.mark.slow
def test_a_kill_in_the_middle_loses_at_most_what_was_under_way_and_the_next_run_asks_only_the_rest(
    tmp_path: Path,
) -> None:
    with FaultyServer(tmp_path / "log", faults=0.1, delay_s=0.01) as server:
        process = started(server.base_url, tmp_path, 300, "first")
        until(lambda: len(server.sent()) >= 120)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        time.sleep(0.2)  # what the server had under way is written to its log
        before = server.sent()
        kept = len(read_rows(tmp_path / "first.jsonl", PredictionRecord))
        answers = ask(server.base_url, tmp_path, 300)
        sent = Counter(server.sent())
    assert 120 <= len(before) < 300
    assert kept >= len(before) - CONCURRENCY
    assert unanswered(answers) == 0 and len(answers.records) == 300
    twice = [city for city, times in sent.items() if times > 1]
    assert len(twice) <= CONCURRENCY
    assert answers.reused >= len(before) - CONCURRENCY
    assert answers.reused + answers.asked == 300


@pytest.mark.slow
def test_two_processes_at_once_never_make_one_request_twice(tmp_path: Path) -> None:
    with FaultyServer(tmp_path / "log", faults=0.1, delay_s=0.01) as server:
        processes = [started(server.base_url, tmp_path, 200, name) for name in ("one", "two")]
        assert [process.wait(timeout=90) for process in processes] == [0, 0]
        sent = server.sent()
    assert len(sent) == len(set(sent)) == 200
    one, two = (read_rows(tmp_path / f"{name}.jsonl", PredictionRecord) for name in ("one", "two"))
    assert one == two and len(one) == 200


def test_an_answer_that_could_not_be_had_says_why_and_the_others_are_there(tmp_path: Path) -> None:
    with FaultyServer(tmp_path / "log", faults=0.5) as server:
        answers = ask(server.base_url, tmp_path, 20, max_retries=0, timeout_s=2)
    lost = [record for record in answers.records if not record.obtained]
    assert len(answers.records) == 20 and 3 < len(lost) < 17
    assert all(record.error and not record.parsed for record in lost)


def test_the_cache_holds_answers_and_no_prompt_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULTY_KEY", "sk-planted-0815")
    with FaultyServer(tmp_path / "log", faults=0.3) as server:
        ask(server.base_url, tmp_path, 10, key_env="FAULTY_KEY", timeout_s=0.3)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"sk-planted" not in written
    assert json.dumps("weather in City1?").encode() not in (tmp_path / "answers.sqlite3").read_bytes()
