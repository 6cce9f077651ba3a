"""Take the two screenshots of README and docs, with Debian's Chromium. `make screenshots` runs this."""

import shutil
import sys
from pathlib import Path

import httpx
from playwright.sync_api import expect, sync_playwright

from qwenmock import fixtures
from qwenmock.mockserver.http.server import running
from qwenmock.mockserver.settings import Settings

FOLDER = Path(__file__).parent / "images"
BODY = {"model": "qwen-image-plus", "prompt": "A cute orange kitten", "parameters": {"size": "1328*1328", "seed": 7}}


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed: apt-get install chromium")
    with running(Settings(port=0, seed=1)) as server, sync_playwright() as playwright:
        path = f"{server.url('nebula')}/v1/images/generations"
        key = {"Authorization": "Bearer sk-mock"}
        for body in (BODY, {**BODY, "prompt": "A harbour at dawn"}, {**BODY, "parameters": {"size": "1328x1328"}}):
            httpx.post(path, json=body, headers=key)
        httpx.post(path, json=BODY, headers={"Authorization": "Bearer sk-mock-empty"})
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 720}, locale="en-GB")
        page.goto(f"{server.origin}/__mock__/")
        page.get_by_role("button", name="parameters.size").click()
        page.get_by_role("button", name="0.18 CNY").last.click()
        picture = page.get_by_role("article").get_by_role("img")
        picture.evaluate("image => image.decode()")
        page.screenshot(path=FOLDER / "dashboard.png")
        page.goto(f"{server.origin}/__mock__/#playground")
        page.get_by_label("Provider").select_option("nebula")
        page.locator("select[name=variant]").select_option("contents")
        page.locator("input[name=pictures]").set_input_files(
            {"name": "harbour.png", "mimeType": "image/png", "buffer": fixtures.image("landscape.png")}
        )
        page.locator("textarea[name=prompt]").fill("Make it night")
        expect(page.get_by_role("img", name="harbour.png")).to_be_visible()
        page.get_by_role("button", name="Run").click()
        result = page.locator("li.run").get_by_role("img", name="Make it night").first
        result.evaluate("image => image.decode()")
        page.set_viewport_size({"width": 1180, "height": 900})
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=FOLDER / "playground.png")
        browser.close()


if __name__ == "__main__":
    main()
