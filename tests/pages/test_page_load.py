"""What the first page costs: how much is loaded, and in how many steps."""

import shutil
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from qwenmock.mockserver.http.server import RunningServer

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
MAX_BYTES = 60 * 1000
"""Compressed, of all that the first page loads."""
LOADED = """() => performance.getEntriesByType("resource")
    .filter((entry) => entry.name.includes("/static/"))
    .map((entry) => [new URL(entry.name).pathname, entry.encodedBodySize])"""


def test_first_page_loads_little_and_each_script_at_once(target: RunningServer, open_page: Callable[..., Page]) -> None:
    page = open_page("")
    expect(page.locator("main h2").first).to_be_visible()
    loaded = dict(page.evaluate(LOADED))
    shell = httpx.get(f"{target.origin}/__mock__/")
    assert shell.headers["content-encoding"] == "gzip"
    total = sum(loaded.values()) + int(shell.headers["content-length"])
    assert 10_000 < total < MAX_BYTES, loaded
    # What a script imports is known before it has come: it is named in the page.
    announced = page.locator("link[rel=modulepreload], script[src]").evaluate_all(
        "nodes => nodes.map((node) => new URL(node.href || node.src).pathname)"
    )
    assert {path for path in loaded if path.endswith(".js")} == set(announced)
    # The chart comes with the page that has one.
    assert not any("uplot" in path for path in loaded)
    post = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
    headers = {"Authorization": "Bearer sk-mock"}
    httpx.post(f"{target.origin}/nebula/v1/images/generations", json=post, headers=headers).raise_for_status()
    page.goto("/__mock__/#ledger")
    expect(page.locator("figure canvas")).to_be_visible()
    assert {"uplot.js", "uplot.css"} <= {path.rsplit("/", 1)[1] for path, _ in page.evaluate(LOADED)}


def test_files_of_the_page_are_sent_again_only_if_they_have_changed(target: RunningServer) -> None:
    url = f"{target.origin}/__mock__/static/app.js"
    first = httpx.get(url)
    assert first.headers["content-encoding"] == "gzip"
    plain = httpx.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert first.text == plain.text
    again = httpx.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.get(url, headers={"If-None-Match": '"another"'}).status_code == 200
