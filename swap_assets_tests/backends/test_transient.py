"""What is tried again and what is not, and that an alert never shows where it went."""

import pytest

from swap_assets.backends.datasets.files import SourceError
from swap_assets.backends.hub.access import HubUnreachableError
from swap_assets.backends.models.preflight import PreflightError
from swap_assets.backends.processes.supervision import WorkerError, is_transient
from swap_assets.backends.tracking.tracing import WEBHOOK_VARIABLE, post_alert
from swap_assets_tests.fakes import ChatServer


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (HubUnreachableError("no network"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (WorkerError("killed by signal 9", lost=True), True),
        (WorkerError("ended with code 1"), False),
        (PreflightError("the model is gated"), False),
        (SourceError("no such file"), False),
        (ValueError("a bug"), False),
        (FileNotFoundError("swap.yaml"), False),
    ],
)
def test_the_network_and_lost_processes_are_tried_again_and_nothing_else(error, passes):
    assert is_transient(error) is passes


def test_an_error_that_hides_a_lost_connection_is_tried_again():
    try:
        try:
            raise ConnectionResetError
        except ConnectionResetError as cause:
            raise RuntimeError("the service cannot be reached") from cause
    except RuntimeError as error:
        assert is_transient(error)


@pytest.mark.parametrize(("status", "passes"), [(429, True), (503, True), (401, False), (404, False), (400, False)])
def test_a_busy_service_is_asked_again_and_a_refused_key_is_not(status, passes):
    import httpx2
    import openai

    request = httpx2.Request("POST", "http://127.0.0.1/v1")
    error = openai.APIStatusError("no", response=httpx2.Response(status, request=request), body=None)
    assert is_transient(error) is passes


def test_an_alert_is_posted_where_a_webhook_is_set_and_the_address_is_never_said(monkeypatch):
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    assert "no webhook is set" in post_alert("run 1 failed")
    with ChatServer(lambda body, number: (200, {}, "{}")) as server:
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"{server.base_url}/secret-hook")
        assert post_alert("run 1 failed") == "posted to the webhook, which answered 200"
        assert server.requests == [{"text": "run 1 failed"}]
    told = post_alert("run 2 failed")
    assert "could not be reached" in told and "secret-hook" not in told
