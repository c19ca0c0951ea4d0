"""`swap-assets ui` in headless Chromium: foreign pages reach nothing of it, its own pages work, and a signal ends it.

It is started as a shell starts a background command: with SIGINT ignored.
"""

import contextlib
import functools
import http.server
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dagster as dg
import httpx
import psutil
import pytest

from swap_assets.backends.serving.servers import free_port
from swap_assets.cli.environment import is_free
from swap_assets_tests.conftest import EXPERIMENT

pytestmark = pytest.mark.lasting
REPOSITORY = Path(__file__).parents[2]
EVENTS = """mutation { reportRunlessAssetEvents(eventParams: {eventType: ASSET_MATERIALIZATION,
  assetKey: {path: ["%s"]}, partitionKeys: ["little|tiny"], description: "approved by Mallory: from a page"})
  { __typename } }"""
# What a page of somebody else can make a browser send; the browser adds the cookie where it would.
ATTACK = """<body><script>
const at = %(at)s, query = %(query)s, body = JSON.stringify({query});
const get = at + "/graphql?query=" + encodeURIComponent(query);
const add = (kind, how) => document.body.append(Object.assign(document.createElement(kind), how));
const ask = (path, how) => fetch(path, {credentials: "include", ...how}).catch(() => 0);
add("img", {src: get}); add("script", {src: get}); add("link", {rel: "prefetch", href: get});
add("iframe", {src: get}); add("iframe", {src: at + "/"});
ask(get, {mode: "no-cors"});
ask(at + "/graphql", {method: "POST", body, headers: {"Content-Type": "application/json"}});
for (const type of ["text/plain", "application/x-www-form-urlencoded"])
  ask(at + "/graphql", {method: "POST", mode: "no-cors", body, headers: {"Content-Type": type}});
navigator.sendBeacon(at + "/graphql", body);
const event = "?partition=little%%7Ctiny&description=approved by Mallory: a page";
ask(at + "/report_asset_materialization/release_approval" + event, {method: "POST", mode: "no-cors"});
for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
  add("iframe", {name: enctype});
  const form = Object.assign(document.createElement("form"), {action: get, method: "POST", enctype, target: enctype});
  form.append(Object.assign(document.createElement("input"), {name: "query", value: query}));
  document.body.append(form); form.submit();
}
window.read = "nothing";
fetch(at + "/server_info", {credentials: "include"}).then(r => r.text()).then(t => window.read = t, () => 0);
window.socket = "waits";
const ws = new WebSocket(at.replace("http", "ws") + "/graphql", "graphql-ws");
ws.onopen = () => { window.socket = "opened"; ws.send('{"type": "connection_init", "payload": {}}');
  ws.send(JSON.stringify({id: "1", type: "start", payload: {query}})); };
ws.onclose = () => window.socket = window.socket == "opened" ? "opened" : "refused";
window.open(get);
</script>"""


