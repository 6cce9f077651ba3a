"""The browser of the tests of pages, the server that they look at, and how one is opened."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings

WAIT_MILLISECONDS = 30_000
"""At most, for what appears on a page: other tests run beside this one."""
expect.set_options(timeout=WAIT_MILLISECONDS)


# Not for the whole session: what drives the browser keeps an event loop, and the tests of other folders need their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def module_server() -> Iterator[RunningServer]:
    with running(Settings(port=0)) as server:
        yield server


@pytest.fixture
def target(module_server: RunningServer) -> RunningServer:
    httpx.post(f"{module_server.origin}/__mock__/reset", json={}).raise_for_status()
    return module_server


@pytest.fixture
def troubles() -> list[str]:
    return []


@pytest.fixture
def open_page(browser: Browser, target: RunningServer, troubles: list[str]) -> Iterator[Callable[..., Page]]:
    contexts = []

    def open_page(path: str, **options: Any) -> Page:
        context = browser.new_context(base_url=target.origin, locale="en-US", **options)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if "Security Policy" in message.text else None)
        page.goto(f"/__mock__/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []
