"""A small local server that speaks Langfuse's OTLP endpoint and remembers every byte and every span that came."""

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OTLP_PATH = "/api/public/otel/v1/traces"
Behaviour = Callable[[], int]


def taking() -> int:
    return 200


def hanging() -> int:
    time.sleep(30)
    return 200


class LangfuseServer:
    """Takes traces as `behaviour` says, by its status code."""

    def __init__(self, behaviour: Behaviour = taking, *, answer: str = "") -> None:
        self.bodies: list[bytes] = []
        self.spans: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.bodies.append(body)
                kind, _, given = self.headers.get("authorization", "").partition(" ")
                outer.keys.add(base64.b64decode(given).decode() if kind == "Basic" else "")
                if self.path == OTLP_PATH:
                    outer.spans.extend(_spans(body))
                self.send_response(behaviour())
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "LangfuseServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.socket.close()

    def environment(self, *, secret: str = "sk-lf-test") -> dict[str, str]:
        return {"LANGFUSE_PUBLIC_KEY": "pk-lf-test", "LANGFUSE_SECRET_KEY": secret, "LANGFUSE_HOST": self.url}


def _spans(body: bytes) -> list[dict[str, Any]]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest.FromString(body)
    found = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    return [{"name": span.name, **{item.key: _value(item.value) for item in span.attributes}} for span in found]


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    plain = getattr(value, kind)
    if isinstance(plain, str) and plain[:1] in "[{":
        return json.loads(plain)
    return plain
