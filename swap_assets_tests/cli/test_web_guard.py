"""The guard before Dagster's web server: what foreign pages send is refused, what its own pages send goes through."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from swap_assets.cli.web_guard import Guard

HERE = "http://127.0.0.1:3000"
MUTATION = "/graphql?query=mutation{reportRunlessAssetEvents}"


async def _talk(socket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


async def _answer(request) -> PlainTextResponse:
    return PlainTextResponse("done")


APP = Starlette(
    routes=[
        Route("/", _answer),
        Route("/graphql", _answer, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", _talk),
    ]
)


@pytest.fixture
def browser():
    return TestClient(Guard(APP), base_url=HERE)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "127.0.0.1.evil.example",
        "",
        "10.0.0.1:3000",
        "127.0.0.1:3000@evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1/x",
        "[::1",
        "0x7f.1",
        "localhost.",
        "127.0.0.1:port",
        "[::ffff:127.0.0.1]",
        "127.0.0.1, evil.example",
    ],
)
def test_another_name_than_this_machines_is_refused_so_that_no_name_can_be_bound_anew(browser, host):
    assert browser.get("/", headers={"Host": host}).status_code == 421
    assert browser.post("/graphql", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "LocalHost:8080", "[::1]:3000", "127.0.0.1"])
def test_a_page_of_this_server_reads_and_changes(browser, host):
    assert browser.get("/", headers={"Host": host}).text == "done"
    assert browser.post("/graphql", headers={"Host": host, "Origin": f"http://{host.lower()}"}).text == "done"


def test_what_a_proxy_or_a_page_adds_in_other_headers_changes_nothing(browser):
    forged = {"X-Forwarded-Host": "127.0.0.1:3000", "X-Forwarded-For": "127.0.0.1", "Forwarded": "host=127.0.0.1"}
    assert browser.get("/", headers={"Host": "evil.example", **forged}).status_code == 421
    forged |= {"Referer": HERE, "X-Requested-With": "XMLHttpRequest", "X-HTTP-Method-Override": "GET"}
    assert browser.post("/graphql", headers={"Origin": "http://evil.example", **forged}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("kind", ["image", "script", "iframe", "empty", "object"])
def test_a_foreign_page_embeds_nothing_of_this_server_and_may_link_to_it(browser, site, kind):
    """Another port of this machine is `same-site`, to which the browser sends the cookie."""
    told = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": kind}
    assert browser.get("/logs/run/step.out", headers=told).status_code == 403
    assert browser.post("/graphql", headers={"Origin": HERE, **told}).status_code == 403
    assert browser.get("/", headers={**told, "Sec-Fetch-Dest": "document"}).text == "done"
    assert browser.get("/", headers={**told, "Sec-Fetch-Site": "same-origin"}).text == "done"


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:3001", "http://localhost:3000"]
)
def test_a_form_an_image_or_a_script_of_another_page_changes_nothing(browser, origin):
    headers = {"Origin": origin} if origin else {}
    assert browser.post("/graphql", headers=headers, data={"query": "mutation{x}"}).status_code == 403
    assert browser.post("/graphql", headers={**headers, "Content-Type": "text/plain"}, content="{}").status_code == 403
    for event in ("materialization", "check", "observation"):
        assert browser.post(f"/report_asset_{event}/release_approval", headers=headers).status_code == 403
    for method in ("PUT", "PATCH", "DELETE", "TRACE"):
        assert browser.request(method, "/graphql", headers=headers).status_code == 403
    with (
        pytest.raises(WebSocketDisconnect),
        browser.websocket_connect("/graphql", headers={"Host": "127.0.0.1:3000", **headers}) as socket,
    ):
        socket.receive_text()


def test_graphql_by_get_is_refused_wherever_it_comes_from(browser):
    for how in (browser.get, browser.head):
        assert how(MUTATION, headers={"Origin": HERE}).status_code == 405
    assert browser.get(f"/graphql/{MUTATION.removeprefix('/graphql')}").status_code == 405
    assert browser.get("/graphql").text == "done"  # the page on which people write queries


def test_a_web_socket_of_a_page_of_this_server_opens(browser):
    with browser.websocket_connect("/graphql", headers={"Origin": HERE, "Host": "127.0.0.1:3000"}) as socket:
        assert socket.receive_text() == "hello"


def test_the_link_works_once_and_its_cookie_from_then_on():
    guard = Guard(APP, token="secret")
    mine, other = (TestClient(guard, base_url=HERE, follow_redirects=False) for _ in range(2))
    assert mine.get("/").status_code == 401 and mine.get("/?token=guess").status_code == 401
    assert mine.get("/?token=%F0%9F%98%80").status_code == 401
    assert mine.head("/?token=secret").status_code == 401  # as what looks at links before they are opened
    led = mine.get("//evil.example/?token=secret")
    assert (led.status_code, led.headers["location"]) == (303, "/")
    assert "HttpOnly" in led.headers["set-cookie"] and "SameSite=strict" in led.headers["set-cookie"]
    assert mine.get("/").text == "done"
    assert other.get("/?token=secret").status_code == 401 and other.get("/").status_code == 401
    assert other.post("/graphql", headers={"Origin": HERE}).status_code == 401
    for opened in (mine, other):
        opened.cookies.clear()
        opened.cookies.set("swap_assets_ui_3000", "guess")
    assert mine.get("/").status_code == 401
    headers = {"Origin": HERE, "Host": "127.0.0.1:3000"}
    with pytest.raises(WebSocketDisconnect), other.websocket_connect("/graphql", headers=headers) as socket:
        socket.receive_text()


def test_two_servers_of_one_machine_do_not_take_each_others_cookie():
    """Cookies know no ports."""
    names = set()
    for port in (3000, 3001):
        opened = TestClient(Guard(APP, token="one"), base_url=f"http://127.0.0.1:{port}", follow_redirects=False)
        names.add(opened.get("/?token=one").headers["set-cookie"].partition("=")[0])
    assert names == {"swap_assets_ui_3000", "swap_assets_ui_3001"}
