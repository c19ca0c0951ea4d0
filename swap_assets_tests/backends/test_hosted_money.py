"""What answers cost: usage that cannot be read is charged its estimate, and damage loses no answer that was paid."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines.generation import Answered, Job
from swap_assets.backends.engines.hosted import ask_hosted
from swap_assets.backends.hosted.cache import AnswerCache, Spend
from swap_assets.backends.hosted.messages import Reply
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.formats.hermes import HERMES
from swap_assets_tests.backends.test_damage import flipped
from swap_assets_tests.fakes import ChatServer, completion, weather_case
from swap_assets_tests.faulty_server import UNREADABLE, estimate, with_usage

SAID = completion("No call is needed.")
MODEL = HostedModel.model_validate(
    {
        "key": "big", "provider": "openai", "model": "big-2", "base_url": "http://127.0.0.1:1/v1", "max_retries": 2,
        "backoff_s": 0.001, "price": {"input_per_million": 1.0, "output_per_million": 2.0},
    }
)  # fmt: skip


def ask(server: ChatServer, folder: Path, count: int, **changes: Any) -> Answered:
    model = MODEL.model_copy(update={"base_url": server.base_url, **changes})
    cases = [weather_case(f"City{number}") for number in range(count)]
    job = Job("c", HERMES, folder / "records.jsonl")
    return ask_hosted(model, cases, job, cache=folder / "answers.sqlite3", say=lambda _: None)


def spent(folder: Path) -> Spend:
    with AnswerCache(folder / "answers.sqlite3") as cache:
        return cache.spent("big", "first")


def test_an_answer_whose_usage_cannot_be_read_is_kept_asked_once_and_charged_its_estimate(tmp_path: Path) -> None:
    with ChatServer(lambda _, number: (200, {}, with_usage(SAID, UNREADABLE[number]))) as server:
        answers = ask(server, tmp_path, len(UNREADABLE), concurrency=1)
    assert answers.calls == len(server.requests) == len(UNREADABLE)
    assert {record.text for record in answers.records} == {"No call is needed."}
    expected = [estimate(body, with_usage(SAID, None)) for body in server.requests]
    taken = [record.usage for record in answers.records]
    assert [usage.prompt_tokens + usage.completion_tokens for usage in taken] == expected
    assert all(usage.prompt_tokens > 20 and usage.completion_tokens == 8 for usage in taken)
    money = sum((usage.prompt_tokens + 2 * usage.completion_tokens) / 1e6 for usage in taken)
    assert spent(tmp_path).tokens == sum(expected) and spent(tmp_path).money == pytest.approx(money)


def test_the_spend_is_the_servers_own_count_whatever_it_answers(tmp_path: Path) -> None:
    """It charges its usage, also for answers that are none, and the estimate where it tells no usage."""
    charged, draw = [], random.Random(5)

    def reply(body: dict[str, Any], _: int) -> tuple[int, dict[str, str], str]:
        usage = draw.choice([{"prompt_tokens": 40, "completion_tokens": 7}, *UNREADABLE])
        counted = isinstance(usage, dict) and usage.get("prompt_tokens") == 40
        if draw.random() < 0.2:  # an answer that is none, which is asked again
            charged.append(47 if counted else 0)
            return 200, {}, json.dumps({"choices": [], "usage": usage})
        charged.append(47 if counted else estimate(body, with_usage(SAID, None)))
        return 200, {}, with_usage(SAID, usage)

    with ChatServer(reply) as server:
        answers = ask(server, tmp_path, 100, max_retries=6)
        assert answers.calls == len(server.requests) > 105
    assert spent(tmp_path).tokens == sum(charged)


def test_a_negative_usage_makes_no_room_in_the_budget(tmp_path: Path) -> None:
    body = with_usage(SAID, {"prompt_tokens": -100_000, "completion_tokens": -100_000})
    from swap_assets.backends.hosted.clients import HostedError
    from swap_assets.domain.experiment.entries import Budget

    with ChatServer(lambda *_: (200, {}, body)) as server, pytest.raises(HostedError, match="no room"):
        ask(server, tmp_path, 50, budget=Budget(tokens=3000), max_answer_tokens=64)
    assert 0 < spent(tmp_path).tokens <= 3000 and len(server.requests) < 20


def filled(folder: Path, count: int = 60) -> tuple[list[str], dict[str, Reply]]:
    keys = [f"{number:064x}" for number in range(count)]
    with AnswerCache(folder / "answers.sqlite3") as cache:
        for number, key in enumerate(keys):
            said = Reply(text=f"answer {number}, €{number * 7}" * 8, finish_reason="stop")
            cache.keep(key, said, Spend(money=0.01 * number, tokens=number), model="big", epoch="first")
        return keys, cache.find(keys)


@pytest.mark.parametrize("damaged", ["answers.sqlite3", "answers.jsonl"])
def test_no_flipped_bit_changes_or_loses_a_paid_answer(tmp_path: Path, damaged: str) -> None:
    keys, before = filled(tmp_path)
    paid, draw = spent(tmp_path), random.Random(damaged)
    whole = {name: (tmp_path / name).read_bytes() for name in ("answers.sqlite3", "answers.jsonl")}
    for _ in range(150):
        for name, raw in whole.items():
            (tmp_path / name).write_bytes(flipped(raw, draw) if name == damaged else raw)
        with AnswerCache(tmp_path / "answers.sqlite3") as cache:
            assert cache.find(keys) == before and cache.spent("big", "first") == paid
    assert len(before) == len(keys)


def test_a_row_that_is_damaged_in_both_costs_that_row_and_is_told(tmp_path: Path) -> None:
    keys, before = filled(tmp_path)
    for name in ("answers.sqlite3", "answers.jsonl"):
        raw = (tmp_path / name).read_bytes()
        assert b"answer 7," in raw
        (tmp_path / name).write_bytes(raw.replace(b"answer 7,", b"answer 8,"))
    with AnswerCache(tmp_path / "answers.sqlite3") as cache:
        assert cache.find(keys) == {key: said for key, said in before.items() if key != keys[7]}
        assert cache.told.startswith("1 of 60 answers in") and "asked for again" in cache.told


def test_answers_of_an_earlier_version_get_their_seal(tmp_path: Path) -> None:
    keys, before = filled(tmp_path, 3)
    import sqlite3

    base = sqlite3.connect(tmp_path / "answers.sqlite3")
    for key in keys:
        base.execute("UPDATE answers SET reply = ? WHERE key = ?", (before[key].model_dump_json(), key))
    base.commit()
    base.close()
    (tmp_path / "answers.jsonl").unlink()
    with AnswerCache(tmp_path / "answers.sqlite3") as cache:
        assert cache.find(keys) == before and not cache.told
    assert (tmp_path / "answers.jsonl").read_text(encoding="utf-8").count('{"seal":"') == 3
