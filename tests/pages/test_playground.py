"""The playground: what it opens with, what it says before a request is sent, and what it keeps."""

import base64
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypedDict

import httpx
import pytest
from extent import usually
from playwright.sync_api import Page, expect

from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer
from qwenmock.schemas.catalog import load
from qwenmock.schemas.vocabulary import JSON

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
OUT_OF_REACH = {
    "dashscope": {"task_not_cancellable", "not_synchronous", "not_asynchronous", "image_dimensions"},
    "evolink": {
        "query_unauthorized", "task_id_invalid", "task_forbidden", "task_not_found", "query_rate_limited",
        "query_internal", "bad_image",
    },
}  # fmt: skip
"""Errors of calls that the playground does not make: queries and cancellations, and calls with another header.

The dimensions of images are only recommended by Model Studio, and EvoLink documents no refusal of an image: no request
is refused for them.
"""
MADE = """async (slug) => {
    const [{ presetsOf, edited, textOf }, { assemble, fieldsOf }] = await Promise.all(
        ["presets", "form"].map((name) => import(`/__mock__/static/${name}.js`)));
    const contract = await (await fetch(`/__mock__/contract/${slug}`)).json();
    return contract.variants.flatMap((variant) => presetsOf(contract, variant).map((preset) => {
        const { values, urls, edit, apiKey = "sk-mock" } = preset.start();
        const model = fieldsOf(variant).find((field) => field.role === "model");
        const all = { [model.key]: variant.models[0], ...values };
        const request = edited(assemble(variant, all, urls), edit);
        return { variant: variant.name, path: variant.path, header: variant.required_header, kind: preset.kind,
                 source: preset.source ?? "", error: preset.error?.name ?? "", key: apiKey,
                 text: textOf(request, edit) };
    }));
}"""


class Preset(TypedDict):
    """What the form sends for a preset."""

    variant: str
    path: str
    header: list[str] | None
    kind: str
    source: str
    error: str
    text: str
    key: str


def send(client: httpx.Client, slug: str, preset: Preset) -> httpx.Response:
    headers = {"Authorization": f"Bearer {preset['key']}", "Content-Type": "application/json"}
    more = {preset["header"][0]: preset["header"][1]} if preset["header"] else {}
    return client.post(f"/{slug}{preset['path']}", content=preset["text"], headers=headers | more)


def without_empty(value: JSON) -> JSON:
    """Return a request without empty texts, which a form leaves out, and without its callback."""
    if isinstance(value, Mapping):
        kept = {name: member for name, member in value.items() if member != "" and name != "callback_url"}
        return {name: without_empty(member) for name, member in kept.items()}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    # One document prints two placeholders for what a form has once, and sends twice.
    return "Image editing instruction" if value == "Editing instruction" else value


@pytest.mark.parametrize("slug", usually(load().providers, ["dashscope", "nebula"]))
def test_presets_send_the_documented_examples_and_get_each_documented_error(
    target: RunningServer, open_page: Callable[..., Page], slug: str
) -> None:
    presets: list[Preset] = open_page("").evaluate(MADE, slug)
    examples = [preset for preset in presets if preset["kind"] == "example"]
    printed = fixtures.exchanges(slug)
    assert len(examples) == len(printed)
    sent = [httpx.Response(200, text=preset["text"]).json() for preset in examples]
    assert [exchange.source for exchange in printed if without_empty(exchange.request) not in sent] == []
    with httpx.Client(base_url=target.origin) as client:
        for preset in presets:
            if preset["kind"] in {"example", "borrowed"}:
                assert send(client, slug, preset).status_code == 200, preset
        errors = {preset["error"].replace(" ", "_"): preset for preset in presets if preset["kind"] == "error"}
        assert set(load()[slug].errors) - OUT_OF_REACH.get(slug, set()) - errors.keys() == set()
        for name, preset in errors.items():
            check_refusal(client, slug, name, preset)


def check_refusal(client: httpx.Client, slug: str, name: str, preset: Preset) -> None:
    answer = send(client, slug, preset)
    if name == "refused" and answer.status_code == 200:  # the content of a task is refused later
        client.post("/__mock__/clock", json={"advance_seconds": 5}).raise_for_status()
        assert client.get("/__mock__/tasks?limit=1").json()[0]["failure"] == "content_policy_violation"
        return
    assert answer.status_code == load()[slug].errors[name].status, preset
    [entry] = client.get("/__mock__/journal?limit=1").json()
    assert entry["refusal"]["kind"] == name, preset


def open_playground(open_page: Callable[..., Page], slug: str, variant: str, **options: Any) -> Page:
    page = open_page("#playground", **options)
    page.get_by_label("Provider").select_option(slug)
    page.locator("select[name=variant]").select_option(variant)
    return page


def test_text_that_is_too_long_is_told_by_its_length(open_page: Callable[..., Page]) -> None:
    page = open_playground(open_page, "evolink", "edit")
    page.locator("textarea[name=prompt]").fill("猫" + "\N{CAT FACE}" * 2000)
    expect(page.locator(".complaints")).to_contain_text("Prompt: expected at most 2000 characters, got 2001")


