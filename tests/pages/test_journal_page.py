"""The journal on the page: search, pages, a request's page, sending again, comparing and exporting."""

import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from pages.test_accessibility import examine
from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
NEBULA = "/nebula/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
TASK = {"model": "qwen-image-edit", "prompt": "a hat", "image_urls": ["https://example.com/a.png"]}


@pytest.fixture
def client(target: RunningServer) -> Any:
    key = {"Authorization": "Bearer sk-mock"}
    with httpx.Client(base_url=target.origin, headers=key) as client:
        yield client


def opened(page: Page, text: str) -> Any:
    """Open the newest entry with a text; return its details."""
    page.locator("button.entry", has_text=text).first.click()
    return page.get_by_role("article", name="Exchange")


def test_search_finds_what_the_page_has_never_shown(client: httpx.Client, open_page: Callable[..., Page]) -> None:
    client.post(NEBULA, json=BODY | {"prompt": "the needle"})
    client.post(NEBULA, json=BODY | {"parameters": {"size": "1x1"}})
    for number in range(120):
        client.post(NEBULA, json=BODY | {"prompt": f"hay {number}"})
    page = open_page("")
    entries = page.locator("button.entry")
    expect(page.get_by_text("122 found")).to_be_visible()
    expect(entries).to_have_count(50)
    for count in (100, 122):
        page.get_by_role("button", name="Load more").click()
        expect(entries).to_have_count(count)
    expect(page.get_by_role("button", name="Load more")).to_have_count(0)
    assert len(set(entries.all_inner_texts())) == 122, "an entry is shown twice"
    page.get_by_label("Search").fill("NEEDLE")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(entries).to_have_count(1)
    expect(entries).to_contain_text("qwen-image-plus")
    expect(entries).to_contain_text("1 image(s) · 0.18 CNY")
    expect(entries).to_contain_text("the needle")
    # The search is in the address: it comes back with it.
    page.reload()
    expect(entries).to_have_count(1)
    page.get_by_label("Search").fill("")
    page.get_by_label("Status").select_option("4xx")
    expect(entries).to_have_count(1)
    page.get_by_label("Model").select_option("qwen-image-edit-plus")
    expect(page.get_by_text("nothing matches the filters")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(entries).to_have_count(50)
    page.get_by_text("More filters").click()
    page.get_by_label("Rule").fill("nebula/simplified/parameters")
    expect(entries).to_have_count(1)
    page.get_by_label("Rule").fill("")
    page.get_by_label("From").fill("2099-01-01T00:00:00")
    expect(page.get_by_text("nothing matches the filters")).to_be_visible()
    page.goto("/__mock__/#journal?status=6xx")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("status: expected a status as 404 or a class as 4xx")


def test_opened_entry_stays_open_and_nothing_is_lost_under_load(browser: Browser) -> None:
    with running(Settings(port=0, journal_max=5000)) as server:
        context = browser.new_context(base_url=server.origin, locale="en-US")
        follow(server, context)
        context.close()


def follow(server: RunningServer, context: BrowserContext) -> None:
    key = {"Authorization": "Bearer sk-mock"}
    httpx.post(f"{server.origin}{NEBULA}", json=BODY | {"prompt": "first"}, headers=key).raise_for_status()
    page, search = context.new_page(), context.new_page()
    page.goto("/__mock__/")
    detail = opened(page, "first")
    expect(detail).to_contain_text("first")
    search.goto("/__mock__/#journal?text=needle")
    expect(search.get_by_text("live", exact=True)).to_be_visible()
    end = threading.Event()
    needles: list[str] = []

    def load() -> None:
        with httpx.Client(base_url=server.origin, headers=key) as sender:
            while not end.is_set():
                needle = f"needle {len(needles)}."
                for prompt in [needle, *["hay"] * 60]:
                    sender.post(NEBULA, json=BODY | {"prompt": prompt})
                needles.append(needle)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        expect(search.get_by_text(re.compile(r"needle 5\."))).to_be_visible()
        expect(page.locator("button.entry")).to_have_count(50)
        expect(page.locator("button.entry", has_text="first")).to_have_count(0)
        expect(detail).to_contain_text("first")
        page.get_by_role("button", name="Pause").click()
        shown = page.locator("button.entry").all_inner_texts()
        expect(page.get_by_role("button", name=re.compile(r"Resume \(\d{2,} new\)"))).to_be_visible()
        assert page.locator("button.entry").all_inner_texts() == shown
    finally:
        end.set()
        thread.join()
    for needle in needles:
        expect(search.locator("button.entry", has_text=needle)).to_have_count(1)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    expect(detail).to_contain_text("first")


def test_arrows_lead_through_the_entries(client: httpx.Client, open_page: Callable[..., Page]) -> None:
    for name in ("one", "two", "three"):
        client.post(NEBULA, json=BODY | {"prompt": name})
    page = open_page("")
    detail = opened(page, "three")
    for key, name in (
        ("ArrowDown", "two"),
        ("ArrowDown", "one"),
        ("ArrowUp", "two"),
        ("End", "one"),
        ("Home", "three"),
    ):
        page.keyboard.press(key)
        expect(page.locator("button.entry:focus")).to_contain_text(name)
        expect(detail.locator("pre").first).to_contain_text(f'"{name}"')
    page.keyboard.press("Escape")
    expect(detail).to_have_count(0)


def test_request_has_a_page_with_all_that_is_known(
    target: RunningServer, client: httpx.Client, open_page: Callable[..., Page]
) -> None:
    client.post(NEBULA, json=BODY)
    headers = {"Prefer": "wait=0", "Cookie": "secret=1"}
    refused = client.post(NEBULA, json=BODY | {"parameters": {"size": "1x1"}}, headers=headers)
    missing = client.post(NEBULA, json={"model": "qwen-image-plus", "parameters": {}})
    keyless = httpx.post(f"{target.origin}{NEBULA}", json=BODY)
    page = open_page(f"#request?id={refused.headers['x-request-id']}")
    detail = page.get_by_role("article", name="Exchange")
    expect(detail.locator("mark")).to_have_text('    "size": "1x1"')
    for name, text in (
        ("Headers of the request", "Bearer sk-m…"),
        ("Headers of the request", "wait=0"),
        ("Headers of the answer", "nebula/simplified/parameters/size/enum"),
    ):
        group = detail.locator("details", has_text=name)
        if group.get_attribute("open") is None:
            group.locator("summary").click()
        expect(group).to_contain_text(text)
    assert "secret" not in (detail.text_content() or "")
    assert examine(page) == []
    page.goto(f"/__mock__/#request?id={missing.headers['x-request-id']}")
    expect(detail.locator("mark")).to_have_text('  "prompt" – missing')
    page.goto(f"/__mock__/#request?id={keyless.headers['x-request-id']}")
    expect(detail.get_by_role("row", name="authorization").locator("mark")).to_have_text("missing")
    page.goto("/__mock__/#request?id=gone")
    expect(page.get_by_text("The journal does not have gone any more.")).to_be_visible()


def test_request_leads_to_its_task_and_what_came_of_it(client: httpx.Client, open_page: Callable[..., Page]) -> None:
    task = {**TASK, "callback_url": "https://callbacks.invalid/"}
    created = client.post("/evolink/v1/images/generations", json=task).raise_for_status()
    client.post("/__mock__/clock", json={"advance_seconds": 600})
    client.get(f"/evolink/v1/tasks/{created.json()['id']}").raise_for_status()
    page = open_page("")
    expect(page.locator("button.entry", has_text="callback")).not_to_have_count(0)
    detail = opened(page, "a hat")
    detail.get_by_role("link", name="Queries and callbacks of its task").click()
    for text in ("callback", "GET task", "a hat"):
        expect(page.locator("button.entry", has_text=text)).not_to_have_count(0)
    page.get_by_role("button", name="Remove the filter: Task").click()
    detail = opened(page, "GET task")
    expect(detail.get_by_role("img")).not_to_have_count(0)
    detail = opened(page, "callback")
    expect(detail).to_contain_text("user-agent")
    detail.get_by_role("button", name="Send the callback again").click()
    expect(detail.get_by_role("status")).not_to_be_empty()


def test_request_leads_to_its_charge_and_task_and_back(client: httpx.Client, open_page: Callable[..., Page]) -> None:
    client.post(NEBULA, json=BODY).raise_for_status()
    client.post("/evolink/v1/images/generations", json=TASK).raise_for_status()
    page = open_page("")
    for text, link, row in (("a cat", "Its charge", "tr"), ("a hat", "Its task", "li.card")):
        page.goto("/__mock__/#journal")
        opened(page, text).get_by_role("link", name=link, exact=True).click()
        expect(page.locator(f"{row}.arrived")).to_be_in_viewport()
        page.locator(f"{row}.arrived a[href*='#request']").first.click()
        detail = page.get_by_role("article", name="Exchange")
        expect(detail).to_contain_text(text)


def test_request_is_sent_again_and_compared(client: httpx.Client, open_page: Callable[..., Page]) -> None:
    picture = {"image": fixtures.data_url("landscape.png")}
    edit = {"model": "qwen-image-edit-plus", "prompt": "a hat", "parameters": {"n": 1}}
    named = {"Authorization": "Bearer sk-mock.somebody", "Prefer": "wait=0"}
    client.post(NEBULA, json=BODY | {"prompt": "the accepted one", "tags": ["a", "b", "c"]}).raise_for_status()
    contents = [{"role": "user", "parts": [picture, {"text": "a hat"}]}]
    client.post(NEBULA, json=edit | {"contents": contents}, headers=named).raise_for_status()
    wrong = {**BODY, "prompt": "the wrong one", "parameters": {"size": "1x1"}, "tags": ["a", "x", "c", "d"]}
    client.post(NEBULA, json=wrong)
    page = open_page("")
    detail = opened(page, "a hat")
    detail.get_by_role("button", name="Choose for a comparison").click()
    detail.get_by_role("button", name="Send again").click()
    expect(detail.get_by_text("Sent again:")).to_contain_text("200")
    expect(detail.get_by_text("plain ones stood in")).to_be_visible()
    again, sent = client.get("/__mock__/journal?model=qwen-image-edit-plus").json()
    assert {name: again[name] for name in ("key", "status", "model")} == {
        name: sent[name] for name in ("key", "status", "model")
    }
    assert again["request_headers"]["prefer"] == "wait=0"
    detail = opened(page, "1x1")
    expect(detail.get_by_role("link", name="Compare with the chosen one")).to_be_visible()
    detail.get_by_role("link", name="Compare with the last accepted one").click()
    request = page.get_by_label("Request", exact=True)
    expect(request).to_be_visible()
    assert (request.text_content() or "").splitlines() == [
        "  {",
        '    "model": "qwen-image-plus"',
        '    "parameters": {',
        '-     "size": "1328*1328"',
        '+     "size": "1x1"',
        "    }",
        '-   "prompt": "the accepted one"',
        '+   "prompt": "the wrong one"',
        '    "tags": [',
        '      "a"',
        '-     "b"',
        '+     "x"',
        '      "c"',
        '+     "d"',
        "    ]",
        "  }",
    ]
    expect(page.get_by_label("Headers of the answer")).to_contain_text("x-qwenmock-rule")
    assert examine(page) == []


def test_body_that_is_no_json_is_sent_again_as_it_was(client: httpx.Client, open_page: Callable[..., Page]) -> None:
    text = "@it's no JSON"
    client.post(NEBULA, content=text, headers={"Content-Type": "application/json"})
    page = open_page("")
    detail = opened(page, "invalid JSON")
    copied = {}
    for name in ("curl", "httpx"):
        detail.get_by_role("button", name=f"Copy as {name}").click()
        copied[name] = page.evaluate("navigator.clipboard.readText()")
    assert copied["curl"].endswith("--data-raw '@it'\\''s no JSON'")
    assert 'content="@it\'s no JSON".encode()' in copied["httpx"]
    expect(detail.get_by_role("button", name="Copy as openai")).to_have_count(0)
    detail.get_by_role("button", name="Send again").click()
    expect(detail.get_by_text("Sent again:")).to_contain_text("400")
    assert [entry["request"] for entry in client.get("/__mock__/journal").json()] == [text, text]


@pytest.mark.parametrize("query", ["since=abc", "status=x"])
def test_address_with_a_wrong_filter_says_so(query: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"#journal?{query}")
    expect(page.get_by_text(f"{query.partition('=')[0]}: expected")).to_be_visible()


def test_request_opens_in_the_playground(client: httpx.Client, open_page: Callable[..., Page]) -> None:
    client.post(NEBULA, json=BODY | {"prompt": "to be changed"}).raise_for_status()
    page = open_page("")
    opened(page, "to be changed").get_by_role("button", name="Open in the playground").click()
    expect(page.locator("textarea[name=prompt]")).to_have_value("to be changed")
    expect(page.locator("select[name=variant]")).to_have_value("simplified")


def test_what_is_filtered_is_exported(client: httpx.Client, open_page: Callable[..., Page], tmp_path: Path) -> None:
    client.post(NEBULA, json=BODY | {"prompt": "needle"})
    client.post(NEBULA, json=BODY | {"prompt": "hay"})
    page = open_page("#journal?text=needle")
    expect(page.locator("button.entry")).to_have_count(1)
    for name, file in (("HAR", "journal.har"), ("curl script", "journal.sh"), ("pytest test", "test_journal.py")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename == file
        download.value.save_as(tmp_path / file)
        text = (tmp_path / file).read_text("utf-8")
        assert ("needle" in text, "hay" in text) == (True, False)


def test_journal_of_a_server_with_a_token_needs_it(browser: Browser) -> None:
    with running(Settings(port=0, admin_token="a-token")) as server:
        for path in ("journal", "journal.har", "journal.sh", "journal.py", "events"):
            assert httpx.get(f"{server.origin}/__mock__/{path}").status_code == 401
