"""Fixtures: a real Chromium on the built dashboard, in front of a server that can misbehave.

`dashboard_url` and `hub_control` are all that most tests need; a harness with the whole system
behind it can provide the same two.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Literal, Protocol

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

from browser.standin import STATIC, StandIn

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = (1440, 900)
Scheme = Literal["dark", "light"]
# What the browser itself logs when a request fails; the page cannot keep it from doing so.
BROWSER_LOGS = ("net::ERR_", "Failed to load resource")


class HubControl(Protocol):
    """The hub as a test may treat it."""

    def kill(self) -> None:
        """Take the hub away, as a crash would."""

    def revive(self) -> None:
        """Bring it back at the same address."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium from this machine; never downloaded here.

    Playwright's synchronous side keeps an event loop running: it must end with these tests.
    """
    path = os.environ.get("OUTCRY_TEST_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium on PATH; OUTCRY_TEST_CHROMIUM can name one")
    if not (STATIC / "index.html").exists():
        pytest.skip("the dashboard is not built: make, or npm run build in frontend/")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """A scripted API and hub of this test's own."""
    server = StandIn()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def dashboard_url(standin: StandIn) -> str:
    """Where the dashboard is."""
    return standin.url


@pytest.fixture
def hub_control(standin: StandIn) -> HubControl:
    """What can be done to the hub behind the dashboard."""
    return standin


OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def free_pages() -> list[Page]:
    """A page that one test has done with, for the next: a new one costs half a second of work."""
    return []


@pytest.fixture
def open_page(browser: Browser, free_pages: list[Page], dashboard_url: str) -> Iterator[OpenPage]:
    """Open the dashboard at a hash and a screen size; fails if the page ever logs an error."""
    pages: list[Page] = []
    errors: list[str] = []

    def note_error(error: Error) -> None:
        errors.append(str(error))

    def note_line(line: ConsoleMessage) -> None:
        if line.type in {"error", "warning"}:
            errors.append(line.text)

    def open_at(
        view: str = "BTCUSDT/1m", size: tuple[int, int] = DESKTOP, scheme: Scheme = "dark"
    ) -> Page:
        page = free_pages.pop() if free_pages else _new_page(browser)
        pages.append(page)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.on("pageerror", note_error)
        page.on("console", note_line)
        page.goto(f"{dashboard_url}#{view}")
        return page

    yield open_at
    for page in pages:
        if page is not pages[0] or page.is_closed():
            page.context.close()
            continue
        _forget(page)
        page.remove_listener("pageerror", note_error)
        page.remove_listener("console", note_line)
        free_pages.append(page)
    assert [text for text in errors if not any(known in text for known in BROWSER_LOGS)] == []


def press(page: Page, name: str) -> None:
    """Press a button that may go away by itself: what it is for may come to pass without it."""
    page.get_by_role("button", name=name).evaluate_all("buttons => buttons[0]?.click()")


def _new_page(browser: Browser) -> Page:
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(30_000)
    return context.new_page()


def _forget(page: Page) -> None:
    """Leave a page as new. The next server has another origin, unless it gets the same port."""
    for tab in page.context.pages:
        if tab is not page:
            tab.close()
    page.unroute_all()
    with suppress(Error):  # where no page was loaded, nothing is stored
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.context.clear_cookies()
    page.goto("about:blank")
