"""Native tools and schemas, streamed answers, and how each service is reached, through the real client."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from swap_assets.backends.engines.generation import Answered, Job
from swap_assets.backends.engines.hosted import ask_hosted
from swap_assets.backends.hosted.clients import HostedError, missing_variables, open_client
from swap_assets.backends.models.preflight import hosted_problem
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.formats.base import AnswerFormat, Interface
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.openai import OPENAI
from swap_assets.domain.model import EvalCase, ToolResponse, Turn
from swap_assets.domain.predictions import PredictionRecord
from swap_assets_tests.fakes import ChatServer, completion, unanswered, weather_case

CALL = {"id": "x", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}


def ask(
    server: ChatServer, folder: Path, answer_format: AnswerFormat, case: EvalCase | None = None, **changes: Any
) -> Answered:
    interface = changes.pop("interface", Interface.NATIVE)
    model = HostedModel.model_validate(
        {"key": "big", "provider": "openai", "base_url": server.base_url, "model": "big-2", "max_retries": 1,
         "backoff_s": 0.01, **changes}
    )  # fmt: skip
    return ask_hosted(
        model, [case or weather_case("Oslo")], Job("c", answer_format, folder / "records.jsonl"), interface=interface,
        cache=folder / "answers.sqlite3", say=lambda _: None,
    )  # fmt: skip


def with_calls(*calls: dict[str, Any], words: str | None = None) -> str:
    answer = json.loads(completion("", finish="tool_calls"))
    answer["choices"][0]["message"] = {"role": "assistant", "content": words, "tool_calls": list(calls)}
    return json.dumps(answer)


def only(answers: Answered) -> PredictionRecord:
    (record,) = answers.records
    return record


def test_native_tools_are_offered_and_their_calls_are_read(tmp_path: Path) -> None:
    with ChatServer(lambda _request, _number: (200, {}, with_calls(CALL, words="Let me see."))) as server:
        record = only(ask(server, tmp_path, OPENAI))
    assert server.requests[0]["tools"][0]["function"]["name"] == "weather"
    assert "response_format" not in server.requests[0]
    assert record.parsed and record.parsed.compliant and record.parsed.calls == weather_case("Oslo").gold_calls
    assert (record.interface, record.finish_reason, record.answer_format) == (
        Interface.NATIVE,
        "tool_calls",
        OPENAI,
    )


def test_a_native_schema_is_strict_and_its_answer_is_read_in_the_structured_format(tmp_path: Path) -> None:
    said = json.dumps({"calls": [{"tool_name": "weather", "arguments": {"city": "Oslo"}}]})
    with ChatServer(lambda _request, _number: (200, {}, completion(said))) as server:
        record = only(ask(server, tmp_path, FLEDGLING_STRUCTURED))
    assert server.requests[0]["response_format"]["json_schema"]["strict"] is True
    assert record.parsed and record.parsed.compliant and record.parsed.calls == weather_case("Oslo").gold_calls


def test_a_service_that_refuses_a_schema_is_asked_with_the_same_one_not_strict(tmp_path: Path) -> None:
    def reply(request: dict[str, Any], _number: int) -> tuple[int, dict[str, str], str]:
        if request["response_format"]["json_schema"]["strict"]:
            return 400, {}, json.dumps({"error": {"message": "Invalid schema", "param": "response_format"}})
        return 200, {}, completion('{"calls": []}')

    with ChatServer(reply) as server:
        record = only(ask(server, tmp_path, FLEDGLING_STRUCTURED))
        assert ask(server, tmp_path, FLEDGLING_STRUCTURED).asked == 0
    assert len(server.requests) == 2 and record.text == "[]"
    first, second = (request["response_format"]["json_schema"]["schema"] for request in server.requests)
    assert first == second


def test_text_and_native_answers_are_two_measurements(tmp_path: Path) -> None:
    with ChatServer(lambda _request, _number: (200, {}, completion("No call."))) as server:
        text = ask(server, tmp_path, HERMES, interface=Interface.TEXT)
        native = ask(server, tmp_path, OPENAI)
    assert (text.asked, native.asked) == (1, 1) and text.prompt_hash != native.prompt_hash


@pytest.mark.parametrize(("tool_role", "sent"), [("user", "user"), ("tool", "tool")])
def test_a_tools_response_is_told_by_whom_the_service_lets_tell_it(tmp_path: Path, tool_role: str, sent: str) -> None:
    # OpenAI refuses a message of role "tool" that answers no native call.
    asked = weather_case("Oslo")
    history = (*asked.history, Turn(role="tool", responses=(ToolResponse(name="weather", content="rain"),)))
    case = asked.model_copy(update={"history": history})
    with ChatServer(lambda _request, _number: (200, {}, completion("It rains."))) as server:
        ask(server, tmp_path, HERMES, case, interface=Interface.TEXT, tool_role=tool_role)
    last = server.requests[0]["messages"][-1]
    assert last["role"] == sent and last["content"].startswith("<tool_response>")


def streamed(*deltas: dict[str, Any], finish: str = "stop") -> str:
    base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "big-2", "system_fingerprint": "fp_2"}
    pieces = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if finish:
        pieces.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    pieces.append({**base, "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
    return "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n"


STREAM = {"content-type": "text/event-stream"}


def test_a_streamed_answer_shows_the_time_to_its_first_token(tmp_path: Path) -> None:
    body = streamed({"role": "assistant", "content": ""}, {"content": "No "}, {"content": "call."})
    with ChatServer(lambda _request, _number: (200, STREAM, body)) as server:
        record = only(ask(server, tmp_path, HERMES, interface=Interface.TEXT, streams=True))
    assert server.requests[0]["stream"] is True and server.requests[0]["stream_options"] == {"include_usage": True}
    assert record.text == "No call." and record.usage.completion_tokens == 3 and record.fingerprint == "fp_2"
    assert record.first_token_s is not None and 0 < record.first_token_s <= record.latency_s


def test_streamed_calls_are_put_together(tmp_path: Path) -> None:
    def part(index: int, name: str | None, arguments: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": {"name": name, "arguments": arguments}}]}

    body = streamed(part(0, "weather", '{"ci'), part(0, None, 'ty": "Oslo"}'), part(1, "weather", '{"city": "Riga"}'))
    with ChatServer(lambda _request, _number: (200, STREAM, body)) as server:
        record = only(ask(server, tmp_path, OPENAI, streams=True))
    assert record.parsed and [call.arguments["city"] for call in record.parsed.calls] == ["Oslo", "Riga"]


@pytest.mark.parametrize("body", [streamed({"content": "half"}, finish=""), "data: {broken\n\n", "data: 3\n\n", ""])
def test_a_stream_that_breaks_off_is_asked_again_and_then_an_error(tmp_path: Path, body: str) -> None:
    with ChatServer(lambda _request, _number: (200, STREAM, body)) as server:
        answers = ask(server, tmp_path, HERMES, interface=Interface.TEXT, streams=True)
    assert unanswered(answers) == 1 and len(server.requests) == 2


def azure(server_url: str, **changes: Any) -> HostedModel:
    fields = {"key": "gpt", "provider": "azure", "model": "gpt-4o", "max_retries": 0, "backoff_s": 0.01}
    return HostedModel.model_validate({**fields, "endpoint_env": "TEST_ENDPOINT", "key_env": "TEST_KEY", **changes})


def ask_azure(folder: Path, model: HostedModel) -> Answered:
    return ask_hosted(
        model, [weather_case("Oslo")], Job("c", HERMES, folder / "r.jsonl"), cache=folder / "a.sqlite3", say=print
    )


def test_azure_is_asked_under_its_deployment_with_its_key_and_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChatServer(lambda _request, _number: (200, {}, completion("No."))) as server:
        monkeypatch.setenv("TEST_ENDPOINT", server.base_url.removesuffix("/v1"))
        monkeypatch.setenv("TEST_KEY", "planted")
        record = only(ask_azure(tmp_path, azure(server.base_url)))
    assert server.paths == ["/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"]
    assert server.headers[0]["api-key"] == "planted"
    assert (record.deployment, record.api_version, record.served_model, record.seed) == (
        "gpt-4o", "2024-10-21", "big-2", 42,
    )  # fmt: skip


def test_azures_v1_address_takes_a_key_and_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ChatServer(lambda _request, _number: (200, {}, completion("No."))) as server:
        monkeypatch.setenv("TEST_KEY", "planted")
        base = server.base_url.replace("/v1", "/openai/v1/")
        record = only(ask_azure(tmp_path, azure(server.base_url, base_url=base)))
    assert server.paths == ["/openai/v1/chat/completions"] and server.keys == ["Bearer planted"]
    assert record.api_version == ""


class _Identity(BaseHTTPRequestHandler):
    """Azure's managed identity as App Service offers it: a token for whoever knows the header."""

    def do_GET(self) -> None:
        known = self.headers.get("X-IDENTITY-HEADER") == "known"
        body = {"access_token": "entra-token", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}
        content = json.dumps(body if known else {"error": "unknown"}).encode()
        self.send_response(200 if known else 400)
        self.send_header("content-length", str(len(content)))
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    server = HTTPServer(("127.0.0.1", 0), _Identity)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "known")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    yield monkeypatch
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("v1", [False, True])
def test_an_entra_token_takes_the_place_of_a_key(tmp_path: Path, identity: pytest.MonkeyPatch, v1: bool) -> None:
    pytest.importorskip("azure.identity", reason="the extra [azure] is not installed")
    with ChatServer(lambda _request, _number: (200, {}, completion("No."))) as server:
        identity.setenv("TEST_ENDPOINT", server.base_url.removesuffix("/v1"))
        base = server.base_url.replace("/v1", "/openai/v1/") if v1 else ""
        answers = ask_azure(tmp_path, azure(server.base_url, auth="entra", base_url=base))
    assert unanswered(answers) == 0 and server.keys == ["Bearer entra-token"]
    assert b"entra-token" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("v1", [False, True])
