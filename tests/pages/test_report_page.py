"""The HTML report of an examination, opened from a file in a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from extent import usually
from playwright.sync_api import Browser, Page, expect

from qwenmock.pytest_plugin.examiner.findings import Finding, Subject
from qwenmock.pytest_plugin.examiner.report.baseline import Baseline
from qwenmock.pytest_plugin.examiner.report.content import report_of
from qwenmock.pytest_plugin.examiner.report.files import write
from qwenmock.pytest_plugin.examiner.report.run import BudgetRow, Run
from qwenmock.pytest_plugin.examiner.results import RuleStatus, Tally
from qwenmock.pytest_plugin.examiner.verdicts import Verdict
from qwenmock.schemas.catalog import load

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
MAXIMUM = "nebula/contents/parameters/n/maximum"
MINIMUM = "nebula/contents/parameters/n/minimum"


def finding(subject: Subject, rule: str = "") -> Finding:
    return Finding(
        subject=subject,
        rule=rule,
        source="000_16f51b091c80eb26.txt#4.3 Batch Generation (n Parameter)" if rule else "",
        certainty="documented" if rule else "",
        sent="7",
        promised="a 400: Parameter Error: {detail}",
        got=("status 200, expected 400",),
        answer=("200, content-type: application/json", '{"code": 200, "data": "' + "x" * 400 + '"}'),
        steps=("create with contents, 1 image", "move the clock by 30 s"),
        curl="curl -sS -X POST http://127.0.0.1:4010/nebula/v1/images/generations --data-binary @r-files/0.body",
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of a run that has everything a report can have."""
    reports = []
    for slug in ("nebula", "evolink"):
        run = Run("http://127.0.0.1:4010", slug, "smoke", 0, 1.0, 2.5, statuses={"200": 3}, requests=3)
        run.tallies = {rule.id: Tally() for rule in load()[slug].rules}
        for number, rule in enumerate(load()[slug].rules):
            held, asserted = number % 3 != 0, number % 2 == 0
            run.tallies[rule.id].count("accept", held=held, asserted=asserted, detail="status 200, expected 400")
        if slug == "nebula":
            run.tallies[MAXIMUM] = Tally()
            run.tallies[MAXIMUM].count("reject", held=False, detail="status 200, expected 400")
            run.tallies[MINIMUM] = Tally()
            run.budget = BudgetRow(currency="CNY", limit="5", spent="1", worst="2", left="4")
            run.count("test_a[nebula]", Verdict("failed", findings=(finding("bill"), finding("request", MAXIMUM))))
            run.count("test_b[nebula]", Verdict("error", "TypeError: broken", "trace"))
            run.count("test_c[nebula]", Verdict("skipped", "no document says so"))
        before: dict[str, RuleStatus] = {rule.id: "fail" for rule in load()[slug].rules}
        baseline = Baseline("old.json", 1.0, "ci", {**before, MINIMUM: "pass", MAXIMUM: "pass"}, {})
        reports.append(report_of(run, load()[slug], baseline if slug == "nebula" else None))
    path = tmp_path_factory.mktemp("report") / "r.html"
    write(path, reports)
    return path


@pytest.fixture
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    options: dict[str, Any] = getattr(request, "param", {})
    context = browser.new_context(**options)
    page = context.new_page()
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda each: asked.append(each.url))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert errors == []
    assert asked == [report.as_uri()]


def test_verdict_and_picture_come_first(opened: Page) -> None:
    expect(opened.locator(".verdict")).to_contain_text("the examiner itself failed: nebula")
    expect(opened.get_by_role("heading", level=2).nth(0)).to_have_text("What was examined")
    expect(opened.locator(".areas svg").first).to_be_visible()
    expect(opened.get_by_text("newly violated: " + MAXIMUM)).to_be_visible()
    expect(opened.get_by_text("no longer examined: " + MINIMUM)).to_be_visible()
    severities = opened.locator("details.failure summary b").all_text_contents()
    assert severities == ["internal error", "money", "contract"]


def test_text_filters_failures_and_rules(opened: Page) -> None:
    rules = opened.locator("tr:is(.p, .f, .o, .s)")
    expect(rules.first).to_be_hidden()
    opened.get_by_label("Filter").fill(MAXIMUM.upper())
    expect(rules.filter(has_text=MAXIMUM)).to_be_visible()
    expect(rules.filter(visible=True)).to_have_count(1)
    expect(opened.locator("details.failure").filter(visible=True)).to_have_count(1)
    expect(opened.get_by_role("status")).to_have_text("2 found")
    opened.get_by_label("Filter").fill("")
    expect(rules.first).to_be_hidden()
    expect(opened.locator("details.failure").filter(visible=True)).to_have_count(3)


CHOICES = [("are violated", "f"), ("hold", "p"), ("were observed", "o"), ("were not examined", "s")]


@pytest.mark.parametrize("opened", [{"java_script_enabled": False}, {}], indirect=True)
@pytest.mark.parametrize(("choice", "shown"), usually(CHOICES, CHOICES[:2]))
def test_state_filters_rules_with_and_without_scripts(opened: Page, choice: str, shown: str) -> None:
    for fold in opened.locator("details.rules > summary").all():
        fold.click()
    opened.get_by_label(choice).check()
    expect(opened.locator(f"tr.{shown}").first).to_be_visible()
    for other in set("fops") - {shown}:
        expect(opened.locator(f"tr.{other}").filter(visible=True)).to_have_count(0)
    expect(opened.locator("details.failure").filter(visible=True)).to_have_count(3 if shown == "f" else 0)


FITS = "[...document.querySelectorAll('pre, td, dd')].every(node => node.scrollWidth <= node.clientWidth + 1)"
VIEWS = [
    {"viewport": {"width": width, "height": 740}, "color_scheme": scheme}
    for width in (360, 1280)
    for scheme in ("light", "dark")
]


def size_and_scheme(view: dict[str, Any]) -> str:
    return f"{view['viewport']['width']}-{view['color_scheme']}"


@pytest.mark.parametrize("opened", usually(VIEWS, VIEWS[::3]), indirect=True, ids=size_and_scheme)
def test_page_fits_and_passes_axe(opened: Page) -> None:
    for _ in range(2):
        assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert opened.evaluate(FITS)
        found = Axe().run(opened)
        assert found.violations_count == 0, found.generate_report()
        opened.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