def _start(folder: Path, *options: str) -> tuple[subprocess.Popen, int, str]:
    """Start the UI in a shell's background; return the shell, its port and the address that it printed."""
    port = free_port()
    code = "from swap_assets.cli.app import main; main()"
    command = [sys.executable, "-c", code, "ui", "--config", str(EXPERIMENT), "--port", str(port), *options]
    shell = subprocess.Popen(
        ["sh", "-c", f"{shlex.join(command)} > ui.log 2>&1 & echo $!; wait"], cwd=folder, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while is_free(port):
        assert time.monotonic() < deadline, (folder / "ui.log").read_text()
        time.sleep(0.5)
    address = next(line for line in (folder / "ui.log").read_text().splitlines() if line.startswith("http")).split()[0]
    return shell, port, address


def _ends_within_ten_seconds(shell: subprocess.Popen, number: signal.Signals) -> None:
    assert shell.stdout
    leader = psutil.Process(int(shell.stdout.readline()))
    all_of_it = [leader, *leader.children(recursive=True)]
    assert len(all_of_it) >= 4
    leader.send_signal(number)
    assert psutil.wait_procs(all_of_it, timeout=10)[1] == []


def _kill(shell: subprocess.Popen) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in [*psutil.Process(shell.pid).children(recursive=True), shell]:
            process.kill()
    shell.wait(timeout=10)


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui")
    shell, port, link = _start(folder)
    yield folder, shell, port, link
    _kill(shell)


@pytest.fixture(scope="module")
def victim(ui):
    """A browser in which the UI is open, and in which evil.example is a name of this machine."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as started:
        rebound = "--host-resolver-rules=MAP evil.example 127.0.0.1"
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", rebound])
        context = browser.new_context(viewport={"width": 1500, "height": 950})
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.goto(ui[3])
        yield context, page
        browser.close()


def _approvals(folder: Path, asset: str = "release_approval") -> int:
    with dg.DagsterInstance.from_config(str(folder / "state" / "dagster")) as instance:
        return len(instance.fetch_materializations(dg.AssetKey(asset), limit=10).records)


def test_the_ui_works_behind_its_guard_and_a_run_is_launched_and_followed_there(ui, victim):
    folder, _, port, _ = ui
    _, page = victim
    sockets, heard = [], []

    def listen(socket) -> None:
        sockets.append(socket.url)
        socket.on("framereceived", lambda frame: heard.append(frame))

    page.on("websocket", listen)
    page.goto(f"http://127.0.0.1:{port}/asset-groups")
    for group in ("dataset", "test_splits", "release"):
        page.get_by_text(group, exact=True).first.wait_for()
    page.goto(f"http://127.0.0.1:{port}/assets/hermes_conversations")
    page.get_by_role("button", name="Materialize").first.click()
    deadline = time.monotonic() + 180
    while not _approvals(folder, "hermes_conversations"):
        assert time.monotonic() < deadline
        page.wait_for_timeout(1000)
    assert sockets and all(url.startswith(f"ws://127.0.0.1:{port}/graphql") for url in sockets) and heard


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example"])
def test_nothing_that_a_foreign_page_sends_is_executed_or_read(ui, victim, tmp_path, host):
    """Another port of this machine is the same site to a browser, which adds the cookie; another name is not."""
    folder, _, port, _ = ui
    context, _ = victim
    told = {"at": repr(f"http://127.0.0.1:{port}"), "query": repr(EVENTS.replace("\n", " ") % "release_approval")}
    (tmp_path / "index.html").write_text(ATTACK % told)
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as foreign:
        threading.Thread(target=foreign.serve_forever, daemon=True).start()
        page = context.new_page()
        page.goto(f"http://{host}:{foreign.server_port}/")
        page.wait_for_function("window.socket != 'waits'")
        page.wait_for_timeout(4000)
        assert page.evaluate("[window.socket, window.read]") == ["refused", "nothing"]
        framed = next(frame for frame in page.frames if frame.url.rstrip("/") == f"http://127.0.0.1:{port}")
        assert "Refused" in framed.content()
        page.close()
        foreign.shutdown()
    assert _approvals(folder) == 0


def test_a_name_that_is_bound_anew_to_this_machine_reads_and_changes_nothing(ui, victim):
    folder, _, port, _ = ui
    page = victim[0].new_page()
    assert page.goto(f"http://evil.example:{port}/").status == 421
    told = page.evaluate(
        "async query => { const how = {method: 'POST', headers: {'Content-Type': 'application/json'},"
        "body: JSON.stringify({query})}; return (await fetch('/graphql', how)).status; }",
        EVENTS % "release_approval",
    )
    assert told == 421 and _approvals(folder) == 0
    page.close()


def test_what_foreign_pages_sent_is_executed_where_a_page_of_the_ui_sends_it(ui, victim):
    """Else the tests above would show nothing."""
    folder, _, port, _ = ui
    page = victim[0].new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    told = page.evaluate(
        "async query => { const how = {method: 'POST', headers: {'Content-Type': 'application/json'},"
        "body: JSON.stringify({query})}; return await (await fetch('/graphql', how)).text(); }",
        EVENTS % "merged_model",
    )
    assert "ReportRunlessAssetEventsSuccess" in told and _approvals(folder, "merged_model") == 1
    page.close()


def test_the_link_opens_once_and_an_interrupt_ends_all_of_it_though_the_shell_ignored_those(ui):
    _, shell, port, link = ui
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 401
    httpx.get(link)
    assert httpx.get(link).status_code == 401
    _ends_within_ten_seconds(shell, signal.SIGINT)
    assert is_free(port)


def test_a_read_only_ui_changes_nothing_and_ends_on_sigterm(tmp_path):
    shell, port, address = _start(tmp_path, "--read-only", "--no-token")
    try:
        own = {"Origin": f"http://127.0.0.1:{port}"}
        assert address == own["Origin"] and httpx.get(address).status_code == 200
        told = httpx.post(f"{address}/graphql", headers=own, json={"query": EVENTS % "release_approval"}, timeout=60)
        assert "UnauthorizedError" in told.text
        reported = f"{address}/report_asset_materialization/release_approval?partition=little%7Ctiny"
        assert httpx.post(reported, headers=own, timeout=60).status_code == 401
        assert _approvals(tmp_path) == 0
        _ends_within_ten_seconds(shell, signal.SIGTERM)
    finally:
        _kill(shell)
