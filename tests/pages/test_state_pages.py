"""What the double keeps, as the pages show it: pictures, money, tasks, faults, the clock, and where rules were read."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from qwenmock.mockserver.http.server import RunningServer

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
EDIT = {
    "model": "qwen-image-edit",
    "prompt": "a hat",
    "image_urls": ["https://example.com/a.png"],
}


def post(server: RunningServer, slug: str, body: dict[str, Any], key: str = "sk-mock") -> None:
    url = f"{server.origin}/{slug}/v1/images/generations"
    httpx.post(url, json=body, headers={"Authorization": f"Bearer {key}"}).raise_for_status()


def forward(server: RunningServer, seconds: int) -> None:
    httpx.post(f"{server.origin}/__mock__/clock", json={"advance_seconds": seconds}).raise_for_status()


def test_gallery_shows_every_picture_with_its_link_and_downloads_it(
    target: RunningServer, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page("#gallery")
    command = page.locator(".empty pre").text_content() or ""
    assert "curl" in command
    expect(page.get_by_role("link", name="Make a request in the playground")).to_be_visible()
    post(target, "nebula", BODY)
    post(target, "evolink", EDIT)
    forward(target, 3000)
    pictures = page.locator("li.card")
    expect(pictures).to_have_count(2)
    cat = pictures.filter(has_text="a cat")
    expect(cat).to_contain_text("1328 × 1328")
    expect(cat).to_contain_text("nebula · qwen-image-plus")
    expect(cat).to_contain_text("23 h")
    assert cat.get_by_role("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 1328
    request_id = httpx.get(f"{target.origin}/__mock__/ledger?provider=nebula").json()["charges"][0]["request_id"]
    request = f"/__mock__/#request?id={request_id}"
    assert cat.locator("dd a").get_attribute("href") == request
    with page.expect_download() as download:
        cat.get_by_role("link", name="Download a cat").click()
    assert download.value.suggested_filename.startswith("qwen-image-plus-")
    download.value.save_as(tmp_path / "cat.png")
    assert (tmp_path / "cat.png").read_bytes().startswith(b"\x89PNG")
    page.get_by_label("Search").fill("no such prompt")
    expect(page.get_by_text("There is something, but nothing matches the filters.")).to_be_visible()
    expect(page.get_by_text("Nothing yet.")).to_have_count(0)
    page.get_by_role("button", name="Clear the filters").click()
    expect(pictures).to_have_count(2)
    forward(target, 86400)
    expect(cat).to_contain_text("expired")
    expect(cat.get_by_role("img")).to_have_count(0)


def test_ledger_has_a_chart_and_exact_totals_for_each_currency(
    target: RunningServer, open_page: Callable[..., Page]
) -> None:
    for _ in range(3):  # 3 × 0.18 is no sum of floats
        post(target, "nebula", BODY)
    post(target, "nebula", BODY, "sk-mock.other")
    post(target, "evolink", EDIT)
    forward(target, 60)
    page = open_page("#ledger")
    expect(page.get_by_role("img", name="Spending: 0.72 CNY")).to_be_visible()
    expect(page.get_by_role("img", name="Spending: 2.3 credits")).to_be_visible()
    expect(page.locator("figure canvas")).to_have_count(2)
    expect(page.get_by_role("heading", name="Spending: 2.3 credits (0.0319 USD)")).to_be_visible()
    keys = page.get_by_role("region", name="CNY").get_by_role("table", name="By key")
    expect(keys.get_by_role("row", name="sk-mock 3")).to_contain_text("0.54")
    expect(keys.get_by_role("row", name="sk-mock.other 1")).to_contain_text("0.18")
    models = page.get_by_role("region", name="credits").get_by_role("table", name="By model")
    expect(models.get_by_role("row", name="qwen-image-edit")).to_contain_text("0.0319")
    charge = httpx.get(f"{target.origin}/__mock__/ledger?provider=evolink").json()["charges"][0]
    row = page.locator(f"#charge-{charge['request_id']}")
    assert row.get_by_role("link").get_attribute("href") == f"/__mock__/#request?id={charge['request_id']}"
    spent = page.get_by_role("table", name="Accounts").locator("td:nth-child(5)")
    assert spent.all_text_contents() == ["0.54", "0.18", "2.30"], "the points stand one below the other"
    chart = page.locator("figure").first
    box = chart.locator("canvas").bounding_box()
    assert box is not None
    # The newest bar stands at the right end.
    page.mouse.move(box["x"] + box["width"] - 28, box["y"] + box["height"] / 2)
    expect(chart.locator(".tip")).to_contain_text("0.72 CNY")
    page.get_by_label("Search").fill("nobody")
    expect(page.get_by_text("There is something, but nothing matches the filters.")).to_be_visible()


def test_tasks_show_prompt_time_cost_and_picture(target: RunningServer, open_page: Callable[..., Page]) -> None:
    post(target, "evolink", EDIT)
    post(target, "evolink", {**EDIT, "prompt": "a scarf [[qwenmock: wait=200]]"})
    forward(target, 60)
    page = open_page("#tasks")
    hat = page.locator("li.card", has=page.get_by_role("heading", name="a hat"))
    expect(hat.get_by_text("succeeded")).to_be_visible()
    task = httpx.get(f"{target.origin}/__mock__/tasks").json()[1]
    assert hat.get_attribute("id") == f"task-{task['id']}"
    link = hat.locator("dd a")
    assert link.get_attribute("href") == f"/__mock__/#request?id={task['request_id']}"
    expect(hat).to_contain_text("Cost2.3 credits")
    expect(hat).to_contain_text("Took1.0 s")
    expect(hat.get_by_role("img", name="a hat")).to_be_visible()
    scarf = page.locator("li.card", has=page.get_by_role("heading", name="a scarf"))
    expect(scarf).to_contain_text("Reserved2.3 credits")
    expect(scarf).to_contain_text("Ends")


def test_scenarios_start_and_every_member_of_a_fault_is_in_the_form_and_in_words(
    target: RunningServer, open_page: Callable[..., Page]
) -> None:
    page = open_page("#faults")
    menu = page.get_by_label("Scenario")
    expect(menu).to_be_visible()
    names = menu.locator("option").all_text_contents()
    assert {"outage", "flaky", "slow-then-timeout", "rate-limited"} <= set(names)
    menu.select_option("flaky")
    expect(page.get_by_text("One request in five is answered with 500.")).to_be_visible()
    page.get_by_role("button", name="Replace the plan by it").click()
    expect(page.get_by_text("All requests are refused with 500 (with a probability of 20 %).")).to_be_visible()
    menu.select_option("rate-limited")
    page.get_by_role("button", name="Replace the plan by it").click()
    expect(page.get_by_text("All requests are refused with 429 (3 more time(s)).")).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("No fault is set.")).to_be_visible()
    form = page.locator("main form").last
    shown = form.locator("[name]").evaluate_all("fields => fields.map((field) => field.name)")
    schema = httpx.get(f"{target.origin}/__mock__/openapi/control.json").json()["components"]["schemas"]["Fault"]
    assert sorted(shown) == sorted(schema["properties"])
    form.get_by_label("Provider").select_option("evolink")
    form.get_by_label("Key").fill("sk-mock.a")
    form.get_by_label("Model").fill("qwen-image-edit")
    form.get_by_label("Status").fill("")
    form.get_by_label("The callback comes").select_option("late")
    form.get_by_label("Links are never valid").select_option("true")
    form.get_by_label("Probability").fill("0.5")
    form.get_by_label("Begins after").fill("2.5")
    form.get_by_label("Times").fill("7")
    form.get_by_role("button", name="Add fault").click()
    said = (
        "Requests to evolink, with key sk-mock.a, for qwen-image-edit get links that are never valid, get their "
        "callback late (7 more time(s), with a probability of 50 %, beginning after 2.5 s)."
    )
    expect(page.get_by_text(said)).to_be_visible()
    [fault] = httpx.get(f"{target.origin}/__mock__/faults").json()
    assert [fault[name] for name in ("callback", "expire_links", "after_seconds")] == ["late", True, 2.5]


def test_clock_says_how_far_it_is_ahead_and_comes_back_at_once(
    target: RunningServer, open_page: Callable[..., Page]
) -> None:
    page = open_page("#clock")
    expect(page.get_by_role("status")).to_have_text("Real time")
    back = page.get_by_role("button", name="Back to now")
    expect(back).to_be_disabled()
    page.get_by_role("button", name="Forward one day").click()
    page.get_by_role("button", name="Forward one hour").click()
    expect(page.get_by_role("status")).to_have_text("1 d 1 h ahead of real time")
    back.click()
    expect(page.get_by_role("status")).to_have_text("Real time")
    assert httpx.get(f"{target.origin}/__mock__/health").json()["offset"] == 0


def test_sources_open_what_they_name(open_page: Callable[..., Page]) -> None:
    page = open_page("docs/nebula")
    page.get_by_text("Nebula text to image guide, 1.3 Supported Image Sizes").first.click()
    opened = page.locator("details.opens[open]")
    expect(opened).to_contain_text("Section “1.3 Supported Image Sizes” of “Tongyi Qianwen Text to Image Model")
    expect(opened).to_contain_text("001_7fed55b1216e7e31.txt")
    page.goto("/__mock__/docs/evolink")
    page.get_by_text("published: EvoLink, Qwen Image Edit reference").first.click()
    link = page.locator("details.opens[open]").get_by_role("link").first
    expect(link).to_have_attribute("href", "https://docs.evolink.ai/en/api-manual/image-series/qwen/qwen-image-edit")
    expect(link).to_have_attribute("rel", "noreferrer")


def test_source_of_a_refusal_opens_on_the_page_of_the_request(
    target: RunningServer, open_page: Callable[..., Page]
) -> None:
    body = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1x1"}}
    key = {"Authorization": "Bearer sk-mock"}
    answer = httpx.post(f"{target.origin}/nebula/v1/images/generations", json=body, headers=key)
    page = open_page(f"#request?id={answer.headers['x-request-id']}")
    page.get_by_text("Nebula text to image guide, 1.3 Supported Image Sizes").click()
    expect(page.locator("details.opens[open]")).to_contain_text("001_7fed55b1216e7e31.txt")


def test_empty_pages_offer_a_request_that_works(target: RunningServer, open_page: Callable[..., Page]) -> None:
    for view, path in (("ledger", "ledger"), ("tasks", "tasks")):
        page = open_page(f"#{view}")
        page.locator(".empty").get_by_role("button", name="Copy as curl").click()
        run_copied(page)
        expect(page.locator(".empty")).to_have_count(0)
        assert httpx.get(f"{target.origin}/__mock__/{path}").json()


def run_copied(page: Page) -> None:
    command = page.evaluate("navigator.clipboard.readText()")
    subprocess.run(["bash", "-c", command], capture_output=True, check=True)
