"""Rows of the hub, by a server that stands in for it: the pinned revision, hashes, and when it fails."""

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from swap_assets.backends.datasets.files import SourceError
from swap_assets.backends.datasets.loading import load_source
from swap_assets.backends.hub.access import HubUnreachableError
from swap_assets.domain.experiment.sources import HERMES_REVISION, HubSource, LocalSource
from swap_assets.domain.synthetic.generator import GeneratorSettings
from swap_assets_tests.domain.data_rows import LIGHT_CALL, call_text, hermes_row

ROWS = [hermes_row(call_text(LIGHT_CALL), human=f"Light {index}.", id=str(index)) for index in range(4)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def _load(path: Path | str, **options):
    return load_source(LocalSource(path=str(path), **options))


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download needs: one file at one revision."""

    content = LINES.encode()
    asked: list[str] = []  # noqa: RUF012  (emptied by the fixture)

    def _answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        if not self.path.endswith(f"/resolve/{HERMES_REVISION}/data.json"):
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", HERMES_REVISION)
        self.send_header("ETag", '"' + hashlib.sha256(self.content).hexdigest() + '"')
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        if body:
            self.wfile.write(self.content)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[_Hub]]:
    import huggingface_hub.constants as constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    _Hub.asked.clear()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield _Hub
    server.shutdown()
    server.server_close()


def _hub_source(**options) -> HubSource:
    return HubSource(**({"dataset": "someone/rows", "files": {"all": "data.json"}} | options))


def test_the_hub_is_asked_for_the_pinned_revision_and_the_rows_say_where_they_are_from(hub):
    loaded = load_source(_hub_source(sha256={"all": hashlib.sha256(hub.content).hexdigest()}))
    assert len(loaded.conversations) == 4
    place = loaded.conversations[1].provenance
    assert (place.source, place.config, place.row, place.revision) == ("someone/rows", "all", 1, HERMES_REVISION)
    assert all(HERMES_REVISION in path for path in hub.asked)


def test_a_file_with_another_hash_is_refused_even_where_the_generator_may_step_in(hub):
    with pytest.raises(SourceError, match=r"has SHA-256 .*source\.sha256\.all"):
        load_source(_hub_source(sha256={"all": "0" * 64}, fallback="synthetic"))


def test_the_pinned_commit_of_hermes_has_known_hashes_and_another_commit_has_none():
    assert len(HubSource().expected_sha256("func_calling")) == 64
    assert HubSource(revision="main").expected_sha256("func_calling") == ""


def test_a_file_that_the_hub_does_not_have_is_named(hub):
    with pytest.raises(HubUnreachableError, match=r"the hub has no someone/rows/other\.json"):
        load_source(_hub_source(files={"all": "other.json"}))


def test_when_the_hub_fails_the_generator_steps_in_only_where_allowed_and_the_first_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    import huggingface_hub.constants as constants

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HubUnreachableError, match="the hub can't be reached"):
        load_source(_hub_source())
    loaded = load_source(_hub_source(fallback="synthetic", generator=GeneratorSettings(rows=10)))
    assert {row.provenance.origin for row in loaded.conversations} == {"synthetic"}
    assert loaded.first_line_warning.startswith("THE DATA ARE SYNTHETIC: 10 generated conversations stand in")
