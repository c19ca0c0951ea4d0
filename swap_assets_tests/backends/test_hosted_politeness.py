"""Asking as fast as a server lets itself be asked: its headers, its refusals, its waits, and the budget."""

import asyncio
import json
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines.generation import Answered, Job
from swap_assets.backends.engines.hosted import ask_hosted
from swap_assets.backends.hosted.cache import AnswerCache, CacheError, Claim, Spend
from swap_assets.backends.hosted.clients import HostedError, read_retry_after
from swap_assets.backends.hosted.messages import Reply
from swap_assets.backends.hosted.pace import Pace, reset_s, spacing_s
from swap_assets.backends.serving.servers import Server
from swap_assets.domain.experiment.entries import Budget, HostedModel
from swap_assets.domain.formats.base import Interface
from swap_assets.domain.formats.hermes import HERMES
from swap_assets_tests.fakes import ChatServer, completion, unanswered, weather_case

OK = completion("No call is needed.")
NO_BUDGET = Budget()


def ask(server: ChatServer, folder: Path, count: int, said: list[str] | None = None, **changes: Any) -> Answered:
    model = HostedModel.model_validate(
        {
            "key": "big", "provider": "openai", "base_url": server.base_url, "model": "big-2", "max_retries": 4,
            "timeout_s": 10.0, "backoff_s": 0.01, "max_answer_tokens": 16, **changes,
        }
    )  # fmt: skip
    lines = said if said is not None else []
    return ask_hosted(
        model, [weather_case(f"City{number}") for number in range(count)], Job("c", HERMES, folder / "records.jsonl"),
        cache=folder / "answers.sqlite3", say=lines.append,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1m30.5s", 90.5), ("12", 12), ("2h", 7200), ("", None), ("soon", None)],
)
def test_a_reset_is_read_in_every_form_that_servers_write(text: str, seconds: float | None) -> None:
    assert reset_s(text) == seconds


def test_a_wait_is_read_from_seconds_milliseconds_and_dates() -> None:
    assert read_retry_after({"retry-after": "3"}, now=0) == 3
    assert read_retry_after({"retry-after-ms": "250", "retry-after": "9"}, now=0) == 0.25
    assert read_retry_after({"retry-after": formatdate(1_000_010, usegmt=True)}, now=1_000_000) == 10
    assert read_retry_after({"retry-after": formatdate(1_000_000, usegmt=True)}, now=1_000_010) == 0
    assert read_retry_after({"retry-after": "whenever"}, now=0) is None
    assert read_retry_after({}, now=0) is None


def test_nothing_lies_between_requests_until_little_is_left() -> None:
    def left(requests: int, tokens: int) -> dict[str, str]:
        return {
            "x-ratelimit-remaining-requests": str(requests), "x-ratelimit-reset-requests": "10s",
            "x-ratelimit-remaining-tokens": str(tokens), "x-ratelimit-reset-tokens": "20s",
        }  # fmt: skip

    assert spacing_s(left(100, 100_000), tokens=100, at_once=4) == 0
    assert spacing_s(left(4, 100_000), tokens=100, at_once=4) == 2
    assert spacing_s(left(100, 350), tokens=100, at_once=4) == 5
    assert spacing_s(left(0, 0), tokens=100, at_once=4) == 20
    assert spacing_s({"x-ratelimit-remaining-requests": "none"}, tokens=1, at_once=4) == 0


def test_refusals_of_one_round_halve_once_and_answers_bring_the_places_back() -> None:
    async def run() -> list[float]:
        pace = Pace(8, longest_wait_s=1)
        began = time.monotonic()
        limits = []
        for _ in range(3):
            pace.refused(began, 0.0)
        limits.append(pace.limit)
        pace.refused(time.monotonic(), 0.0)
        limits.append(pace.limit)
        for _ in range(40):
            pace.answered({}, tokens=1)
        return [*limits, pace.limit]

    assert asyncio.run(run()) == [4, 2, 8]


