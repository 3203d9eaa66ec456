"""A console that is served, and a real Chromium in front of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn

from ground.console.app import make_app
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from tests.conftest import wait_until

PASSWORD: Final = b"correct horse"
CHROMIUM: Final = shutil.which("chromium") or ""
AXE: Final = Path(__file__).parent / "vendor" / "axe.min.js"
WIDE: Final = {"width": 1280, "height": 900}
NARROW: Final = {"width": 375, "height": 812}
_AXE_RUN = "() => axe.run(document, {resultTypes: ['violations']})"
_PARTS_ARE_HERE = """() => !document.querySelector("[hx-trigger=load], [hx-trigger^=every], .htmx-request")"""
_OVERFLOW = "() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth"

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium on the path; apt-get install chromium")


@contextlib.contextmanager
def served(settings: ConsoleSettings) -> Iterator[str]:
    """The console at a free port of this machine, with a user of each role; its address."""
    app = make_app(settings)
    for role in Role:
        app.state.services.accounts.add(role.value, role, PASSWORD)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, "the console to answer")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*options, "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A person before a browser, and what the browser complained of.

    Attributes:
        page: Playwright's page.
        base: Address of the console.
        complaints: What scripts logged as errors, and requests that failed.
    """

    page: Any
    base: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(120_000)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{self.page.url}: {message.type}: {message.text}")

    def log_in(self, role: Role) -> None:
        """Log in by the form."""
        self.page.goto(f"{self.base}/login")
        self.page.get_by_label("Name").fill(role.value)
        self.page.get_by_label("Password").fill(PASSWORD.decode())
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"{self.base}/")

    def open(self, path: str) -> None:
        """Open a page and wait until what it loads is there."""
        self.page.goto(f"{self.base}{path}")
        self.page.wait_for_load_state("load")
        self.page.wait_for_function(_PARTS_ARE_HERE)
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('[data-plot]')].every((e) => e.children.length)"
        )

    def violations(self) -> list[str]:
        """What axe finds on the page that is open."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate(_AXE_RUN)["violations"]
        return [f"{self.page.url}: {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]

    def overflow_px(self) -> int:
        """By how much the page is wider than the screen."""
        return int(self.page.evaluate(_OVERFLOW))


@contextlib.contextmanager
def visiting(browser: Any, base: str, *, viewport: dict[str, int], scheme: str = "light") -> Iterator[Visit]:
    """A new browser profile: no cookies, a screen, a colour scheme."""
    context = browser.new_context(viewport=viewport, color_scheme=scheme, device_scale_factor=1)
    try:
        yield Visit(context.new_page(), base)
    finally:
        context.close()