def test_an_identity_without_a_token_stops_at_once_in_one_sentence(
    tmp_path: Path, identity: pytest.MonkeyPatch, v1: bool
) -> None:
    pytest.importorskip("azure.identity", reason="the extra [azure] is not installed")
    identity.setenv("IDENTITY_HEADER", "unknown")
    with ChatServer(lambda _request, _number: (200, {}, completion("No."))) as server:
        identity.setenv("TEST_ENDPOINT", server.base_url.removesuffix("/v1"))
        base = server.base_url.replace("/v1", "/openai/v1/") if v1 else ""
        with pytest.raises(HostedError, match="gave no token") as caught:
            ask_azure(tmp_path, azure(server.base_url, auth="entra", base_url=base))
    assert not server.requests and "\n" not in str(caught.value)


def test_a_server_that_needs_no_key_is_asked_without_one(tmp_path: Path) -> None:
    entry = HostedModel(key="local", provider="openai", base_url="http://127.0.0.1:8000/v1", model="m")
    assert entry.key_env == "" and missing_variables(entry, {}) == [] and entry.tool_role == "tool"
    assert open_client(entry).base_url == "http://127.0.0.1:8000/v1/"
    assert missing_variables(HostedModel(key="x", provider="openai", model="m"), {}) == ["OPENAI_API_KEY"]


def test_the_preflight_refuses_what_would_fail_at_the_first_call() -> None:
    wrong = azure("", auth="entra")
    assert "TEST_ENDPOINT" in hosted_problem(wrong, {})
    assert "must begin with https://" in hosted_problem(wrong, {"TEST_ENDPOINT": "my-resource.openai.azure.com"})
    assert hosted_problem(wrong, {"TEST_ENDPOINT": "https://my-resource.openai.azure.com"}) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"provider": "stand-in", "interfaces": ["text", "native"]}, "ignores response_format"),
        ({"provider": "openai", "auth": "entra"}, "auth: entra is for provider azure"),
        ({"provider": "openai", "budget": {"money": 1}}, "needs the entry's price"),
        ({"provider": "azure", "key_env": ""}, "or auth: entra"),
        ({"provider": "openai", "interfaces": ["text", "text"]}, "twice"),
    ],
)
def test_an_entry_that_cannot_work_is_refused_in_the_file(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HostedModel.model_validate({"key": "x", "model": "m", **changes})
