"""The pages in a real browser: Debian's Chromium, driven by Playwright."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest
from extent import usually
from playwright.sync_api import Browser, Page, expect

from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.schemas.catalog import load
from qwenmock.schemas.sources import cited

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
KEY = {"Authorization": "Bearer sk-mock"}
NEBULA = "/nebula/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
VIEWS = ["journal", "playground", "gallery", "ledger", "tasks", "faults", "clock"]
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


def post(server: RunningServer, path: str = NEBULA, body: Any = None, key: str = "sk-mock") -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{server.origin}{path}", json=BODY if body is None else body, headers=headers)


def test_what_a_program_sends_appears_by_itself_and_opens(
    target: RunningServer, open_page: Callable[..., Page]
) -> None:
    page = open_page("")
    expect(page.get_by_text("live")).to_be_visible()
    expect(page.get_by_text("Nothing yet.")).to_be_visible()
    post(target)
    entry = page.get_by_role("button", name="nebula")
    expect(entry).to_contain_text("0.18 CNY")
    entry.click()
    detail = page.get_by_role("article", name="Exchange")
    expect(detail).to_contain_text("Operation successful")
    expect(detail).to_contain_text("simplified")
    picture = detail.get_by_role("img", name="a cat")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1328
    detail.get_by_text("Time per stage").click()
    expect(detail.get_by_role("rowheader", name="validate")).to_be_visible()
    detail.get_by_role("button", name="Close").click()
    expect(detail).to_have_count(0)


def test_refusal_says_which_rule_from_which_document(target: RunningServer, open_page: Callable[..., Page]) -> None:
    post(target, body={**BODY, "parameters": {"size": "1x1"}})
    page = open_page("")
    page.get_by_role("button", name="400").click()
    detail = page.get_by_role("article", name="Exchange")
    expect(detail).to_contain_text("nebula/simplified/parameters/size/enum")
    expect(detail).to_contain_text("Nebula text to image guide, 1.3 Supported Image Sizes")
    expect(detail.get_by_text("documented", exact=True)).to_be_visible()


def test_entries_are_filtered_and_cleared(target: RunningServer, open_page: Callable[..., Page]) -> None:
    post(target)
    post(target, body={})
    post(target, "/ai302/aliyun/api/v1/services/aigc/multimodal-generation/generation", {})
    page = open_page("")
    entries = page.locator("button.entry")
    expect(entries).to_have_count(3)
    page.get_by_label("Provider").select_option("nebula")
    expect(entries).to_have_count(2)
    page.get_by_label("Status").select_option("4xx")
    expect(entries).to_have_count(1)
    page.get_by_label("Status").select_option("")
    page.get_by_label("Search").fill("A CAT")
    expect(entries).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(entries).to_have_count(0)
    assert httpx.get(f"{target.origin}/__mock__/journal").json() == []


DASHSCOPE = {
    "model": "qwen-image-edit-plus",
    "input": {"messages": [{"role": "user", "content": [{"image": "https://example.com/a.png"}, {"text": "a hat"}]}]},
    "parameters": {"n": 1, "watermark": False},
}


COPIED = [
    *(("nebula", name) for name in ("curl", "httpx", "openai")),
    *(("dashscope", name) for name in ("dashscope", "curl")),
]


@pytest.mark.parametrize(("slug", "name"), usually(COPIED, COPIED[:4]))
def test_a_request_is_copied_as_a_program(
    target: RunningServer, open_page: Callable[..., Page], slug: str, name: str
) -> None:
    if slug == "nebula":
        post(target)
    else:
        post(target, "/dashscope/api/v1/services/aigc/multimodal-generation/generation", DASHSCOPE)
    variable = f"QWENMOCK_{slug.upper()}_KEY"
    page = open_page("")
    page.get_by_role("button", name=slug).click()
    page.get_by_role("button", name=f"Copy as {name}").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert variable in copied
    assert "sk-mock" not in copied
    if name == "curl":
        import subprocess

        done = subprocess.run(
            ["bash", "-c", copied],
            env={variable: "sk-mock", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=True,
        )
        assert "url" in done.stdout.decode() or "image" in done.stdout.decode()
    else:
        import os
        import sys

        environment = {**os.environ, variable: "sk-mock"}
        import subprocess

        done = subprocess.run(
            [sys.executable, "-c", copied], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_ledger_shows_accounts_and_charges_and_changes_a_balance(
    target: RunningServer, open_page: Callable[..., Page]
) -> None:
    post(target)
    page = open_page("#ledger")
    expect(page.get_by_role("img", name="Spending: 0.18 CNY")).to_be_visible()
    expect(page.get_by_role("cell", name="999999.82")).to_be_visible()
    page.get_by_role("button", name="Change nebula sk-mock").click()
    page.get_by_label("Balance").fill("-1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("balance")
    page.get_by_label("Balance").fill("0.05")
    page.get_by_label("Requests per minute").fill("9")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="0.05", exact=True)).to_be_visible()
    assert post(target).status_code == 403


def test_tasks_show_progress_and_are_cancelled(target: RunningServer, open_page: Callable[..., Page]) -> None:
    body = {
        "model": "qwen-image-edit",
        "prompt": "a hat [[qwenmock: wait=60]]",
        "image_urls": ["https://example.com/a.png"],
    }
    created = post(target, "/evolink/v1/images/generations", body).json()
    page = open_page("#tasks")
    expect(page.get_by_role("heading", name="a hat")).to_be_visible()
    expect(page.get_by_text(created["id"])).to_be_visible()
    expect(page.get_by_text("pending")).to_be_visible()
    expect(page.get_by_text("Ends", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled")).to_be_visible()
    # It has the time at which it would have ended: that is not how long it took.
    expect(page.get_by_text("Took", exact=True)).to_have_count(0)


def test_a_fault_is_added_applies_and_is_gone(target: RunningServer, open_page: Callable[..., Page]) -> None:
    page = open_page("#faults")
    expect(page.get_by_text("No fault is set.")).to_be_visible()
    page.get_by_role("main").get_by_label("Status").fill("999")
    page.get_by_role("button", name="Add fault").click()
    expect(page.get_by_role("alert")).to_contain_text("999")
    page.get_by_role("main").get_by_label("Status").fill("429")
    page.get_by_role("button", name="Add fault").click()
    expect(page.get_by_text("are refused with 429")).to_be_visible()
    assert post(target).status_code == 429
    expect(page.get_by_text("No fault is set.")).to_be_visible()
    assert post(target).status_code == 200
    # Both arrive, although the second click comes before the first one's fault is shown.
    page.get_by_role("button", name="Add fault").dblclick()
    expect(page.get_by_text("are refused with 429")).to_have_count(2)
    page.get_by_role("button", name="Remove").first.click()
    expect(page.get_by_text("are refused with 429")).to_have_count(1)
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("No fault is set.")).to_be_visible()


def wait_for_clock(page: Page, relation: str) -> None:
    ahead = "fetch('/__mock__/health').then(a => a.json()).then(b => b.now - Date.now() / 1000"
    page.wait_for_function(f"() => {ahead} {relation})")


def test_the_clock_moves_a_day_and_back(target: RunningServer, open_page: Callable[..., Page]) -> None:
    link = post(target).json()["data"]["data"][0]["url"]
    page = open_page("#clock")
    page.get_by_role("button", name="Forward one day").click()
    page.get_by_role("button", name="Forward one hour").click()
    expect(page.locator("time")).not_to_have_text("…")
    wait_for_clock(page, "> 89000")
    assert httpx.get(link).status_code == 403
    page.get_by_role("button", name="Back to now").click()
    wait_for_clock(page, "< 60")
    assert httpx.get(link).status_code == 200


VARIANTS = [(provider.slug, name) for provider in load() for name in provider.variants]
FIRST_VARIANTS = [(slug, next(iter(load()[slug].variants))) for slug in ("dashscope", "evolink", "nebula")]


@pytest.mark.parametrize(("slug", "variant"), usually(VARIANTS, FIRST_VARIANTS))
def test_every_variant_runs_in_the_playground(
    target: RunningServer, open_page: Callable[..., Page], slug: str, variant: str, tmp_path: Path
) -> None:
    page = open_page("#playground")
    page.get_by_label("Provider").select_option(slug)
    page.locator("select[name=variant]").select_option(variant)
    chooser = page.locator("input[name=pictures]")
    if chooser.count():
        picture = tmp_path / "in put.png"
        picture.write_bytes(fixtures.image("landscape.png"))
        chooser.set_input_files(picture)
        expect(page.get_by_role("img", name="in put.png")).to_be_visible()
    page.locator("textarea[name=prompt], textarea[name=text]").first.fill("Give it a hat")
    page.get_by_role("button", name="Run").click()
    run = page.locator("li.run").first
    expect(run.locator(".badge")).to_have_text("200")
    expect(page.get_by_text("Completed: 1")).to_be_visible()
    expect(run.get_by_role("img", name="Give it a hat").first).to_be_visible()
    if chooser.count():
        expect(run.get_by_role("img", name="Input")).to_be_visible()
    if load()[slug].price_of(load()[slug].variants[variant].models[0]).amount is not None:
        expect(run.get_by_text("Cost")).to_be_visible()
    page.reload()
    expect(page.locator("li.run")).to_have_count(1)


def test_invented_provider_runs_in_the_playground(browser: Browser, tmp_path: Path) -> None:
    """The provider of docs/adding-a-provider.md: its folder is all that there is of it."""
    page_text = (Path(__file__).parents[2] / "docs" / "adding-a-provider.md").read_text("utf-8")
    for name, content in re.findall(r"`(my-schemas/[^`]+)`:\n\n```(?:json|toml)\n(.*?)```", page_text, re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    with running(Settings(port=0, schemas=tmp_path / "my-schemas")) as server:
        context = browser.new_context(base_url=server.origin, locale="en-US")
        page = context.new_page()
        page.goto("/__mock__/#playground")
        expect(page.locator("select[name=model]")).to_have_value("acme-1")
        number = page.get_by_role("textbox", name="Pictures n")
        expect(page.locator(".field", has=number)).to_contain_text("How many to draw.")
        number.fill("4")
        expect(page.get_by_role("alert")).to_contain_text("expected at most 3, got 4")
        page.locator("input[name=n]").fill("2")
        page.locator("textarea[name=prompt]").fill("A rocket")
        page.get_by_role("button", name="Run").click()
        run = page.locator("li.run").first
        expect(run.locator(".badge")).to_have_text("200")
        expect(run.get_by_role("img", name="A rocket")).to_have_count(2)
        expect(run.get_by_text("0.1 USD")).to_be_visible()
        page.goto("/__mock__/")
        page.locator("button.entry").first.click()
        expect(page.get_by_role("button", name="Copy as httpx")).to_be_visible()
        page.goto("/__mock__/docs/acme")
        expect(page.get_by_role("heading", name="Acme Pictures")).to_be_visible()
        context.close()


def test_playground_checks_limits_while_typing_and_shows_the_request(
    target: RunningServer, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page("#playground")
    page.get_by_label("Provider").select_option("nebula")
    page.locator("select[name=variant]").select_option("contents")
    page.get_by_label("Fill in").select_option("empty")
    expect(page.get_by_text("The contract refuses this")).to_be_visible()
    page.locator("input[name=n]").fill("7")
    expect(page.get_by_role("alert")).to_contain_text("expected at most 6, got 7")
    expect(page.locator("pre.json").first).to_contain_text('"n": 7')
    page.locator("input[name=n]").fill("2")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.locator("textarea[name=prompt]").fill("Merge them")
    expect(page.locator("pre.json").first).to_contain_text("Merge them")
    wrong = tmp_path / "notes.txt"
    wrong.write_text("no picture")
    small = tmp_path / "small.png"
    small.write_bytes(fixtures.image("landscape.png"))
    files = []
    for number in range(4):
        files.append(tmp_path / f"{number}.png")
        files[-1].write_bytes(fixtures.image("landscape.png"))
    page.locator("input[name=pictures]").set_input_files([wrong])
    expect(page.get_by_role("alert")).to_contain_text("notes.txt: expected one of")
    page.locator("input[name=pictures]").set_input_files(files)
    expect(page.get_by_role("alert")).to_contain_text("At most 3")
    expect(page.get_by_role("button", name="Remove 0.png")).to_be_visible()
    page.get_by_role("button", name="Remove 0.png").click()
    expect(page.get_by_text("The contract refuses this")).to_have_count(0)
    page.get_by_role("button", name="Run").click()
    run = page.locator("li.run").first
    expect(run.get_by_text("2 image(s)")).to_be_visible()
    expect(run.locator("figure")).to_have_count(4)


def test_playground_shows_how_a_wrong_request_is_refused(target: RunningServer, open_page: Callable[..., Page]) -> None:
    page = open_page("#playground")
    page.get_by_label("Provider").select_option("nebula")
    page.locator("select[name=variant]").select_option("simplified")
    page.get_by_label("Fill in").select_option("empty")
    page.get_by_role("button", name="Run").click()
    run = page.locator("li.run").first
    expect(run.locator(".badge")).to_have_text("400")
    expect(run).to_contain_text("nebula/simplified/prompt/required")
    expect(run).to_contain_text("Nebula text to image guide, 1.1 Core Parameters Description")


@pytest.mark.parametrize("slug", usually(load().providers, ["evolink", "nebula"]))
def test_reference_shows_every_rule_with_its_source(open_page: Callable[..., Page], slug: str) -> None:
    provider = load()[slug]
    page = open_page(f"docs/{slug}")
    expect(page.get_by_role("heading", name=provider.name)).to_be_visible()
    text = page.locator("main").text_content() or ""
    assert "[object" not in text
    shown = set(page.locator("code[title]").evaluate_all("codes => codes.map(code => code.title)"))
    for variant in provider.variants.values():
        assert {rule.id for rule in variant.request.rules} <= shown
        assert all(cited(rule.source) in text for rule in variant.request.rules)
    for kind in provider.errors.values():
        assert cited(kind.source) in text


def test_unknown_reference_says_what_there_is(open_page: Callable[..., Page]) -> None:
    page = open_page("docs/nobody")
    expect(page.get_by_role("alert")).to_contain_text("nebula")


def test_nothing_that_is_shown_can_act(target: RunningServer, open_page: Callable[..., Page]) -> None:
    post(target, body={**BODY, "prompt": EVIL})
    post(target, body={**BODY, "model": EVIL})
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="taken"</script></svg>'
    headers = {"Content-Type": "image/svg+xml"}
    assert httpx.post(f"{target.origin}/__mock__/images", content=svg, headers=headers).status_code == 400
    page = open_page("")
    expect(page.locator("button.entry")).to_have_count(2)
    for number in range(2):
        page.locator("button.entry").nth(number).click()
        expect(page.get_by_role("article")).to_contain_text("onerror")
    assert page.title() == "Journal · qwenmock"
    assert "script" in (page.get_by_role("article").text_content() or "")
    assert page.locator("main script").count() == 0


def test_headers_paths_and_file_names_cannot_act(
    target: RunningServer, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    key = {"Authorization": "Bearer sk-mock"}
    sent = [
        ("nebula", NEBULA, {**key, "Content-Type": EVIL}),
        ("nebula", NEBULA, {"Authorization": f"Bearer {EVIL}", "Content-Type": "application/json"}),
        ("nebula", NEBULA, {**key, "Prefer": f"code={EVIL}, wait=0", "X-Forwarded-Host": EVIL}),
        ("evolink", f"/evolink/v1/tasks/{quote(EVIL.partition('</script>')[2])}", key),
    ]
    for slug, path, headers in sent:
        method = "GET" if slug == "evolink" else "POST"
        httpx.request(method, target.origin + path, headers=headers, content=orjson.dumps(BODY))
    picture = f"data:image/{EVIL};base64,AAAA"
    parts = [{"image": picture}, {"text": "a hat"}]
    contents = [{"role": "user", "parts": parts}]
    post(target, body={"model": "qwen-image-edit-plus", "prompt": "a", "parameters": {}, "contents": contents})
    page = open_page("")
    expect(page.locator("button.entry")).to_have_count(len(sent) + 1)
    shown = ""
    for number in range(len(sent) + 1):
        page.locator("button.entry").nth(number).click()
        expect(page.get_by_role("article")).to_be_visible()
        shown += page.get_by_role("article").text_content() or ""
    assert shown.count("onerror") >= 3, "what a page leaves out proves nothing"
    assert page.title() == "Journal · qwenmock"
    page = open_page("#playground")
    page.get_by_label("Provider").select_option("nebula")
    page.locator("select[name=variant]").select_option("contents")
    for suffix, content in (("txt", b"no picture"), ("png", fixtures.image("landscape.png"))):
        name = f"<img src=x onerror=document.title='taken'>.{suffix}"
        (tmp_path / name).write_bytes(content)
        page.locator("input[name=pictures]").set_input_files(tmp_path / name)
        expect(page.get_by_text("onerror") if suffix == "txt" else page.get_by_role("img", name=name)).to_be_visible()
    for view in VIEWS:
        page = open_page(f"#{view}")
        expect(page.locator("main h2").first).to_be_visible()
        assert page.locator("main script, main [onerror], main [src=x]").count() == 0
        assert page.title() != "taken"


@pytest.mark.parametrize("view", [f"#{name}" for name in VIEWS] + ["docs/nebula"])
@pytest.mark.parametrize("scheme", usually(["light", "dark"], ["dark"]))
def test_views_fit_a_narrow_screen_and_keep_their_contrast(
    target: RunningServer, open_page: Callable[..., Page], view: str, scheme: Any
) -> None:
    post(target)
    post(target, body={})
    page = open_page(view, viewport={"width": 360, "height": 700}, color_scheme=scheme)
    expect(page.locator("main h2").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst


CONTRAST = """() => {
  const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const rgb = numbers(getComputedStyle(at).backgroundColor);
      if (rgb.length < 4 || rgb[3] > 0) return rgb;
    }
    return [255, 255, 255];
  };
  let worst = { ratio: 99 };
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility()) continue;
    const [a, b] = [luminance(numbers(getComputedStyle(node).color)), luminance(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: node.textContent.slice(0, 60), name: node.className };
  }
  return worst;
}"""


@pytest.mark.parametrize("view", [f"#{name}" for name in VIEWS] + ["docs/nebula"])
def test_everything_that_acts_has_a_name_and_takes_the_keyboard(
    target: RunningServer, open_page: Callable[..., Page], view: str
) -> None:
    post(target)
    page = open_page(view)
    expect(page.locator("main h2").first).to_be_visible()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(
            'button, a[href], input, select, textarea, img, meter, progress, [role=img]')]
          .filter((node) => !(node.textContent.trim() || node.alt || node.title || node.labels?.length
            || node.getAttribute('aria-label')))
          .map((node) => node.outerHTML)"""
    )
    assert nameless == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 80)"))
    assert len(reached) >= 9


