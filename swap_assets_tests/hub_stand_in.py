"""A small hub on loopback: models with files, gates, tokens, and commits, as the hub's HTTP API has them."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class RefusedError(Exception):
    """A request that the hub answers with an error."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class HubServer:
    """Serves `models` (id -> file -> bytes); `gated` ones only to tokens in `readers`, writes only to `writers`.

    `asked` are all requests, `commits` the files that each commit brought, `private` how repositories were made.
    """

    def __init__(self) -> None:
        self.models: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.readers: set[str] = {"hf_reader", "hf_writer"}
        self.known: set[str] = {"hf_reader", "hf_writer", "hf_stranger"}
        self.writers: set[str] = {"hf_writer"}
        self.asked: list[str] = []
        self.commits: list[tuple[str, list[str]]] = []
        self.private: dict[str, bool] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._serve(self, b"")

            def do_HEAD(self) -> None:
                outer._serve(self, b"")

            def do_POST(self) -> None:
                outer._serve(self, _body(self))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put_in_force(self, patch: pytest.MonkeyPatch, cache: Any) -> None:
        """Make this process's hub client use this hub, with an empty cache and no token of the machine."""
        from huggingface_hub import constants

        patch.setenv("HF_ENDPOINT", self.url)
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))

    def _serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.asked.append(f"{handler.command} {handler.path}")
        token = (handler.headers.get("authorization") or "").removeprefix("Bearer ")
        try:
            if token and token not in self.known:
                raise RefusedError(401, message="Invalid credentials in Authorization header")
            headers, content = self._answer(handler.command, handler.path.split("?")[0], token, body)
            status = 200
        except RefusedError as refusal:
            headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
            status, content = refusal.status, json.dumps({"error": refusal.message}).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    def _answer(self, method: str, path: str, token: str, body: bytes) -> tuple[dict[str, str], bytes]:
        if path == "/api/repos/create":
            return {}, self._create(json.loads(body), token)
        if path in ("/api/validate-yaml", "/api/whoami-v2"):
            return {}, b'{"errors": [], "warnings": [], "name": "org", "type": "user", "orgs": []}'
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(.*))?", path):
            return {}, json.dumps(self._of_model(found[1], found[2] or "", token, body)).encode()
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            return self._file(found[1], found[2], token)
        raise RefusedError(404, message=f"{method} {path} is not played here")

    def _of_model(self, name: str, what: str, token: str, body: bytes) -> dict[str, Any]:
        if name not in self.models:
            raise RefusedError(404 if token else 401, "RepoNotFound", "Repository not found")
        action = what.split("/")[0]
        if action == "auth-check":
            self._gate(name, token)
            if what.endswith("write") and token not in self.writers:
                raise RefusedError(403, message="You have no right to write here")
            return {}
        if action in ("preupload", "commit"):
            if token not in self.writers:
                raise RefusedError(403, message="You have no right to write here")
            return self._preupload(name, body) if action == "preupload" else self._commit(name, body)
        if what and what not in ("revision/main", f"revision/{COMMIT}"):
            raise RefusedError(404, "RevisionNotFound", "Invalid rev id")
        files = [{"rfilename": key, "size": len(value)} for key, value in self.models[name].items()]
        return {"id": name, "sha": COMMIT, "gated": "manual" if name in self.gated else False, "siblings": files}

    def _gate(self, name: str, token: str) -> None:
        if name in self.gated and token not in self.readers:
            raise RefusedError(403 if token else 401, "GatedRepo", "Access to this model is restricted")

    def _file(self, name: str, file: str, token: str) -> tuple[dict[str, str], bytes]:
        self._gate(name, token)
        if name not in self.models:
            raise RefusedError(404, "RepoNotFound", "Repository not found")
        if file not in self.models[name]:
            raise RefusedError(404, "EntryNotFound", "Entry not found")
        content = self.models[name][file]
        return {"X-Repo-Commit": COMMIT, "ETag": f'"{_oid(content)}"', "Content-Type": "text/plain"}, content

    def _create(self, wanted: dict[str, Any], token: str) -> bytes:
        if token not in self.writers:
            raise RefusedError(403, message="You don't have the rights to create a model under this namespace")
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        if name in self.models:
            raise RefusedError(409, message="You already created this model repo")
        self.models[name] = {}
        self.private[name] = bool(wanted.get("private") or wanted.get("visibility") == "private")
        return json.dumps({"url": f"{self.url}/{name}", "name": name, "id": name}).encode()

    def _preupload(self, name: str, body: bytes) -> dict[str, Any]:
        there = self.models[name]
        return {
            "files": [
                {
                    "path": item["path"],
                    "uploadMode": "regular",
                    "shouldIgnore": False,
                    "oid": _oid(there[item["path"]]) if item["path"] in there else None,
                }
                for item in json.loads(body)["files"]
            ]
        }

    def _commit(self, name: str, body: bytes) -> dict[str, Any]:
        brought = []
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "file":
                self.models[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                brought.append(line["value"]["path"])
            if line["key"] in ("deletedFile", "deletedFolder"):
                self.models[name].pop(line["value"]["path"], None)
        self.commits.append((name, brought))
        return {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.url}/{name}/commit/{COMMIT}"}


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if length := handler.headers.get("content-length"):
        return handler.rfile.read(int(length))
    content = b""
    while size := int(handler.rfile.readline(), 16):  # chunked
        content += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return content
