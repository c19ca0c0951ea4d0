"""Asking a hosted model through the real client, against a local server that misbehaves on purpose."""

import json
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines.generation import Answered, Job
from swap_assets.backends.engines.hosted import ask_hosted
from swap_assets.backends.hosted.clients import HostedError, missing_variables
from swap_assets.backends.serving.servers import Server
from swap_assets.domain.experiment.entries import HostedModel, TokenPrice
from swap_assets.domain.formats.hermes import HERMES
from swap_assets_tests.fakes import ChatServer, Reply, completion, unanswered, weather_case

CITIES = ("Oslo", "Riga", "Graz", "Lyon", "Bern")
GOOD = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
KEY = "sk-planted-4711-secret"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)


def entry(**changes: Any) -> HostedModel:
    fields = {"key": "big", "provider": "openai", "model": "big-2", "key_env": "TEST_KEY", "timeout_s": 5.0}
    price = TokenPrice(input_per_million=1.0, output_per_million=2.0)
    return HostedModel.model_validate(
        {**fields, "price": price, "max_retries": 3, "concurrency": 2, "backoff_s": 0.01, **changes}
    )


def ask(server: ChatServer, folder: Path, model: HostedModel | None = None, **changes: Any) -> Answered:
    cases = changes.pop("cases", None) or [weather_case(city) for city in CITIES]
    asked = Server(server.base_url, artefact_hash=changes.pop("artefact_hash", ""))
    who, output = changes.pop("candidate_id", "big--s--none--greedy--hosted"), folder / "records.jsonl"
    job = Job(who, HERMES, changes.pop("output", output), epoch=changes.pop("epoch", "first"))
    options = {"cache": folder / "answers.sqlite3", "say": lambda _: None, **changes}
    return ask_hosted(model or entry(), cases, job, server=asked, **options)


def always(status: int, body: str, **headers: str) -> Reply:
    return lambda _request, _number: (status, headers, body)


def failing_once_each(status: int, **headers: str) -> Reply:
    return lambda _request, number: (status, headers, "{}") if number % 2 == 0 else (200, {}, completion(GOOD))


def test_every_case_becomes_one_record_with_tokens_cost_and_fingerprint(tmp_path: Path) -> None:
    with ChatServer(always(200, completion(GOOD))) as server:
        answers = ask(server, tmp_path)
    record = answers.records[0]
    assert [found.case_id for found in answers.records] == list(CITIES)
    assert record.parsed and record.parsed.compliant and record.finish_reason == "stop"
    assert (record.usage.prompt_tokens, record.usage.completion_tokens) == (10, 5)
    assert record.cost == pytest.approx(20 / 1e6)
    assert (record.served_model, record.fingerprint, record.latency_kind) == ("big-2", "fp_1", "request")


def test_the_request_is_greedy_seeded_and_limited(tmp_path: Path) -> None:
    with ChatServer(always(200, completion(GOOD))) as server:
        ask(server, tmp_path, entry(max_answer_tokens=77, seed=5))
    request = server.requests[0]
    assert (request["temperature"], request["seed"], request["max_completion_tokens"]) == (0.0, 5, 77)
    assert [message["role"] for message in request["messages"]] == ["system", "user"]


def test_a_model_that_refuses_temperature_is_not_sent_one(tmp_path: Path) -> None:
    with ChatServer(always(200, completion(GOOD))) as server:
        ask(server, tmp_path, entry(accepts_temperature=False))
    assert all("temperature" not in request for request in server.requests)


def test_a_second_call_asks_nothing_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with ChatServer(always(200, completion(GOOD))) as server:
        ask(server, tmp_path)
        before = (tmp_path / "records.jsonl").read_bytes()
        again = ask(server, tmp_path)
    assert (len(server.requests), again.asked, again.reused) == (5, 0, 5)
    assert (tmp_path / "records.jsonl").read_bytes() == before


def test_the_cache_alone_gives_the_records_back(tmp_path: Path) -> None:
    with ChatServer(always(200, completion(GOOD))) as server:
        before = ask(server, tmp_path).records
        (tmp_path / "records.jsonl").write_text("{torn")
        again = ask(server, tmp_path)
    assert (again.asked, again.calls, len(server.requests)) == (0, 0, 5)
    assert again.records == before


def test_a_changed_prompt_or_setting_pays_only_for_what_changed(tmp_path: Path) -> None:
    with ChatServer(always(200, completion(GOOD))) as server:
        ask(server, tmp_path)
        changed = [weather_case(city) for city in ("Oslo", "Riga", "Nome")]
        assert ask(server, tmp_path, cases=changed).asked == 1
        assert ask(server, tmp_path, entry(max_answer_tokens=99)).asked == 5
        assert ask(server, tmp_path, entry(price=None, timeout_s=4, concurrency=1)).asked == 0


def test_a_new_epoch_or_other_weights_ask_everything_again(tmp_path: Path) -> None:
    with ChatServer(always(200, completion(GOOD))) as server:
        ask(server, tmp_path)
        assert ask(server, tmp_path, epoch="2").asked == 5
        assert ask(server, tmp_path, epoch="2", artefact_hash="other").asked == 5


