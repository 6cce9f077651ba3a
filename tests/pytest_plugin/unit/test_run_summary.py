"""What is said of a run, without running anything."""

import json
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from qwenmock.mockserver.testing.entries import EntryCharge, JournalEntry, VerdictFinding
from qwenmock.pytest_plugin.programs.session import repeated, wasted
from qwenmock.pytest_plugin.programs.summary import FORMATS, Summary, row, write


def entry(id_: str, body: str, amount: str | None = None, method: str = "POST", endpoint: str = "edit") -> JournalEntry:
    charge = None if amount is None else EntryCharge(id="c", images=1, amount=amount, currency="CNY")
    return JournalEntry(
        id=id_,
        at=0,
        provider="nebula",
        endpoint=endpoint,
        method=method,
        path="/v1",
        key="",
        status=200,
        milliseconds=0,
        variant="",
        model="",
        task="",
        request={"prompt": body},
        answer=None,
        refusal=None,
        rule=None,
        advisories=[],
        charge=charge,
    )


def finding(kind: str, *requests: str) -> VerdictFinding:
    return VerdictFinding(kind=kind, severity="note", detail="<detail> | x", requests=[*requests], lost="")


def summary(scenario: str, **changes: object) -> Summary:
    found: dict[str, object] = {
        "command": "node <app> | x",
        "exit_code": 2,
        "calls": 3,
        "images": 1,
        "cost": {"CNY": "0.18"},
        "findings": [finding("link_never_fetched", "a")],
        "coverage": {"nebula": {"rules_broken": 1, "rules": 9, "never": ["429"]}},
        "refused": {"example.com": 2},
        "scenario": scenario,
        "repeated": 1,
        "wasted": {"CNY": "0.18"},
        "seconds": 1.25,
        "unmet": ["too dear"],
    }
    return Summary(**{**found, **changes})  # type: ignore[typeddict-item]


def test_only_equal_requests_that_change_something_are_repeated() -> None:
    journal = [entry("a", "x"), entry("b", "x"), entry("c", "x"), entry("d", "y")]
    queries = [entry("e", "z", method="GET"), entry("f", "z", method="GET")]
    callbacks = [entry("g", "z", endpoint="callback"), entry("h", "z", endpoint="callback")]
    assert repeated([*journal, *queries, *callbacks]) == 2


def test_a_charge_is_wasted_once() -> None:
    journal = [
        entry("a", "x", "0.18"),
        entry("b", "x", "0.18"),
        entry("c", "y", "0.20"),
        entry("d", "y"),
        entry("e", ""),
    ]
    findings = [finding("charge_repeated", "a", "b"), finding("link_never_fetched", "b", "c", "d")]
    assert wasted(journal, findings) == {"CNY": Decimal("0.38")}
    assert wasted(journal, [finding("retry_storm", "a")]) == {}
    # The second of two charges was the right one, since its picture was fetched.
    assert wasted(journal, [finding("charge_repeated", "a", "b"), finding("link_never_fetched", "a")]) == {
        "CNY": Decimal("0.18")
    }


def test_findings_of_a_kind_are_counted_in_the_table() -> None:
    kinds = [finding(kind) for kind in ("link_never_fetched", "charge_repeated", "link_never_fetched")]
    assert row(summary("flaky", findings=kinds, unmet=[]))[6] == "2 × link_never_fetched (note), charge_repeated (note)"


@pytest.fixture
def reports(tmp_path: Path) -> dict[str, str]:
    runs = [summary("outage"), summary("flaky", unmet=[], exit_code=0)]
    for suffix in FORMATS:
        write(runs, tmp_path / f"report{suffix}")
    return {suffix: (tmp_path / f"report{suffix}").read_text("utf-8") for suffix in FORMATS}


def test_reports_of_several_runs(reports: dict[str, str]) -> None:
    assert [each["scenario"] for each in json.loads(reports[".json"])] == ["outage", "flaky"]
    line = "| outage | 2 | 3 | 1 | 0.18 CNY | 0.18 CNY | link_never_fetched (note), failed: too dear | 1.2 |"
    assert line in reports[".md"].splitlines()
    assert "## flaky: exit code 0" in reports[".md"].splitlines()
    page = ET.fromstring(reports[".html"].partition("\n")[2].replace('<meta charset="utf-8">', ""))
    assert page.findtext(".//h1") == "node <app> | x"
    assert [cell.text for cell in page.findall(".//tbody/tr[1]/td")][:3] == ["outage", "2", "3"]
    suites = ET.fromstring(reports[".xml"].encode()).findall("testsuite")
    assert [(each.get("name"), each.get("failures")) for each in suites] == [
        ("qwenmock run outage", "2"),
        ("qwenmock run flaky", "0"),
    ]


def test_report_of_one_run_is_no_list() -> None:
    assert json.loads(FORMATS[".json"]([summary("")]))["command"] == "node <app> | x"
    assert FORMATS[".md"]([summary("")]).startswith("## `node <app> | x`: failed\n")
