"""The pages are complete in each language: no text is missing, and none is written into a script."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from playwright.sync_api import Page, expect

from pages.views import VIEWS, fill
from qwenmock.mockserver.calls.fault_schema import CALLBACK_FAULTS, DROPS, fault_schema
from qwenmock.mockserver.control.pages import STATIC
from qwenmock.mockserver.http.server import RunningServer
from qwenmock.schemas.catalog import load
from qwenmock.schemas.vocabulary import JSON

SCRIPTS = {path.name: path.read_text("utf-8") for path in sorted(Path(STATIC).glob("*.js"))}
ANSWERS = ("providers", "journal", "ledger", "tasks", "faults", "examples", "pictures", "scenarios") + tuple(
    f"contract/{slug}" for slug in ("nebula", "ai302", "evolink")
)
"""Where the data on the pages come from, which nobody translates."""
NAMES = {
    "qwenmock", "curl", "httpx", "openai", "jpeg", "png", "bmp", "tiff", "webp", "gif", "CSV", "OpenAPI 3.1",
    "JSON", "JSON Schema", "English", "USD", "unix", "HAR", "pytest",
}  # fmt: skip
"""What is written alike in every language."""
VALUES = {"drop": DROPS, "callback": CALLBACK_FAULTS}
Texts: TypeAlias = Mapping[str, Mapping[str, str]]


@pytest.fixture
def texts(open_page: Callable[..., Page]) -> Texts:
    return open_page("").evaluate("import('/__mock__/static/texts.js').then((module) => module.TEXTS)")


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
def test_each_language_has_every_text_with_the_same_placeholders(texts: Texts) -> None:
    assert texts["en"].keys() == texts["zh"].keys()
    differing = {key for key, text in texts["en"].items() if placeholders(text) != placeholders(texts["zh"][key])}
    assert differing == set()
    same = {text for key, text in texts["en"].items() if text == texts["zh"][key]}
    assert same - NAMES == set()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
def test_every_text_that_is_asked_for_exists_and_every_text_is_asked_for(texts: Texts) -> None:
    source = "".join(text for name, text in SCRIPTS.items() if name not in {"texts.js", "texts_journal.js"})
    asked = set(re.findall(r"""\bt\("([^"]+)\"""", source))
    assert asked - texts["en"].keys() == set()
    beginnings = set(re.findall(r"\bt\(`([\w-]+)\$\{", source))
    assert {start for start in beginnings if not any(key.startswith(start) for key in texts["en"])} == set()
    # A key may also stand in a list, or come from the control API as the value of a member.
    written = set(re.findall(r"""["'`]([\w-]+)["'`]""", source)) | set(re.findall(r"\b([\w-]+)\b:", source))
    answered = {"documented", "published", "assumed", "observed", "docs"}
    unused = texts["en"].keys() - asked - written - answered
    assert {key for key in unused if not any(key.startswith(start) for start in beginnings)} == set()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
def test_scenarios_variants_errors_and_members_of_faults_are_translated(
    target: RunningServer, open_page: Callable[..., Page], texts: Texts
) -> None:
    script = "import('/__mock__/static/data_texts.js').then((module) => module.translated())"
    scenarios = httpx.get(f"{target.origin}/__mock__/scenarios").json()
    said = {scenario[name] for scenario in scenarios for name in ("summary", "stands_for")}
    titles = {variant.title for provider in load() for variant in provider.variants.values()}
    errors = {name.replace("_", " ") for provider in load() for name in provider.errors}
    assert set(open_page("").evaluate(script)) == said | titles | errors
    schema = fault_schema(load().providers)["properties"]
    assert isinstance(schema, dict)
    assert {name for name in schema if f"fault-{name}" not in texts["en"] and name not in texts["en"]} == set()
    values = {f"value-{name}-{value}" for name in ("drop", "callback") for value in VALUES[name]}
    assert {key for key in texts["en"] if key.startswith("value-")} == values
    effects = schema.keys() - {"since", "drop", "callback"} | {key.removeprefix("value-") for key in values}
    assert {name for name in effects if f"says-{name}" not in texts["en"]} == set()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
@pytest.mark.parametrize("path", ["#playground", "docs/nebula"])
def test_errors_have_chinese_names(path: str, open_page: Callable[..., Page]) -> None:
    page = open_page("")
    page.get_by_role("button", name="中文").click()
    page.goto(f"/__mock__/{path}")
    expect(page.locator("main")).to_contain_text("余额不足")
    expect(page.locator("main")).not_to_contain_text("insufficient balance")


MARKUP = re.compile(r">\s*([^<>{}$`=;()]*[A-Za-z]{2,}[^<>{}$`=;()]*?)\s*(?:<|\$\{)")
ATTRIBUTE = re.compile(r"""\b(?:aria-label|title|placeholder|alt)="([^"]*[A-Za-z][^"]*)\"""")


def test_no_script_has_a_text_of_its_own() -> None:
    found = {
        (name, text.strip())
        for name, source in SCRIPTS.items()
        for template in re.findall(r"html`(.*?)`;?\n", source, re.DOTALL)
        for text in MARKUP.findall(template) + ATTRIBUTE.findall(template)
    }
    assert {each for each in found if each[1] not in NAMES | {"px", "ms", "µs"}} == set()


SHOWN = """() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode())
      if (node.parentElement.checkVisibility() && !node.parentElement.closest("pre, code"))
        found.push(node.data.trim());
    for (const node of document.querySelectorAll("[aria-label], [title], [placeholder], [alt]"))
      for (const name of ["aria-label", "title", "placeholder", "alt"]) found.push(node.getAttribute(name) ?? "");
    return found;
}"""


def strings(value: JSON) -> Iterator[str]:
    """Yield every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
def test_no_english_is_left_on_the_chinese_pages(
    target: RunningServer, open_page: Callable[..., Page], texts: Texts
) -> None:
    fill(target)
    data = {text for path in ANSWERS for text in strings(httpx.get(f"{target.origin}/__mock__/{path}").json())}
    known = {text for text in data - set(texts["en"].values()) if len(text) > 2} | NAMES
    longest_first = re.compile("|".join(map(re.escape, sorted(known, key=len, reverse=True))))
    page = open_page("")
    page.get_by_role("button", name="中文").click()
    left: set[str] = set()
    for view, shown in VIEWS.items():
        page.goto(f"/__mock__/{view}")
        expect(page.locator(shown).first).to_be_visible()
        for text in page.evaluate(SHOWN):
            rest = longest_first.sub("", text)
            left |= {f"{view}: {text}"} if re.search(r"[A-Za-z]{3,}", rest) else set()
    assert left == set()