def test_what_was_answered_at_another_scale_is_not_paid_twice(tmp_path: Path) -> None:
    with ChatServer(always(200, completion(GOOD))) as server:
        ask(server, tmp_path)
        larger = ask(
            server, tmp_path, candidate_id="big--l--none--greedy--hosted", output=tmp_path / "large" / "records.jsonl"
        )
    assert (larger.asked, larger.reused, len(server.requests)) == (0, 5, 5)
    assert {record.candidate_id for record in larger.records} == {"big--l--none--greedy--hosted"}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_error_is_retried_until_it_passes(tmp_path: Path, status: int) -> None:
    headers = {"retry-after-ms": "1"}
    with ChatServer(failing_once_each(status, **headers)) as server:
        answers = ask(server, tmp_path, entry(concurrency=1))
    assert unanswered(answers) == 0
    assert len(server.requests) == 10


def test_a_lasting_error_is_an_unscored_record_and_is_asked_again_next_time(tmp_path: Path) -> None:
    def reply(request: dict[str, Any], _number: int) -> tuple[int, dict[str, str], str]:
        broken = "Graz" in json.dumps(request)
        return (500, {"retry-after-ms": "1"}, "{}") if broken else (200, {}, completion(GOOD))

    with ChatServer(reply) as server:
        first = ask(server, tmp_path, entry(max_retries=1))
        record = first.records[CITIES.index("Graz")]
        assert (unanswered(first), record.finish_reason, record.obtained, record.parsed) == (1, "error", False, None)
        assert ask(server, tmp_path, entry(max_retries=1)).asked == 1


@pytest.mark.parametrize(("status", "hint"), [(401, "TEST_KEY"), (403, "TEST_KEY"), (404, "deployment")])
def test_a_refused_key_stops_at_the_first_call_with_one_sentence(tmp_path: Path, status: int, hint: str) -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with ChatServer(always(status, body)) as server, pytest.raises(HostedError, match=hint) as caught:
        ask(server, tmp_path)
    assert len(server.requests) == 1
    assert KEY not in str(caught.value) and "\n" not in str(caught.value)


def test_a_key_that_is_revoked_on_the_way_keeps_the_answers_so_far(tmp_path: Path) -> None:
    def reply(_request: dict[str, Any], number: int) -> tuple[int, dict[str, str], str]:
        return (200, {}, completion(GOOD)) if number < 3 else (401, {}, "{}")

    with ChatServer(reply) as server, pytest.raises(HostedError, match="TEST_KEY"):
        ask(server, tmp_path, entry(concurrency=1))
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 3


def test_a_missing_key_is_named_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY")
    with ChatServer(always(200, completion(GOOD))) as server, pytest.raises(HostedError, match="TEST_KEY"):
        ask(server, tmp_path)
    assert not server.requests


def test_azure_needs_its_endpoint_too_and_a_stand_in_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    assert missing_variables(entry(provider="azure")) == ["AZURE_OPENAI_ENDPOINT"]
    assert missing_variables(entry(provider="stand-in")) == []


def test_an_unreachable_server_stops_at_the_first_call(tmp_path: Path) -> None:
    with ChatServer(always(200, "")) as server:
        pass
    with pytest.raises(HostedError, match="cannot be reached"):
        ask(server, tmp_path, entry(max_retries=0))


def test_refusals_are_answers_whether_they_come_as_a_choice_or_as_a_400(tmp_path: Path) -> None:
    def reply(_request: dict[str, Any], number: int) -> tuple[int, dict[str, str], str]:
        if number % 2:
            return 200, {}, completion("", finish="content_filter")
        return 400, {}, json.dumps({"error": {"code": "content_filter", "message": "filtered"}})

    with ChatServer(reply) as server:
        answers = ask(server, tmp_path)
    assert {record.finish_reason for record in answers.records} == {"content_filter"}
    assert all(record.obtained and record.parsed for record in answers.records)
    assert unanswered(answers) == 0 and len(server.requests) == 5


@pytest.mark.parametrize(
    "complaint",
    [
        {"param": "max_completion_tokens", "message": "unknown"},
        {"message": "Unsupported parameter: 'max_completion_tokens'. Use 'max_tokens' instead."},
    ],
)
def test_a_server_that_knows_only_the_older_token_limit_is_asked_in_its_words(
    tmp_path: Path, complaint: dict[str, str]
) -> None:
    def reply(request: dict[str, Any], _number: int) -> tuple[int, dict[str, str], str]:
        if "max_completion_tokens" in request:
            return 400, {}, json.dumps({"error": complaint})
        return 200, {}, completion(GOOD)

    with ChatServer(reply) as server:
        answers = ask(server, tmp_path)
    assert unanswered(answers) == 0
    assert len(server.requests) == 6 and server.requests[-1]["max_tokens"] == 1024


@pytest.mark.parametrize("body", ["no json", "{}", json.dumps({"choices": []}), completion("")[:-30]])
def test_an_answer_that_cannot_be_read_is_an_error_and_never_a_crash(tmp_path: Path, body: str) -> None:
    with ChatServer(always(200, body)) as server:
        answers = ask(server, tmp_path, entry(max_retries=0))
    assert unanswered(answers) == 5


def test_a_lone_surrogate_in_an_answer_does_not_stop_the_records(tmp_path: Path) -> None:
    with ChatServer(always(200, completion("x").replace('"x"', '"\\ud800"'))) as server:
        assert unanswered(ask(server, tmp_path)) == 0


def test_the_key_is_sent_to_the_server_and_written_nowhere(tmp_path: Path) -> None:
    def reply(_request: dict[str, Any], number: int) -> tuple[int, dict[str, str], str]:
        return (400, {}, json.dumps({"error": {"message": f"bad {KEY}"}})) if number else (200, {}, completion(GOOD))

    with ChatServer(reply) as server:
        ask(server, tmp_path)
    assert server.keys[0] == f"Bearer {KEY}"
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
