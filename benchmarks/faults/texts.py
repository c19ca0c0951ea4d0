"""Hostile texts through every output, and secrets searched in everything that was written.

A text that others wrote must come back from the folder letter by letter, and open no markup, formula or terminal code
in a report's page, Markdown, model cards, tables and terminal. Planted keys, which the server quotes, stand nowhere.
"""

import os
import random
import re
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt

from benchmarks.faults.outcomes import Outcome, counted
from swap_assets.backends.hosted.cache import AnswerCache, Spend
from swap_assets.backends.hosted.messages import Reply
from swap_assets.backends.report.archive import write_report
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.domain.formats.literals import without_lone_surrogates
from swap_assets.domain.model import Conversation, Provenance, Turn
from swap_assets.domain.report.tables import terminal_text
from swap_assets_tests.backends.test_hosted_faults import ask
from swap_assets_tests.domain.reports import full_report
from swap_assets_tests.domain.test_report_text import HOSTILE
from swap_assets_tests.fakes import ChatServer
from swap_assets_tests.secrets_search import leaks

TEXTS = (
    *HOSTILE, "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\x1b[31mred\x07\x00", "\u202etxet\u202c",
    "\u2028\u2029", "</style><svg onload=alert(1)>", "{{ 7*7 }} {% raw %}", "'; DROP TABLE answers; --",
    "\ud83d half", "\ufeff\x85",
    "<a href=javascript:alert(1)>x</a><form action=https://evil.example><input></form>",
)  # fmt: skip
FORBIDDEN = {"script", "iframe", "form", "link", "object", "embed", "input", "base", "em", "del"}
KEYS = {f"KEY_{number}": f"sk-planted-{number}-Zq7xW2mK9pL4vT8" for number in range(4)}


def run(draws: random.Random) -> Iterator[Outcome]:
    """Send each text through the folder and through a report, then the keys through answers and refusals."""
    yield counted("hostile texts in the folder", [_kept(text) for text in TEXTS])
    found = [(_shown(text), text) for text in TEXTS]
    why = next((f"{text!r}" for end, text in found if end != "survived"), "")
    yield counted("hostile texts in a report", [end for end, _ in found], why=why)
    yield _searched()


def _kept(text: str) -> str:
    # Half a surrogate pair is quarantined when rows are read, and taken out of answers.
    text = without_lone_surrogates(text)
    said = Provenance(source=text or "x", origin="real")
    row = Conversation(id="c", system=text, turns=(Turn(role="user", text=text),), provenance=said)
    reply = Reply(text=text, finish_reason="stop")
    with tempfile.TemporaryDirectory() as folder:
        store = ArtefactStore(Path(folder))
        store.write("hermes_conversations", None, [row], kind=list[Conversation])
        with AnswerCache(Path(folder) / "answers.sqlite3") as cache:
            cache.keep("k", reply, Spend(), model=reply.text, epoch="e")
        with AnswerCache(Path(folder) / "answers.sqlite3") as cache:
            kept = cache.find(["k"]) == {"k": reply}
        same = kept and store.read("hermes_conversations", None, list[Conversation]) == [row]
    return "survived" if same else "silent"


class _Tags(HTMLParser):
    """Collects what a page would open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        handlers = {name for name, _ in attrs if name.startswith("on")}
        named = [value or "#" for name, value in attrs if name in ("src", "href")]
        loads = {value for value in named if re.match(r"(?!#|data:image)", value)}
        self.found |= {tag, *handlers, *loads}


def _shown(text: str) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = write_report(full_report(without_lone_surrogates(text)), Path(name))
        page = (folder / "report.html").read_text(encoding="utf-8")
        opened = {tag for tag in _Tags(page).found if tag in FORBIDDEN or tag.startswith(("on", "http", "javascript"))}
        render = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render
        for path in (folder / "report.md", *folder.rglob("MODEL_CARD.md")):
            tags = _Tags(render(path.read_text(encoding="utf-8"))).found
            opened |= tags & (FORBIDDEN | {"img", "onerror", "javascript:alert(1)"})
        cells = [cell for path in folder.glob("csv/*.csv") for cell in path.read_text(encoding="utf-8").split(",")]
        formulas = [cell for cell in cells if re.match(r'"?[\t ]*(=|@|\+1\+|-2\+)', cell)]
    codes = re.search(r"[\x00\x07\x1b\u202e]", f"{page}{terminal_text(text)}")
    return "leaked" if opened or formulas or codes else "survived"


def _refused(folder: Path, variable: str, secret: str, *, status: int) -> int:
    """Ask a server that refuses with a key in its words; keep what is said, and return how often it was asked."""
    folder.mkdir()
    quoted = f'{{"error": {{"message": "Incorrect API key provided: {secret}"}}}}'
    with ChatServer(lambda *_: (status, {}, quoted)) as server:
        try:
            ask(server.base_url, folder, 3, key_env=variable, max_retries=1)
        except RuntimeError as error:
            (folder / "said").write_text(str(error))
        return len(server.requests)


def _searched() -> Outcome:
    """Ask with planted keys a server that quotes them, refused and answering, and search what was written."""
    os.environ.update(KEYS)
    with tempfile.TemporaryDirectory() as name:
        refusals = sum(
            _refused(Path(name) / variable, variable, secret, status=status)
            for (variable, secret), status in zip(KEYS.items(), (401, 403, 400, 500), strict=False)
        )
        found = leaks(Path(name), KEYS)
    return Outcome(
        "secrets, searched", refusals, survived=refusals - len(found), leaked=len(found), why=str(found or "")
    )