def test_a_server_that_names_its_limits_is_hardly_ever_run_into(tmp_path: Path) -> None:
    window_s, allowed = 0.5, 12
    lock, state = threading.Lock(), {"opened": 0.0, "used": 0, "refused": 0}

    def reply(_request: dict[str, Any], _number: int) -> tuple[int, dict[str, str], str]:
        with lock:
            now = time.monotonic()
            if now - state["opened"] >= window_s:
                state.update(opened=now, used=0)
            state["used"] += 1
            rest = f"{(window_s - (now - state['opened'])) * 1000:.0f}"
            if state["used"] > allowed:
                state["refused"] += 1
                return 429, {"retry-after-ms": rest}, "{}"
            left = str(allowed - int(state["used"]))
            named = {"x-ratelimit-remaining-requests": left, "x-ratelimit-reset-requests": f"{rest}ms"}
            return 200, named, OK

    with ChatServer(reply) as server:
        answers = ask(server, tmp_path, 60, concurrency=6)
    assert unanswered(answers) == 0
    # Six at once against windows of twelve: without its headers about half of all requests are refused.
    assert state["refused"] <= 12


def test_a_wait_that_the_server_asks_for_is_kept_by_all(tmp_path: Path) -> None:
    times: list[float] = []

    def reply(_request: dict[str, Any], number: int) -> tuple[int, dict[str, str], str]:
        times.append(time.monotonic())
        return (429, {"retry-after": "1"}, "{}") if number == 1 else (200, {}, OK)

    said: list[str] = []
    with ChatServer(reply) as server:
        answers = ask(server, tmp_path, 6, said, concurrency=1)
    assert unanswered(answers) == 0 and answers.retries == {"429": 1}
    assert times[2] - times[1] >= 0.99
    assert any("asked again in 1" in line for line in said) and "1 x 429" in said[-1]


def test_a_server_that_asks_for_too_long_a_wait_ends_the_run_and_keeps_what_there_is(tmp_path: Path) -> None:
    def reply(_request: dict[str, Any], number: int) -> tuple[int, dict[str, str], str]:
        return (429, {"retry-after": "86400"}, "{}") if number == 2 else (200, {}, OK)

    with ChatServer(reply) as server:
        with pytest.raises(HostedError, match=r"asks to wait 86400 s.*start again later"):
            ask(server, tmp_path, 5, concurrency=1, longest_wait_s=2)
        assert ask(server, tmp_path, 5).reused == 2


@pytest.mark.parametrize("status", [400, 422])
def test_a_wrong_request_is_not_asked_again(tmp_path: Path, status: int) -> None:
    with ChatServer(lambda _request, _number: (status, {}, '{"error": {"message": "bad"}}')) as server:
        answers = ask(server, tmp_path, 3)
    assert (unanswered(answers), answers.calls, answers.retries) == (3, 3, {})


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
def test_a_passing_error_is_asked_again_at_most_as_often_as_the_entry_says(tmp_path: Path, status: int) -> None:
    with ChatServer(lambda _request, _number: (status, {}, "{}")) as server:
        answers = ask(server, tmp_path, 1, max_retries=2)
    assert (unanswered(answers), answers.calls, answers.retries) == (1, 3, {str(status): 2})


def test_the_estimate_is_shown_before_the_first_call_and_the_budget_with_it(tmp_path: Path) -> None:
    said: list[str] = []
    price = {"input_per_million": 1000.0, "output_per_million": 1000.0}
    with ChatServer(lambda _request, _number: (200, {}, OK)) as server:
        ask(server, tmp_path, 2, said, price=price, budget={"money": 5.0})
    assert said[0].startswith("2 cases") and said[1].startswith("estimate for 2 calls: ")
    assert "in money; the budget leaves 5.0000 in money" in said[1]


def test_a_reached_budget_ends_the_run_in_one_sentence_and_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    answer = completion("No.", prompt_tokens=300, completion_tokens=10)
    with ChatServer(lambda _request, _number: (200, {}, answer)) as server:
        with pytest.raises(HostedError, match=r"no room for another call: 1,860 tokens are spent") as caught:
            ask(server, tmp_path, 20, budget={"tokens": 2000})
        asked = len(server.requests)
        assert asked == 6 and "\n" not in str(caught.value)
        answers = ask(server, tmp_path, 20, budget={"tokens": 100_000})
    assert (answers.reused, answers.asked, len(server.requests)) == (6, 14, 20)


