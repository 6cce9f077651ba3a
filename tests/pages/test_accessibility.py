"""Every page is accessible, as far as axe-core can tell: light and dark, on a wide and on a narrow screen."""

import shutil
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from extent import usually
from playwright.sync_api import Page, expect

from pages.views import EMPTY_VIEWS, VIEWS, fill
from qwenmock.mockserver.http.server import RunningServer

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
SCREENS: list[list[tuple[Any, int]]] = [[("light", 1280), ("dark", 360)], [("dark", 1280), ("light", 360)]]
ON_SCREENS = pytest.mark.parametrize("screens", usually(SCREENS, SCREENS[:1]))


def examine(page: Page, screens: Sequence[tuple[Any, int]] = (*SCREENS[0], *SCREENS[1])) -> list[str]:
    """Return what axe-core finds on a page as it is shown on each of the screens."""
    found: list[str] = []
    for scheme, width in screens:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        result = Axe().run(page, options={"resultTypes": ["violations"]})
        found += [
            f"{scheme} {width}: {violation['id']}: {node['html'][:200]} {node['failureSummary']}"
            for violation in result.response["violations"]
            for node in violation["nodes"]
        ]
        needed = page.evaluate("document.documentElement.scrollWidth")
        found += [f"{scheme} {width}: the page is {needed} pixels wide"] if needed > width else []
    return found


@ON_SCREENS
@pytest.mark.parametrize("view", EMPTY_VIEWS)
def test_every_empty_page_is_accessible_and_offers_something(
    open_page: Callable[..., Page], view: str, screens: list[tuple[Any, int]]
) -> None:
    page = open_page(view)
    expect(page.locator(EMPTY_VIEWS[view]).first).to_be_visible()
    assert examine(page, screens) == []


@ON_SCREENS
@pytest.mark.parametrize("view", VIEWS)
def test_every_page_is_accessible(
    target: RunningServer, open_page: Callable[..., Page], view: str, screens: list[tuple[Any, int]]
) -> None:
    fill(target)
    page = open_page(view)
    expect(page.locator(VIEWS[view]).first).to_be_visible()
    if view == "":
        page.locator("button.entry").nth(1).click()
        expect(page.get_by_role("article")).to_be_visible()
    assert examine(page, screens) == []
