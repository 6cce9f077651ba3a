"""What has changed since an earlier report, from reports that are written here."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.report.baseline import (
    Baseline,
    BaselineError,
    Comparison,
    OldFailure,
    change_lines,
    changes,
    compared,
    comparison_line,
    read_baselines,
)
from qwenmock.pytest_plugin.examiner.report.failures import Violation, identity
from qwenmock.pytest_plugin.examiner.results import RuleStatus


def report(**changed: Any) -> dict[str, Any]:
    content = {
        "provider": "nebula", "profile": "ci", "started": 0.5,
        "rules": [{"id": "a", "status": "fail"}, {"id": "b", "status": "pass"}],
        "failures": [
            {"rule": "", "judged": "the bill", "promised": "p", "got": ["0.36 billed", "more"], "checks": ["test_x"]},
            {"rule": "a", "judged": "the answer", "promised": "p", "got": ["status 500"], "checks": ["test_y"]},
        ],
    }  # fmt: skip
    return content | changed


def read(folder: Path, content: Any) -> Any:
    path = folder / "old.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_baselines(path)


def test_reports_are_read_by_provider(tmp_path: Path) -> None:
    found = read(tmp_path, [report(), report(provider="aigc", rules=[], failures=[])])
    failures = {
        identity("the bill", "p", ["0.36 billed", "more"]): OldFailure("the bill: 0.36 billed", frozenset({"test_x"}))
    }
    assert found == {
        "nebula": Baseline("old.json", 0.5, "ci", {"a": "fail", "b": "pass"}, failures),
        "aigc": Baseline("old.json", 0.5, "ci", {}, {}),
    }
    assert read(tmp_path, report())["nebula"] == found["nebula"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("# Report", "expected a JSON report of an examination, got "),
        ([], ": it has no report"),
        (report(rules=1), "rules: expected an array, got 1"),
        (report(rules=[{"id": "a", "status": "odd"}]), "the status of a rule: expected one of pass, fail, observed, "),
    ],
)
def test_file_that_is_no_report_is_refused(tmp_path: Path, content: Any, named: str) -> None:
    with pytest.raises(BaselineError, match=re.escape(named)):
        read(tmp_path, content)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match=r"^cannot read .*old\.json: No such file or directory$"):
        read_baselines(tmp_path / "old.json")


def failure(judged: str, *got: str, rule: str = "") -> Violation:
    return {"judged": judged, "promised": "p", "got": list(got), "rule": rule}  # type: ignore[typeddict-item]


def baseline(statuses: dict[str, RuleStatus], *failures: tuple[str, str, str]) -> Baseline:
    old = {
        identity(judged, "p", [got]): OldFailure(f"{judged}: {got}", frozenset({check}))
        for judged, got, check in failures
    }
    return Baseline("old.json", 86400.0, "ci", statuses, old)


def rows(comparison: Comparison, heading: str) -> list[tuple[str, str, str]]:
    return [(each["id"], each["was"], each["now"]) for each in changes(comparison)[heading]]


def test_rules_that_have_changed() -> None:
    was: dict[str, RuleStatus] = {
        "a": "pass", "b": "fail", "c": "fail", "d": "pass", "e": "fail", "f": "observed", "g": "skipped", "i": "pass",
    }  # fmt: skip
    now: dict[str, RuleStatus] = {
        "a": "fail", "b": "fail", "c": "pass", "d": "pass", "e": "skipped", "f": "pass", "g": "skipped",
        "h": "fail", "j": "skipped", "k": "pass",
    }  # fmt: skip
    found = compared(baseline(was), now, [], ())
    assert (found["file"], found["started"], found["profile"]) == ("old.json", 86400.0, "ci")
    assert rows(found, "newly violated") == [("a", "holds", "VIOLATED"), ("h", "not in the contract", "VIOLATED")]
    assert rows(found, "mended") == [("c", "VIOLATED", "holds")]
    assert rows(found, "no longer examined") == [
        ("e", "VIOLATED", "not examined"),
        ("i", "holds", "not in the contract any more"),
    ]


def test_failures_without_a_rule_that_have_changed() -> None:
    old = baseline({}, ("the bill", "a", "test_x"), ("the bill", "b", "test_y"), ("the bill", "c", "test_z"))
    new = [failure("the bill", "a"), failure("the bill", "d", "more"), failure("the answer", "e", rule="r")]
    found = compared(old, {}, new, {"test_x", "test_y"})
    assert rows(found, "newly violated") == [("the bill: d", "not found", "found")]
    assert rows(found, "mended") == [("the bill: b", "found", "not found")]
    assert rows(found, "no longer examined") == [("the bill: c", "found", "not examined")]


def test_changes_are_counted_and_the_first_are_told() -> None:
    was: dict[str, RuleStatus] = {"a": "pass", "b": "pass", "c": "fail"}
    found = compared(baseline(was), {"a": "fail", "b": "fail", "c": "pass"}, [], ())
    assert comparison_line(found) == (
        "since old.json (1970-01-02 00:00 UTC, profile ci): 2 newly violated, 1 mended, 0 no longer examined"
    )
    first, rest, mended = change_lines(found, 1)
    assert first == "newly violated: a (was: holds, now: VIOLATED)"
    assert rest == "newly violated: … and 1 more"
    assert mended == "mended: c (was: VIOLATED, now: holds)"