def test_form_opens_with_an_example_in_words_and_names_the_broken_rule_before_it_is_sent(
    target: RunningServer, open_page: Callable[..., Page]
) -> None:
    page = open_playground(open_page, "nebula", "contents")
    expect(page.get_by_label("Fill in")).to_contain_text("Example: Nebula image editing guide")
    number = page.get_by_role("textbox", name="Number of images parameters.n")
    expect(number).to_have_value("2")
    said = page.locator(".field", has=number)
    expect(said).to_contain_text("at least 1 · at most 6")
    expect(said).to_contain_text("Nebula image editing guide, 4.3 Batch Generation (n Parameter)")
    expect(page.locator(".drop")).to_contain_text("Nebula image editing guide, Image Specifications")
    complaints = page.locator(".complaints")
    expect(complaints).to_have_count(0)
    number.fill("7")
    expect(complaints).to_contain_text("Number of images: expected at most 6, got 7")
    expect(complaints).to_contain_text("nebula/contents/parameters/n/maximum")
    expect(complaints.get_by_text("documented", exact=True)).to_be_visible()
    for number in (3, 2, 1):
        page.get_by_role("button", name=f"Remove Picture {number} of the example").click()
    expect(complaints).to_contain_text("nebula/contents/contents/*/parts/image.minItems")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("li.run").first.locator(".badge")).to_have_text("400")
    assert httpx.get(f"{target.origin}/__mock__/journal?limit=1").json()[0]["request"]["parameters"]["n"] == 7
    page.get_by_label("Fill in").select_option("429 rate limited")
    expect(page.locator("textarea[name=prompt]")).to_have_value("Image editing instruction [[qwenmock: status=429]]")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("li.run").first.locator(".badge")).to_have_text("429")
    page.get_by_label("Fill in").select_option("400 bad image")
    expect(complaints).to_contain_text("nebula/contents/contents/*/parts/*/image/schemes")
    expect(complaints).to_contain_text("Pictures: expected an address that begins with http:, https:, data:")
    page.get_by_label("Fill in").select_option("400 malformed")
    expect(complaints).to_contain_text("The request is cut")
    page.get_by_role("button", name="Copy as curl").click()
    copied: str = page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Completed: 3")).to_be_visible()
    expect(page.locator("li.run").first.locator(".badge")).to_have_text("400")
    assert copied.count("{") == copied.count("}") + 1, "the command sends what the form sends"


DROP = """([text, kind]) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], `${kind}.png`, { type: "image/png" }));
    if (kind === "paste") document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    else document.querySelector(".drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""


def test_pictures_are_dropped_pasted_and_photographed_and_the_history_keeps_20_runs(
    target: RunningServer, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_playground(open_page, "nebula", "contents", has_touch=True, is_mobile=True)
    example = page.get_by_role("img", name="Picture 1 of the example")
    expect(example).to_be_visible()
    picture = base64.b64encode(fixtures.image("landscape.png")).decode()
    page.evaluate(DROP, [picture, "drop"])
    expect(page.get_by_role("img", name="drop.png")).to_be_visible()
    expect(example).to_have_count(0)
    page.evaluate(DROP, [picture, "paste"])
    expect(page.get_by_role("img", name="paste.png")).to_be_visible()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(fixtures.image("landscape.jpg"))
    camera = page.get_by_label("Take a photo")
    assert camera.get_attribute("capture") == "environment"
    camera.set_input_files(photo)
    expect(page.get_by_role("img", name="photo.jpg")).to_be_visible()
    page.get_by_role("textbox", name="Seed").fill("77")
    for number in range(22):
        page.locator("textarea[name=prompt]").fill(f"Hat {number}")
        page.get_by_role("button", name="Run").click()
        expect(page.locator("li.run").first.locator(".badge")).to_have_text("200")
        expect(page.locator("li.run").first).to_contain_text(f"Hat {number}")
    expect(page.get_by_text("Completed: 20")).to_be_visible()
    page.reload()
    runs = page.locator("li.run")
    expect(runs).to_have_count(20)
    expect(runs.first.get_by_role("img", name="Input")).to_have_count(3)
    expect(runs.last).to_contain_text("Hat 2")
    page.get_by_role("button", name="Fill the form with it: Hat 2", exact=True).click()
    expect(page.locator("textarea[name=prompt]")).to_have_value("Hat 2")
    expect(page.get_by_role("textbox", name="Seed")).to_have_value("77")
    expect(page.get_by_label("Provider")).to_have_value("nebula")


def test_another_view_opens_the_playground_with_a_request(open_page: Callable[..., Page]) -> None:
    page = open_page("#clock")
    wanted = {"provider": "nebula", "variant": "simplified", "request": {"model": "qwen-image-plus", "prompt": "a hat"}}
    page.evaluate("(wanted) => import('/__mock__/static/wanted.js').then((it) => it.openInPlayground(wanted))", wanted)
    expect(page.locator("textarea[name=prompt]")).to_have_value("a hat")
    expect(page.get_by_label("Provider")).to_have_value("nebula")
    expect(page.get_by_label("Fill in")).to_contain_text("The request that was opened")
