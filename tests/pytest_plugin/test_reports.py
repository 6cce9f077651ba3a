"""What failures and reports say, of real wrong servers."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from wrong_servers.faults import Exchange, Fault, status

from qwenmock.pytest_plugin.examiner.answer_judge import broken_by
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.reproduction import INLINE_MAX, Reproductions
from qwenmock.pytest_plugin.examiner.findings import SEVERITIES, Finding, Request
from qwenmock.pytest_plugin.examiner.report.baseline import BaselineError, read_baselines
from qwenmock.pytest_plugin.examiner.report.content import Report, report_of, rules_of
from qwenmock.pytest_plugin.examiner.report.failures import alike, found_by, merged, short
from qwenmock.pytest_plugin.examiner.report.files import FORMATS, as_json, prune, write
from qwenmock.pytest_plugin.examiner.report.run import Found, Run, begin
from qwenmock.pytest_plugin.examiner.results import Tally
from qwenmock.pytest_plugin.examiner.runner import Check, checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import EmbeddedTarget
from qwenmock.pytest_plugin.examiner.verdicts import Verdict
from qwenmock.pytest_plugin.examiner_factory import CONTROL, LEDGER, embedded_credentials
from qwenmock.schemas.catalog import load
from qwenmock.schemas.sources import cited
from qwenmock.schemas.vocabulary import JSON

CATALOG = load()


@cache
def checks(slug: str) -> list[Check]:
    return checks_of(CATALOG[slug])


def run_of(fault: Fault, *named: str, profile: str = "smoke") -> Run:
    """Examine a wrong server by the checks whose names contain one of some words; by all without words."""
    provider = CATALOG[fault.slug]
    app, double = fault.server(provider)
    examiner = Examiner(
        provider=provider,
        target=EmbeddedTarget(app, fault.slug),
        credentials=embedded_credentials(fault.slug),
        budget=Budget(None, provider.currency),
        settings=SessionSettings(ledger=LEDGER, control=CONTROL, profile=profile),
        now=double.clock.now,
    )
    run = begin(examiner)
    chosen = [check for check in checks(fault.slug) if not named or any(word in check.name for word in named)]
    for outcome in run_checks(examiner, chosen):
        run.count(outcome.check.name, Verdict(outcome.result, outcome.text, outcome.trace, outcome.findings))
    run.finish(examiner)
    examiner.close()
    return run


def examined(fault: Fault, *named: str, profile: str = "smoke") -> Report:
    """Return the report of such a run."""
    return report_of(run_of(fault, *named, profile=profile), CATALOG[fault.slug])


def statuses(report: Report) -> dict[str, str]:
    return {row["id"]: row["status"] for row in report["rules"]}


def no_charge(exchange: Exchange, _: dict[str, Any]) -> None:
    if exchange.path == "/__mock__/ledger":
        exchange.json = {**exchange.json, "charges": []}


def falling(exchange: Exchange, _: dict[str, Any]) -> None:
    if exchange.method == "GET" and "/tasks/" in exchange.path and exchange.json.get("progress", 100) < 100:
        exchange.json = {**exchange.json, "progress": 100 - exchange.json["progress"]}


def test_wrong_bill_is_not_a_violation_of_the_rule_that_was_tried() -> None:
    report = examined(Fault("bills nothing", "nebula", no_charge), "n/maximum", "smallest_request")
    assert {failure["severity"] for failure in report["failures"]} == {"money"}
    assert {failure["judged"] for failure in report["failures"]} == {"the bill"}
    assert "0 charges for one success" in report["failures"][0]["text"]
    assert statuses(report)["nebula/contents/parameters/n/maximum"] == "pass"
    # The same in each check, and told once.
    [failure] = report["failures"]
    assert failure["count"] == report["summary"]["violations"] > 3
    assert len(failure["checks"]) == failure["count"]


def test_state_of_a_task_is_not_blamed_on_what_the_check_is_about() -> None:
    report = examined(Fault("progress falls", "evolink", falling), "refused_requests_cost_nothing")
    [failure] = report["failures"]
    assert (failure["judged"], failure["rule"]) == ("the progress of a task", "")
    assert failure["check"] == "test_refused_requests_cost_nothing[evolink/edit]"
    assert any(line.startswith("to GET ") for line in failure["answer"])


def test_failure_names_rule_source_request_and_answer() -> None:
    report = examined(Fault("answers 422", "nebula", status(400, 422)), "contents/parameters/n/maximum")
    failure = next(each for each in report["failures"] if each["rule"] == "nebula/contents/parameters/n/maximum")
    rule = next(each for each in CATALOG["nebula"].rules if each.id == failure["rule"])
    assert (failure["source"], failure["certainty"], failure["value"]) == (rule.source, "documented", "6")
    assert failure["got"] == ["status 422, expected 400"]
    assert failure["answer"][0].startswith("422, content-type: application/json")
    assert '"code": 400' in failure["answer"][1]
    for part in (rule.id, cited(rule.source), *failure["got"], *failure["answer"], failure["curl"]):
        assert part in failure["text"]


def test_wrong_value_in_an_answer_is_shown_with_its_place() -> None:
    def retype(exchange: Exchange, _: dict[str, Any]) -> None:
        if exchange.is_success:
            body = exchange.json
            body["data"]["created"] = "yesterday"
            exchange.json = body

    report = examined(Fault("created is a text", "nebula", retype), "smallest_request")
    first = report["failures"][0]
    assert first["rule"].startswith("nebula/")
    assert first["rule"].endswith(".200/data/created/type")
    assert first["got"] == ['data.created: "yesterday", which breaks type']
    assert first["judged"] == "the answer to a request that succeeds"
    assert statuses(report)[first["rule"]] == "fail"


def forgetful(exchange: Exchange, _: dict[str, Any]) -> None:
    if exchange.path == "/__mock__/ledger" and exchange.status == 200:
        exchange.json = {**exchange.json, "charges": exchange.json["charges"][1:]}


def test_failure_of_the_state_machine_lists_its_steps() -> None:
    report = examined(Fault("forgets a charge", "nebula", forgetful), "stay_consistent", profile="ci")
    [failure] = report["failures"]
    assert failure["severity"] == "money"
    assert failure["steps"] == ["create with simplified, 1 image"]
    assert "  1. create with simplified, 1 image" in failure["text"]


def test_equal_failures_are_one_and_the_most_serious_is_first() -> None:
    def found(check: str, got: str, subject: Any, rule: str = "", certainty: Any = "") -> Found:
        return Found(check, Finding(subject, rule, got=(got,), certainty=certainty))

    failures = merged(
        [
            found("a", 'expected 200, got "x1"', "request", "p/v/a/type", "assumed"),
            found("b", "status 422, expected 400", "request", "p/v/a/type", "documented"),
            found("c", "status 423, expected 400", "request", "p/v/a/type", "documented"),
            found("c", "status 423, expected 400", "request", "p/v/b/type", "documented"),
            found("d", "status 200, expected 401", "key"),
            found("e", "0.36 billed", "bill"),
            found("f", "0.18 billed", "bill"),
        ]
    )
    assert [(each["severity"], each["count"]) for each in failures] == [
        ("money", 2),
        ("authentication", 1),
        ("contract", 2),
        ("contract", 1),
        ("assumed", 1),
    ]
    assert tuple(dict.fromkeys(each["severity"] for each in failures)) == SEVERITIES
    groups = alike(failures)
    assert [len(group) for group in groups] == [1, 1, 2, 1]
    assert found_by(groups[2]) == "found by b and 2 other checks; the same for 1 other rule: p/v/b/type"
    assert short(groups[2]) == "contract: p/v/a/type and 1 other rule: status 422, expected 400"


def test_run_survives_its_way_between_processes() -> None:
    run = run_of(Fault("bills nothing", "nebula", no_charge), "smallest_request")
    assert run.found
    again = Run.load(json.loads(json.dumps(run.dump())))
    assert again == run
    again.add(run)
    assert (len(again.found), again.failed) == (2 * len(run.found), 2 * run.failed)


KEYS = Credentials("nebula", "sk-mock-secret", {})


@pytest.mark.parametrize(
    ("content", "is_inline"),
    [
        (b'{"prompt": "it\'s"}', True),
        (b'{"prompt": "' + b"x" * INLINE_MAX + b'"}', False),
        (b"\xff{}", False),
        (b"{}\x00", False),
        (b"@etc", False),
        (b"{\n}", False),
    ],
)
def test_only_a_body_that_a_command_line_can_have_stands_in_it(
    tmp_path: Path, content: bytes, *, is_inline: bool
) -> None:
    request = Request("POST", "http://127.0.0.1:9/v1", {"Authorization": "Bearer sk-mock-secret"}, content)
    again = Reproductions(KEYS, tmp_path / "r-files").of(request)
    assert '-H "Authorization: Bearer $QWENMOCK_NEBULA_KEY"' in again.curl
    assert bool(again.files) != is_inline
    if again.files:
        assert Path(again.files[0]).read_bytes() == content
    else:
        assert not (tmp_path / "r-files").exists()


def test_files_that_no_failure_names_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "r-files"
    request = Request("POST", "http://127.0.0.1/x", {}, b"x" * 1000)
    kept = Reproductions(KEYS, folder).of(request).files[0]
    Reproductions(KEYS, folder).of(replace(request, content=b"y" * 1000))
    (folder / "notes.txt").write_text("of the user")
    report = examined(Fault("bills nothing", "nebula", no_charge), "n/maximum")
    report["failures"][0]["files"] = [kept]
    prune(folder, [report])
    assert {each.name for each in folder.iterdir()} == {Path(kept).name, "notes.txt"}


def test_files_hold_no_key(tmp_path: Path) -> None:
    content = b'{"prompt": "sk-mock-secret' + b"x" * INLINE_MAX + b'"}'
    again = Reproductions(KEYS, tmp_path).of(Request("POST", "http://127.0.0.1:9/v1", {}, content))
    assert b"sk-mock" not in Path(again.files[0]).read_bytes()


@cache
def worst_reports(text: str) -> list[Report]:
    """Return reports in which every rule of every provider is violated in three ways, with long texts."""
    reports: list[Report] = []
    for provider in CATALOG:
        run = Run("http://127.0.0.1:9", provider.slug, "ci", 0, 0.0)
        for rule in rules_of(provider):
            run.tallies[rule.id] = Tally()
            run.tallies[rule.id].count("accept", held=False, detail=text * 500)
            for way in "abc":
                finding = Finding(
                    subject="request",
                    rule=rule.id,
                    source=rule.source,
                    certainty=rule.certainty,
                    sent=text * 70,
                    promised=text * 200,
                    got=(way + text * 300,),
                    answer=("200", text * 500),
                    steps=(text * 50,) * 15,
                    curl=text * 900,
                )
                run.count(f"test_{way}[{rule.id}]", Verdict("failed", text, findings=(finding,)))
        run.count("test_other", Verdict("skipped", text * 300))
        run.count("test_broken", Verdict("error", text * 3000, "trace"))
        reports.append(report_of(run, provider))
    return reports


@pytest.mark.parametrize(("suffix", "most"), [(".html", 200_000), (".md", 60_000)])
@pytest.mark.parametrize("text", ["x", "\u4e2d", "&"])
def test_report_of_the_worst_server_stays_small_and_counts_what_is_left(suffix: str, most: int, text: str) -> None:
    reports = worst_reports(text)
    page = FORMATS[suffix](reports)
    assert most / 20 < len(page.encode()) <= most
    assert "… and " in page
    for report in reports:
        assert f"{report['summary']['violations']} checks failed" in page
        assert report["failures"][0]["rule"] in page


def test_markup_in_an_answer_stays_text(tmp_path: Path) -> None:
    evil = "</pre><script>alert(1)</script> `````\n| *a* _b_ [c](http://x) `"
    run = Run("http://127.0.0.1:9/<b>", "nebula", "ci", 0, 0.0)
    rule = CATALOG["nebula"].rules[-1]
    run.tallies[rule.id] = Tally()
    run.tallies[rule.id].count("accept", held=False, detail=evil)
    finding = Finding(rule=rule.id, got=(evil,), answer=(evil,), curl=evil, steps=(evil,))
    run.count("test_x[nebula/contents/*/parts/*]", Verdict("failed", evil, findings=(finding,)))
    run.count("test_y", Verdict("skipped", evil))
    reports = [report_of(run, CATALOG["nebula"])]
    page = FORMATS[".html"](reports)
    assert "<script" not in page
    assert "http://127.0.0.1:9/&lt;b&gt;" in page
    text = FORMATS[".md"](reports)
    # The fence around a failure is not closed by what it holds, and no cell of a table by a bar.
    assert text.count("`````") == 2
    assert "\\| \\*a\\* \\_b\\_ \\[c\\]" in text
    assert "<script" not in text.partition("`````")[0] + text.rpartition("`````")[2].replace("\\<", "")
    ET.fromstring(FORMATS[".xml"](reports))


@pytest.mark.parametrize("suffix", [".html", ".md", ".xml"])
def test_reports_name_documents_by_their_names(suffix: str) -> None:
    report = examined(Fault("answers 422", "nebula", status(400, 422)), "contents/parameters/n/maximum")
    page = FORMATS[suffix]([report])
    assert "Nebula image editing guide, 4.3 Batch Generation (n Parameter)" in page.replace("\\", "")
    assert ".txt#" not in page.replace("\\", "")


def test_page_opens_with_the_verdict_and_what_was_examined() -> None:
    report = examined(Fault("bills nothing", "nebula", no_charge), "n/maximum", "smallest_request")
    page = FORMATS[".html"]([report])
    places = [page.index(part) for part in ("Violated: nebula", "What was examined", "0 charges for one", "All rules")]
    assert places == sorted(places)
    for area in ("requests", "answers", "refusals", "bills", "keys and HTTP"):
        rows = [row for row in report["rules"] if row["area"] == area]
        assert rows
        skipped = sum(row["status"] == "skipped" for row in rows)
        text = page.partition(f"<span>{area}</span>")[2].partition("</span>")[0].rpartition("<span>")[2]
        assert not skipped or f"{skipped} not examined" in text


def test_baseline_says_what_changed(tmp_path: Path) -> None:
    old_path = tmp_path / "old.json"
    old_path.write_text(as_json([examined(Fault("bills nothing", "nebula", no_charge), "n/maximum", "smallest")]))
    baseline = read_baselines(old_path)["nebula"]
    provider = CATALOG["nebula"]
    fault = Fault("answers 422", "nebula", status(400, 422))
    new = report_of(run_of(fault, "n/maximum", "smallest"), provider, baseline)
    comparison = new["baseline"]
    assert comparison is not None
    maximum = {"id": "nebula/contents/parameters/n/maximum", "was": "holds", "now": "VIOLATED"}
    assert maximum in comparison["violated"]
    # The bill is right where the same check passed.
    bills = [change for change in comparison["mended"] if change["id"].startswith("the bill")]
    assert [change["now"] for change in bills] == ["not found"]
    back = report_of(
        run_of(Fault("right", "nebula"), "n/maximum"), provider, read_baselines(written(tmp_path, new))["nebula"]
    )
    assert back["baseline"] is not None
    assert {**maximum, "was": "VIOLATED", "now": "holds"} in back["baseline"]["mended"]
    assert back["baseline"]["violated"] == []
    nothing = report_of(run_of(Fault("right", "nebula"), "no such check"), provider, baseline)
    assert nothing["baseline"] is not None
    assert nothing["baseline"]["mended"] == []
    assert {**maximum, "now": "not examined"} in nothing["baseline"]["unexamined"]
    assert any(change["id"].startswith("the bill") for change in nothing["baseline"]["unexamined"])
    for suffix, write_format in FORMATS.items():
        text = write_format([new])
        assert maximum["id"] in text
        assert suffix == ".json" or "old.json" in text


def written(folder: Path, report: Report) -> Path:
    path = folder / "new.json"
    write(path, [report])
    return path


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "cannot read"),
        ("# Report", "expected a JSON report"),
        ("[]", "has no report"),
        ('{"rules": 1}', "rules: expected an array, got 1"),
        ('{"rules": [{"id": "a", "status": "fine"}]}', "expected one of pass, fail, observed, skipped, got 'fine'"),
        (
            '{"rules": [], "failures": [{"rule": "", "got": 1}], "provider": "a", "started": 1, "profile": "ci"}',
            "got: expected an array",
        ),
    ],
)
def test_file_that_is_no_report_is_refused(tmp_path: Path, content: str | None, named: str) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BaselineError, match=re.escape(named)):
        read_baselines(path)


def test_baseline_of_an_older_version_is_read(tmp_path: Path) -> None:
    """Its failures have a check and a text only, and its rules no area."""
    path = tmp_path / "old.json"
    old = {
        "provider": "nebula",
        "profile": "ci",
        "started": 1.5,
        "rules": [{"id": "nebula/contents/parameters/n/maximum", "status": "fail"}],
        "failures": [{"check": "test_x", "text": "got: 1"}],
    }
    path.write_text(json.dumps([old]))
    assert read_baselines(path)["nebula"].statuses == {"nebula/contents/parameters/n/maximum": "fail"}


@pytest.mark.parametrize("slug", CATALOG.providers)
@pytest.mark.parametrize("body", [None, [], {}, "x", {"data": [{"url": 1}], "output": {"choices": [1]}}])
def test_every_broken_rule_of_an_answer_can_be_told(slug: str, body: JSON) -> None:
    provider = CATALOG[slug]
    documents = [variant.answer for variant in provider.variants.values()]
    documents += [error.document for error in provider.errors.values()]
    for document in documents:
        for rule in document.rules:
            told = broken_by(document, rule, body, "answer")
            assert told
            assert "\n" not in told
