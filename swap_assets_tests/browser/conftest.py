"""A headless Chromium of this machine, started once; without it or playwright the tests skip and say why."""

import os
import shutil
from collections.abc import Callable

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="package")  # its event loop must not outlive the tests that need it
def browser():
    """Return a started browser."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e '.[ui]'"
    )
    found = os.environ.get("SWAP_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if not found:
        pytest.skip("no chromium on this machine; SWAP_CHROMIUM may name one")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield opened
        opened.close()


class Watched:
    """A page with everything that a hostile text could have made it do."""

    def __init__(self, page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.stopped: dict[str, str | None] = {}
        self.said: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.stopped.update({request.url: request.failure}))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        # A policy violation is an event; the listener is the tester's, outside the page's own policy.
        page.add_init_script(
            "window.violations = [];"
            "document.addEventListener('securitypolicyviolation', e => window.violations.push(e.violatedDirective));"
        )

    def violations(self) -> list[str]:
        """Return what the content security policy stopped."""
        return self.page.evaluate("window.violations")


@pytest.fixture
def watch(browser) -> Callable[..., Watched]:
    """Open pages that are watched; they are closed at the end."""
    contexts = []

    def open_page(*, width: int = 1280, scheme: str = "light") -> Watched:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        return Watched(context.new_page())

    yield open_page
    for context in contexts:
        context.close()
