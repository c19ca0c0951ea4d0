"""Dagster's web server behind a guard: foreign pages can neither read the experiment nor approve a release.

Dagster 1.13 executes mutations that come by GET, from any page and under any host name. So: only names of this machine
as Host (a page whose name was bound anew to 127.0.0.1 has another), no GraphQL by GET, and everything that can change
something, web sockets too, from the same origin alone. With a token, a link that works once sets a cookie, so that
other people of the machine are kept out as well.

`python -m swap_assets.cli.web_guard dev ...` is `dagster dev ...` whose web server is guarded.
"""

import atexit
import contextlib
import hmac
import os
import re
import secrets
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import psutil
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from swap_assets.backends.processes.supervision import ending_signals

TOKEN_VARIABLE, READ_ONLY_VARIABLE = "SWAP_UI_TOKEN", "SWAP_UI_READ_ONLY"
TOKEN = "token"
_STOP_S = 6.0  # for Dagster's own way to end
_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
_CHANGE_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_FOREIGN_HOST = "This server answers under 127.0.0.1 and localhost alone."
_FOREIGN_PAGE = "Refused: the request comes from no page of this server; a script sends its address as Origin."
_BY_GET = "Refused: GraphQL is asked by POST here."
_NO_COOKIE = "Open the link that `swap-assets ui` printed. It works once; start that again for another, or --no-token."
Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class Guard:
    """An ASGI application that refuses what comes from elsewhere, and hands the rest on; `token` "" asks for none."""

    def __init__(self, app: Asgi, *, token: str = "") -> None:
        self._app, self._token, self._secret = app, token, secrets.token_urlsafe(32) if token else ""

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a connection; a lifespan message is the application's own."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        answer = self._answer(HTTPConnection(scope), scope)
        if answer is None:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        await answer(scope, receive, send)

    def _answer(self, asked: HTTPConnection, scope: Scope) -> Response | None:
        """Return what is answered in the application's place, None where it may answer."""
        method, told = scope.get("method", ""), asked.headers
        if not _HOST.fullmatch(host := told.get("host", "").lower()):
            return PlainTextResponse(_FOREIGN_HOST, status_code=421)
        # The browser's word: a picture, frame or script of a foreign page sends no Origin. A link there may lead here.
        foreign = told.get("sec-fetch-site") in ("cross-site", "same-site") and told.get("sec-fetch-dest") != "document"
        if foreign or (method not in _CHANGE_NOTHING and told.get("origin") != f"http://{host}"):
            return PlainTextResponse(_FOREIGN_PAGE, status_code=403)
        at_graphql = scope["path"].rstrip("/").endswith("graphql")
        if at_graphql and method in _CHANGE_NOTHING and "query" in asked.query_params:
            return PlainTextResponse(_BY_GET, status_code=405)
        # Cookies know no ports: without its port in the name two servers would take each other's.
        cookie = f"swap_assets_ui_{(scope.get('server') or ('', 0))[1]}"
        if not self._secret or _same(asked.cookies.get(cookie, ""), self._secret):
            return None
        if method == "GET" and self._token and _same(asked.query_params.get(TOKEN, ""), self._token):
            self._token = ""
            found = RedirectResponse("/", status_code=303)
            found.set_cookie(cookie, self._secret, httponly=True, samesite="strict")
            return found
        return PlainTextResponse(_NO_COOKIE, status_code=401)


def _same(told: str, secret: str) -> bool:
    return hmac.compare_digest(told.encode("utf-8", "surrogateescape"), secret.encode())


def _dev() -> None:
    """Run Dagster's own command, whose web server becomes ours; the token reaches no run.

    It has no place for middleware: two names of its modules are replaced, and the tests would miss either.
    """
    from dagster._cli import dev, main

    token, begin = os.environ.pop(TOKEN_VARIABLE, ""), vars(dev)["open_ipc_subprocess"]
    read_only = ["--read-only"] if os.environ.pop(READ_ONLY_VARIABLE, "") else []

    def guarded(parts: list[str], **how: Any) -> Any:
        if "dagster_webserver" not in parts:
            return begin(parts, **how)
        ours = [__spec__.name if part == "dagster_webserver" else part for part in parts]
        return begin([*ours, *read_only], env={**os.environ, TOKEN_VARIABLE: token}, **how)

    setattr(dev, "open_ipc_subprocess", guarded)  # noqa: B010
    for number in ending_signals():
        signal.signal(number, _leave)
    main()


def _leave(*_: object) -> None:
    """Let Dagster end in order, which may take it minutes; what is there after some seconds is killed."""
    for number in ending_signals():
        signal.signal(number, signal.SIG_IGN)
    children = psutil.Process().children(recursive=True)
    atexit.register(_kill, children)
    late = threading.Timer(_STOP_S, lambda: (_kill(children), os._exit(0)))
    late.daemon = True
    late.start()
    raise KeyboardInterrupt


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _web_server() -> None:
    from dagster_webserver import cli

    token, name = os.environ.pop(TOKEN_VARIABLE, ""), "create_app_from_workspace_process_context"
    make = vars(cli)[name]
    setattr(cli, name, lambda *given, **how: Guard(make(*given, **how), token=token))
    cli.main()


if __name__ == "__main__":
    _dev() if sys.argv[1] == "dev" else _web_server()