def test_calls_under_way_are_reserved_so_that_many_at_once_keep_the_budget(tmp_path: Path) -> None:
    def reply(_request: dict[str, Any], _number: int) -> tuple[int, dict[str, str], str]:
        time.sleep(0.05)
        return 200, {}, completion("No.", prompt_tokens=300, completion_tokens=10)

    with ChatServer(reply) as server, pytest.raises(HostedError, match="budget"):
        ask(server, tmp_path, 40, budget={"tokens": 2000}, concurrency=16)
    assert len(server.requests) * 310 <= 2000


def reply_of(text: str) -> Reply:
    return Reply(text=text, finish_reason="stop")


def claim(cache: AnswerCache, key: str, tokens: int = 1, budget: Budget = NO_BUDGET) -> Claim | Reply:
    return cache.claim(key, model="m", epoch="e", at_most=Spend(tokens=tokens), budget=budget)


def test_a_request_has_one_owner_and_then_an_answer(tmp_path: Path) -> None:
    with AnswerCache(tmp_path / "a") as one, AnswerCache(tmp_path / "a") as two:
        assert claim(one, "k") is Claim.OURS
        assert claim(two, "k") is Claim.BUSY and claim(one, "k") is Claim.BUSY
        one.release("k")
        assert claim(two, "k") is Claim.OURS
        two.keep("k", reply_of("yes"), Spend(tokens=7), model="m", epoch="e")
        two.release("k")
        assert claim(one, "k") == reply_of("yes") == one.find(["k", "other"])["k"]
        assert one.spent("m", "e") == Spend(tokens=7) and one.spent("m", "other") == Spend()


def test_claims_end_with_their_owner(tmp_path: Path) -> None:
    with AnswerCache(tmp_path / "a") as one:
        assert claim(one, "k") is Claim.OURS
    with AnswerCache(tmp_path / "a") as two:
        assert claim(two, "k") is Claim.OURS


def test_two_owners_keep_one_budget(tmp_path: Path) -> None:
    budget = Budget(tokens=10)
    with AnswerCache(tmp_path / "a") as one, AnswerCache(tmp_path / "a") as two:
        assert claim(one, "k", 6, budget) is Claim.OURS
        assert claim(two, "l", 6, budget) is Claim.RESERVED
        one.keep("k", reply_of("short"), Spend(tokens=2), model="m", epoch="e")
        assert claim(two, "l", 6, budget) is Claim.OURS
        assert claim(one, "m", 11, budget) is Claim.SPENT


def test_a_cache_that_cannot_be_opened_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(CacheError, match="move it away"), AnswerCache(tmp_path / "a"):
        pass


def ask_twins(server: ChatServer, folder: Path) -> Answered:
    """Ask one question in two cases."""
    twin = weather_case("City0").model_copy(update={"id": "twin"})
    model = HostedModel(key="big", provider="openai", base_url=server.base_url, model="m", max_retries=0)
    return ask_hosted(
        model, [weather_case("City0"), twin], Job("c", HERMES, folder / "records.jsonl"), cache=folder / "a", say=print
    )


def test_a_request_that_failed_is_free_for_the_next_who_asks_it(tmp_path: Path) -> None:
    with ChatServer(lambda _request, number: (200, {}, OK) if number else (500, {}, "{}")) as server:
        answers = ask_twins(server, tmp_path)
    assert [record.obtained for record in answers.records] == [False, True]


def test_the_same_question_in_two_cases_is_paid_once(tmp_path: Path) -> None:
    with ChatServer(lambda _request, _number: (200, {}, OK)) as server:
        answers = ask_twins(server, tmp_path)
    assert len(server.requests) == 1 and [record.case_id for record in answers.records] == ["City0", "twin"]


def test_json_numbers_of_a_body_do_not_depend_on_who_writes_them() -> None:
    # The key of a request is its canonical JSON: equal bodies in another order of keys have one key.
    from swap_assets.backends.hosted.messages import Requests

    model = HostedModel(key="b", provider="openai", model="m")
    requests = Requests(model, HERMES, "e", Interface.TEXT, Server())
    body = requests.body(weather_case("Oslo"))
    turned = json.loads(json.dumps(dict(reversed(body.items()))))
    assert requests.key(body) == requests.key(turned)
    assert len(requests.key(body)) == 64