def test_pages_speak_chinese(target: RunningServer, open_page: Callable[..., Page]) -> None:
    page = open_page("")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", name="日志")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Journal")).to_be_visible()


def test_both_languages_have_every_text(open_page: Callable[..., Page]) -> None:
    page = open_page("")
    texts = page.evaluate("import('/__mock__/static/texts.js').then((module) => module.TEXTS)")
    assert texts["en"].keys() == texts["zh"].keys()


def test_token_is_asked_for_once_and_kept_from_scripts(browser: Browser) -> None:
    with running(Settings(port=0, admin_token="a-token")) as server:
        context = browser.new_context(base_url=server.origin, locale="en-US")
        page = context.new_page()
        page.goto("/__mock__/")
        page.get_by_label("Admin token").fill("another")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("alert")).to_contain_text("not the admin token")
        page.get_by_label("Admin token").fill("a-token")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("heading", name="Journal")).to_be_visible()
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Journal")).to_be_visible()
        (cookie,) = context.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert "a-token" not in cookie["value"]
        assert page.evaluate("document.cookie") == ""
        assert httpx.get(f"{server.origin}/__mock__/ledger").status_code == 401
        context.close()


def test_pages_need_no_network(browser: Browser, target: RunningServer) -> None:
    asked: list[str] = []
    context = browser.new_context(base_url=target.origin)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    for path in ("", "#playground", "docs/nebula"):
        page.goto(f"/__mock__/{path}")
        expect(page.locator("main h2").first).to_be_visible()
    assert asked
    assert all(url.startswith(target.origin) for url in asked)
    context.close()
